"""From examples to lists and their metrics, by the jobs, on a log whose truth is known."""

import datetime as dt
import json

import pytest
from pyspark.sql import functions as F

START, TEST_DAY = "2026-01-05", "2026-01-09"
SMALL = (
    "--set", "retrieval.als.rank=8", "--set", "retrieval.als.iterations=5", "--set", "retrieval.als.user_blocks=2",
    "--set", "retrieval.als.item_blocks=2", "--set", "retrieval.candidates=20",
)  # fmt: skip
SPLIT = ("--set", f"splitting.test_start={TEST_DAY}")
WORLD = ("--set", "synthetic.rows_per_day=8000", "--set", "synthetic.users=300", "--set", "synthetic.media=200")
SLICED = (
    "--set", 'evaluation.slices=["device", "is_new_user", "is_new_media", "activity"]', "--set", "evaluation.baseline=popularity",
    "--set", "evaluation.score_columns.true_probability=watched", "--set", "evaluation.at=[10]",
    "--set", "evaluation.resamples=200",
)  # fmt: skip
POPULARITY_ALONE = ("--set", 'retrieval.sources=["popularity"]')


@pytest.fixture(scope="module")
def evaluated(run_job, data_job, engine, tmp_path_factory):
    """A root with five days of examples, the lists as of the last, and their metrics; and what evaluate said."""
    root = tmp_path_factory.mktemp("evaluated")
    sources = POPULARITY_ALONE if engine == "sail" else ("--set", 'retrieval.sources=["popularity", "als"]')
    days = ("--start", START, "--end", TEST_DAY)
    assert data_job("make_impressions", root, *days, *WORLD).code == 0
    assert data_job("prepare_examples", root, *days, *SPLIT).code == 0
    assert run_job("generate_candidates", root, "--date", TEST_DAY, *SMALL, *sources).code == 0
    ended = run_job("evaluate", root, "--date", TEST_DAY, *SLICED)
    assert ended.code == 0, ended.err
    return root, ended


def test_the_metrics_are_those_of_the_stored_lists(evaluated, read):
    root, _ = evaluated
    lists = {}
    for row in read(root, "candidates").where("source = 'popularity' and rank <= 10").collect():
        assert row["as_of_date"] == dt.date.fromisoformat(TEST_DAY)
        lists.setdefault(row["user_id"], {})[row["rank"]] = row["media_id"]
    wanted, seen = {}, {}
    earlier = (F.col("event_date") < F.lit(TEST_DAY).cast("date")) & (F.col("watched_label") == 1)
    for row in read(root, "examples").where(earlier).collect():
        seen.setdefault(row["user_id"], set()).add(row["media_id"])
    held_out = (F.col("event_date") == F.lit(TEST_DAY).cast("date")) & (F.col("watched_label") == 1)
    for row in read(root, "examples").where(held_out).collect():
        if row["media_id"] not in seen.get(row["user_id"], ()):
            wanted.setdefault(row["user_id"], set()).add(row["media_id"])
    recall = sum(len(own & set(lists.get(user, {}).values())) / len(own) for user, own in wanted.items()) / len(wanted)
    whole = read(root, "metrics").where(
        "k is not null and slice = '{}' and baseline is null and model = 'popularity' and k = 10"
    )
    stored = {row["metric"]: row for row in whole.collect()}
    assert stored["recall"]["value"] == pytest.approx(recall, abs=1e-12)
    assert stored["recall"]["units"] == len(wanted)
    assert stored["recall"]["low"] < recall < stored["recall"]["high"]
    assert len(stored) == 14


def test_what_lists_leave_out_is_left_out_and_told_unless_it_is_asked_for(evaluated, read, run_job, tmp_path):
    root, ended = evaluated
    assert "positives were engaged with before, and are left out" in ended.err
    same = [f"tables.{name}={root}/{name}" for name in ("examples", "candidates", "media", "users")]
    arguments = [word for setting in (*same, "evaluation.skip_seen=false") for word in ("--set", setting)]
    again = run_job("evaluate", tmp_path, "--date", TEST_DAY, *arguments)
    assert again.code == 0, again.err
    assert "left out" not in again.err
    of = "metric = 'recall' and k = 10 and slice = '{}' and baseline is null and model = 'popularity'"
    (less,), (all_,) = (read(place, "metrics").where(of).collect() for place in (root, tmp_path))
    assert all_["units"] > less["units"]


