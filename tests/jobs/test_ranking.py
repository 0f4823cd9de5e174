"""From examples to rankers and their scores, by the jobs, on a log whose truth is known."""

import json
import math
import shutil

import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from pyspark.sql import functions as F

from winnow import splitting

needs_spark_ml = pytest.mark.not_on("sail", why="it has no Spark ML")

START, LAST = "2026-01-05", "2026-01-09"
DAYS = ("--start", START, "--end", LAST)
SPLIT = ("--set", "splitting.validation_start=2026-01-08", "--set", "splitting.test_start=2026-01-09")
WORLD = (
    "--set", "synthetic.rows_per_day=5000", "--set", "synthetic.users=200", "--set", "synthetic.media=150",
    "--set", "synthetic.engaged_rate=0.15", "--set", 'sampling.strata=["surface"]',
    "--set", "synthetic.dirt.null_surface_rate=0.1",
)  # fmt: skip
COLUMNS = '["media_duration_s", "surface", "position", "device"]'
QUICK = (
    "--set",
    f"ranking.columns={COLUMNS}",
    "--set",
    "ranking.model=logistic",
    "--set",
    "ranking.logistic.iterations=15",
    *WORLD,
    *SPLIT,
)

SHOWN = (
    "--set", 'ranking.context={surface = "home", position = "1"}', "--set", 'ranking.context.device="tv"',
)  # fmt: skip


@pytest.fixture(scope="module")
def prepared(data_job, tmp_path_factory):
    """A root with five days of examples: three for training, one for validation, one for the test."""
    root = tmp_path_factory.mktemp("prepared")
    assert data_job("make_impressions", root, *DAYS, *WORLD).code == 0
    assert data_job("prepare_examples", root, *DAYS, *SPLIT, *WORLD).code == 0
    return root


@pytest.fixture(scope="module")
def trained(prepared, run_job):
    """The root with the scores of a ranker; and what train_ranker said."""
    ended = run_job("train_ranker", prepared, *DAYS, *QUICK)
    assert ended.code == 0, ended.err
    return prepared, ended


@needs_spark_ml
def test_every_held_out_example_has_one_score_and_evaluate_measures_it(trained, run_job, read):
    root, ended = trained
    scores, examples = read(root, "scores"), read(root, "examples")
    wanted = examples.where("event_date >= date'2026-01-08' and watched_label is not null")
    assert scores.count() == wanted.count() == scores.select("impression_id").distinct().count()
    assert scores.join(wanted, ["impression_id", "event_date"], how="left_anti").count() == 0
    assert {tuple(row) for row in scores.select("model", "label").distinct().collect()} == {("logistic", "watched")}
    assert "predicted/observed" in ended.err
    assert '{"surface":"home"}' in ended.err
    assert "matters most" in ended.err

    assert run_job("evaluate", root, "--date", LAST).code == 0
    found = {row["metric"]: row["value"] for row in read(root, "metrics").where("model = 'logistic'").collect()}
    # Half of the weight is watch time, and negatives were kept at the number of positives: both are undone.
    assert found["calibration_ratio"] == pytest.approx(1.0, abs=0.15)
    assert found["auc"] > 0.55
    assert read(root, "reliability").where("model = 'logistic'").count() > 3


@needs_spark_ml
def test_what_training_rows_lack_is_kept_and_what_served_rows_lack_is_told(recommended, run_job, read, tmp_path):
    root, ended = recommended
    training = read(root, "examples").where("event_date < date'2026-01-08' and watched_label is not null")
    (share,) = training.agg(F.avg(F.col("surface").isNull().cast("int"))).head()
    (told,) = json.loads(next(root.glob("models/logistic/*/rankers.json")).read_text())["rankers"]
    assert told["defaulted"] == {"surface": pytest.approx(share)}
    assert 0.05 < share < 0.15
    assert "usable value of" not in ended.err
    elsewhere = ("--set", 'ranking.context.device="fridge"', "--set", f"tables.recommendations={tmp_path}/lists")
    ended = run_job("recommend", root, "--date", LAST, *QUICK, *SHOWN, *elsewhere)
    assert ended.code == 0, ended.err
    assert "candidates has a usable value of device, which most training rows had" in ended.err