def test_what_lists_are_like_beyond_accuracy_is_stored(evaluated, read):
    root, _ = evaluated
    rows = (
        read(root, "metrics").where("k = 10 and slice = '{}' and baseline is null and model = 'popularity'").collect()
    )
    found = {row["metric"]: row for row in rows}
    lists = read(root, "candidates").where("source = 'popularity' and rank <= 10")
    media = read(root, "media").where(F.col("added_date") <= F.lit(TEST_DAY).cast("date"))
    assert found["catalogue_coverage"]["value"] == lists.select("media_id").distinct().count() / media.count()
    assert found["novelty"]["units"] == lists.select("user_id").distinct().count()
    assert found["popularity_percentile"]["value"] > 0.9
    assert found["exposure_gini"]["value"] > 0.8
    assert found["novelty"]["low"] < found["novelty"]["value"] < found["novelty"]["high"]
    assert 0 < found["intra_list_diversity"]["value"] < 1
    assert {row["measured"] for row in rows} == {"candidates"}


def test_lists_know_nothing_of_the_day_they_are_of(evaluated, read):
    root, _ = evaluated
    before = read(root, "examples").where(F.col("event_date") < F.lit(TEST_DAY).cast("date"))
    seen = before.where("watched_label = 1").select("user_id", "media_id").distinct()
    lists = read(root, "candidates")
    assert lists.join(seen, on=["user_id", "media_id"], how="left_semi").count() == 0, "what was seen is left out"
    known = before.where("watched_label = 1").select("media_id").distinct()
    assert lists.join(known, on="media_id", how="left_anti").count() == 0, "what nobody watched before is not known"


def test_slices_share_the_users_and_the_screen_tells_the_whole(evaluated, read):
    root, ended = evaluated
    rows = read(root, "metrics").where("metric = 'recall' and k = 10 and baseline is null and model = 'popularity'")
    units = {row["slice"]: row["units"] for row in rows.collect()}
    devices = {json.loads(name).get("device") for name in units} - {None}
    assert devices == {"mobile", "tv", "web", "tablet"}
    assert all(units["{}"] >= count for count in units.values())
    assert {'{"is_new_user":false}', '{"is_new_media":true}', '{"is_new_media":false}', '{"activity":"1-4"}'} <= set(
        units
    )
    assert "recall@10" in ended.err
    assert "calibration_ratio" in ended.err
    assert "popularity" in ended.err


def test_the_truth_is_calibrated_and_its_curve_sums_to_the_rows(evaluated, read):
    root, _ = evaluated
    whole = read(root, "metrics").where("model = 'true_probability' and slice = '{}'").collect()
    found = {row["metric"]: row["value"] for row in whole}
    assert found["calibration_ratio"] == pytest.approx(1.0, abs=0.2)  # of some 350 positives: four standard errors
    assert found["auc"] > 0.7
    assert found["ne"] < 1
    curve = read(root, "reliability").where("slice = '{}'").collect()
    assert sum(row["rows"] for row in curve) == whole[0]["units"]
    rising = [row["mean_score"] for row in sorted(curve, key=lambda row: row["bin"])]
    assert rising == sorted(rising)


@pytest.mark.not_on("sail", why="it has no Spark ML")
def test_als_is_compared_with_the_baseline_and_a_rerun_replaces_the_metrics(evaluated, read, run_job):
    root, _ = evaluated
    compared = read(root, "metrics").where("baseline = 'popularity' and slice = '{}'").collect()
    assert {row["model"] for row in compared} == {"als", "merged"}
    assert all(0 < row["p_value"] <= 1 for row in compared)

    def stored():
        # Sums of fractions differ in their last bits with the order of the rows.
        rows = read(root, "metrics").where("k is not null").select("model", "metric", "k", "slice", "baseline", "value")
        return sorted(str((*row[:5], round(row["value"], 9))) for row in rows.collect())

    former = stored()
    assert run_job("evaluate", root, "--date", TEST_DAY, *SLICED).code == 0
    assert stored() == former


@pytest.mark.parametrize(
    ("job", "arguments", "code", "said"),
    [
        ("evaluate", ("--date", "2026-01-08"), 4, "Run generate_candidates.py --date 2026-01-08"),
        ("evaluate", ("--date", TEST_DAY, "--set", "evaluation.relevance={liked = 1}"), 3, "found no liked_label"),
        ("evaluate", ("--date", TEST_DAY, "--set", 'evaluation.slices=["planet"]'), 3, "found no planet"),
        ("generate_candidates", ("--date", START), 4, "Run prepare_examples on the days before it"),
    ],
)
def test_what_is_missing_is_named(evaluated, run_job, job, arguments, code, said):
    root, _ = evaluated
    ended = run_job(job, root, *arguments, *(POPULARITY_ALONE if job == "generate_candidates" else ()))
    assert ended.code == code, ended.err
    assert said in ended.err


@pytest.mark.not_on("spark", "connect", why="they have Spark ML")
def test_what_sail_cannot_fit_is_refused_by_name(evaluated, run_job):
    ended = run_job("generate_candidates", evaluated[0], "--date", TEST_DAY)
    assert ended.code == 2
    assert "found als" in ended.err