@needs_spark_ml
def test_rows_without_a_score_are_counted_in_a_warning(prepared, run_job, read, tmp_path):
    rates = read(prepared, "ledger").where("""stratum <> '{"surface":"home"}'""")
    rates.write.format("delta").partitionBy("event_date").save(f"{tmp_path}/ledger")
    places = (f"--set=tables.{table}={tmp_path}/{table}" for table in ("ledger", "scores"))
    ended = run_job("train_ranker", prepared, *DAYS, *QUICK, *places, "--set", "ranking.name=less")
    assert ended.code == 0, ended.err
    held_out = read(prepared, "examples").where("event_date >= date'2026-01-08' and watched_label is not null")
    lost, all_rows = held_out.where("surface = 'home'").count(), held_out.count()
    assert f"watched: {lost:,} of {all_rows:,} held-out rows have no score" in ended.err
    assert read(tmp_path, "scores").count() == all_rows - lost


@needs_spark_ml
def test_weights_by_rate_do_what_correction_does_and_other_names_stay(trained, run_job, read):
    root, _ = trained
    named = ("--set", "ranking.name=plain", "--set", "ranking.correction=by_weights", "--set", "ranking.weighted=false")
    ended = run_job("train_ranker", root, *DAYS, *QUICK, *named, "--set", "ranking.calibration=none")
    assert ended.code == 0, ended.err
    counts = dict(map(tuple, read(root, "scores").groupBy("model").count().collect()))
    assert counts["plain"] == counts["logistic"]
    held_out = read(root, "examples").where("event_date = date'2026-01-09' and watched_label is not null")
    mine = held_out.join(read(root, "scores").where("model = 'plain'"), ["impression_id", "event_date"], how="inner")
    predicted, observed = mine.agg(F.avg("score"), F.avg("watched_label")).head()
    assert predicted == pytest.approx(observed, rel=0.15)

    # What features cannot tell, such as hidden tastes, moves single rows off their true probability, and no group of them: the
    # difference to the truth is at most .01 in all, and on average over tenths of the scores, surfaces and devices.
    told = mine.select("score", "true_probability", "surface", "device").toPandas()
    groups = {
        "all": told["score"] >= 0,
        "tenth": told["score"].rank(pct=True).mul(10).apply(math.ceil),
        "surface": told["surface"],
    }
    for name, group in {**groups, "device": told["device"]}.items():
        means = told.groupby(group, dropna=False)[["score", "true_probability"]].agg(["mean", "size"])
        differences = (means["score"]["mean"] - means["true_probability"]["mean"]).abs()
        assert (differences * means["score"]["size"]).sum() / len(told) <= 0.01, (name, differences)
    assert (told["score"] - told["true_probability"]).abs().mean() > 0.05


@pytest.fixture(scope="module")
def recommended(trained, run_job):
    """The root with lists as of the last day, and what recommend said."""
    root, _ = trained
    candidates = ("--set", 'retrieval.sources=["popularity"]', "--set", "retrieval.candidates=30")
    ended = run_job("generate_candidates", root, "--date", LAST, *candidates)
    assert ended.code == 0, ended.err
    ended = run_job("recommend", root, "--date", LAST, *QUICK, *SHOWN)
    assert ended.code == 0, ended.err
    return root, ended


@needs_spark_ml
def test_everybody_has_a_list_of_what_they_have_not_seen_with_reasons(recommended, read):
    root, ended = recommended
    lists = read(root, "recommendations")
    by_user = lists.groupBy("user_id").agg(F.sort_array(F.collect_list("rank")).alias("ranks")).collect()
    assert len(by_user) == read(root, "users").count()
    assert all(row["ranks"] == list(range(1, 11)) for row in by_user)
    assert lists.where("reason is null or score is null or score < 0").count() == 0
    assert lists.groupBy("user_id", "media_id").count().where("count > 1").count() == 0
    before = read(root, "impressions").where(f"event_date < date'{LAST}' and watch_s >= 0.8 * media_duration_s")
    assert lists.join(before, ["user_id", "media_id"], how="left_semi").count() == 0
    assert "200 lists of logistic/" in ended.err


@needs_spark_ml
def test_a_rerun_gives_the_same_lists_and_evaluate_measures_them(recommended, run_job, read, content):
    root, _ = recommended
    before = content(read(root, "recommendations").withColumn("score", F.round("score", 9)), ("run_id",))
    assert run_job("recommend", root, "--date", LAST, *QUICK, *SHOWN).code == 0
    assert content(read(root, "recommendations").withColumn("score", F.round("score", 9)), ("run_id",)) == before


@needs_spark_ml
def test_an_erased_user_is_in_no_file_of_the_line_once_old_versions_are_removed(
    recommended, run_job, aged, read, tmp_path
):
    """By the steps of docs/operations.md; what a ranker said of the user's impressions, where no user stands, goes as well."""
    root = shutil.copytree(recommended[0], tmp_path / "root")
    user = read(root, "recommendations").head()["user_id"]
    shown = {row["impression_id"] for row in read(root, "impressions").where(f"user_id = {user}").collect()}
    scores = read(root, "scores").count()
    theirs = read(root, "scores").where(F.col("impression_id").isin(shown)).count()
    assert theirs > 0

    def files_with_the_user(place):
        """The files of rows that tell the user, or an impression of theirs, wherever they lie."""
        found = set()
        for file in (file for file in place.rglob("*.parquet") if "_delta_log" not in str(file)):
            rows = pq.ParquetFile(file).read()
            for name, values in (("user_id", {user}), ("impression_id", shown)):
                if name in rows.column_names and values & set(rows.column(name).to_pylist()):
                    found.add(str(file.relative_to(place)).split("/")[0])
        return found

    assert {"examples", "scores", "candidates", "recommendations"} <= files_with_the_user(root)
    ended = run_job("maintain", root, "--erase-user", user)
    assert ended.code == 0, ended.err
    assert f"scores: {theirs:,} rows of the user are erased" in ended.err
    assert read(root, "scores").count() == scores - theirs
    old = aged(root, 40)
    assert run_job("maintain", old, "--vacuum").code == 0
    assert files_with_the_user(old) <= {"impressions", "users", "searches"}  # the service's own
    for own in ("impressions", "users", "searches"):
        DeltaTable(f"{old}/{own}").vacuum(retention_hours=0, dry_run=False, enforce_retention_duration=False)
    assert files_with_the_user(old) == set()


@needs_spark_ml
def test_what_rankers_read_is_kept_and_a_shifted_source_is_told_or_stops_the_lists(
    recommended, run_job, read, tmp_path
):
    root = shutil.copytree(recommended[0], tmp_path / "root")
    candidates = read(root, "candidates").join(read(root, "media"), "media_id").where("source = 'popularity'")
    (kept,) = read(root, "served_columns").collect()  # the context tells the other columns
    known = candidates.select(F.coalesce("media_duration_s", F.lit(0.0)).alias("length"))
    rows, mean, deviation = known.agg(F.count("*"), F.avg("length"), F.stddev("length")).head()
    assert (kept["read_column"], kept["label"], kept["model"]) == ("media_duration_s", "watched", "logistic")
    assert kept["rows"] <= rows, "what was seen is not shown again"
    assert kept["mean_value"] == pytest.approx(mean, rel=0.05)
    assert kept["standard_deviation"] == pytest.approx(deviation, rel=0.05)
    assert "not compared with the days before" in recommended[1].err

    days = [F.lit(f"2026-01-0{day}").cast("date") for day in range(5, 9)]
    before = read(root, "served_columns").drop("as_of_date").withColumn("as_of_date", F.explode(F.array(*days)))
    before.write.format("delta").mode("append").save(f"{root}/served_columns")
    ended = run_job("recommend", root, "--date", LAST, *QUICK, *SHOWN)
    assert ended.code == 0, ended.err
    assert "served_shift" not in ended.err
    larger = F.col("media_duration_s") * 1.2
    read(root, "media").withColumn("media_duration_s", larger).write.format("delta").save(f"{tmp_path}/media")
    shifted = ("recommend", root, "--date", LAST, *QUICK, *SHOWN, "--set", f"tables.media={tmp_path}/media")
    version = DeltaTable(f"{root}/recommendations").version()
    ended = run_job(*shifted, "--set", "guards.served_shift=block")
    assert ended.code == 3
    assert "media_duration_s" in ended.err
    assert "--set guards.served_shift=warn" in ended.err
    assert DeltaTable(f"{root}/recommendations").version() == version
    ended = run_job(*shifted)
    assert ended.code == 0, ended.err
    assert "the means of 1 columns are not as the days before let expect: media_duration_s" in ended.err
    (finding,) = json.loads(read(root, "runs").orderBy(F.col("finished_ts").desc()).head()["findings"])
    assert finding["rule"] == "served_shift"
    assert finding["found"] == pytest.approx(1.2 * kept["mean_value"])


@needs_spark_ml
def test_a_list_is_explained_by_what_each_column_does(recommended, run_job, read):
    root, _ = recommended
    user = read(root, "recommendations").head()["user_id"]
    ended = run_job("recommend", root, "--date", LAST, "--explain", user, *QUICK, *SHOWN)
    assert ended.code == 0, ended.err
    assert "left at its mean in training" in ended.err
    assert ended.err.count("watched: media_duration_s") + ended.err.count("media_duration_s") >= 10
    ended = run_job("recommend", root, "--date", LAST, "--explain", "nobody", *QUICK, *SHOWN)
    assert ended.code == 4
    assert "found none" in ended.err


@needs_spark_ml
def test_a_list_is_explained_by_the_version_that_made_it(recommended, run_job, read, tmp_path):
    from winnow.store import ModelStore

    root = shutil.copytree(recommended[0], tmp_path / "root")
    stored = read(root, "recommendations").head()
    made_by, store = stored["model_version"], ModelStore(str(root))
    assert made_by == store.serving("logistic")
    shutil.copytree(root / "models/logistic" / made_by, root / "models/logistic/later")
    manifest = root / "models/logistic/later/manifest.json"
    manifest.write_text(manifest.read_text().replace(f'"version": "{made_by}"', '"version": "later"'))
    store.promote("logistic", "later")
    explain = ("recommend", root, "--date", LAST, "--explain", stored["user_id"], *QUICK, *SHOWN)
    assert f"by logistic/{made_by};" in run_job(*explain).err
    store.remove("logistic", made_by)
    ended = run_job(*explain)
    assert ended.code == 3
    assert f"logistic/{made_by}, found it removed" in ended.err


@needs_spark_ml
@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--set", "ranking.correction=by_weights"), 3, "expected correction 'by_weights', found 'on_scores'"),
        (("--set", 'ranking.columns=["media_duration_s"]'), 3, "expected features ('media_duration_s',)"),
        (("--set", "ranking.model=gbt", "--set", "ranking.name=logistic"), 3, "expected kind 'gbt', found 'logistic'"),
        (("--set", 'ranking.labels=["liked"]'), 3, "expected label 'liked', found 'watched'"),
        (("--set", "ranking.name=nobody"), 4, "expected one that serves"),
        (("--date", "2026-01-07"), 4, "Run generate_candidates.py --date 2026-01-07"),
    ],
)
def test_a_ranker_made_for_something_else_is_refused_by_name(recommended, run_job, arguments, code, said):
    ended = run_job("recommend", recommended[0], "--date", LAST, *QUICK, *SHOWN, *arguments)
    assert ended.code == code, ended.err
    assert said in ended.err


@needs_spark_ml
def test_a_leak_fails_the_run(prepared, run_job, monkeypatch):
    def later_days_in_training(split, utc_offset_h=0.0):
        """As a wrong split would: rows of the last day are taken for training as well."""
        is_train = (F.col("event_date") < F.lit(split.validation.start)) | (F.col("impression_id") % 7 == 0)
        part = F.when(is_train, "train").when(F.col("event_date") < F.lit(split.test.start), "validation")
        return lambda rows: rows.withColumn("split", part.otherwise("test"))

    monkeypatch.setattr(splitting, "assign", later_days_in_training)
    ended = run_job("train_ranker", prepared, *DAYS, *QUICK)
    assert ended.code == 3
    assert "expected every train row" in ended.err


@needs_spark_ml
@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--set", "ranking.calibration=none"), 3, "weights by watch time move probabilities"),
        (("--set", "ranking.model=fm"), 3, "fm takes no weights"),
        (("--set", "ranking.model=xgb_rank"), 3, 'ranking.correction: expected "none" for xgb_rank'),
        (
            tuple(f"--set=ranking.{one}" for one in ("model=xgb_rank", "correction=none", "calibration=none")),
            3,
            "ranking.calibration: expected platt or isotonic for xgb_rank",
        ),
        (("--set", 'sampling.strata=["surfce"]'), 2, "found surfce; did you mean surface?"),
        (("--set", 'sampling.strata=["device"]'), 2, "by which the ledger tells watched of the training days"),
        (("--set", 'ranking.columns=["watch_s"]'), 2, "ranking.columns: expected columns known before the outcome"),
        (("--set", 'ranking.columns=["planet"]'), 3, "missing planet"),
        (("--set", 'ranking.labels=["watched", "loved"]'), 3, "no label loved"),
        (("--set", "splitting.train_start=2026-01-07", "--end", "2026-01-06"), 4, "found none"),
        (("--set", "splitting.downsample_evaluation=true"), 2, "expected validation days of natural balance"),
    ],
)
def test_what_cannot_be_learnt_is_refused_by_name(prepared, run_job, arguments, code, said):
    ended = run_job("train_ranker", prepared, *DAYS, *QUICK, *arguments)
    assert ended.code == code, ended.err
    assert said in ended.err


@pytest.mark.not_on("spark", "connect", why="they have Spark ML")
def test_what_sail_cannot_fit_is_refused_by_name(run_job, tmp_path):
    ended = run_job("train_ranker", tmp_path, *DAYS)
    assert ended.code == 2
    assert "found one without Spark ML" in ended.err
