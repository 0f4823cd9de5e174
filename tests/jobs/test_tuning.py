"""A search for settings by its job: judged as the metrics are, gone on with after a kill, and taken by the other jobs."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from deltalake import DeltaTable
from pyspark.sql import functions as F
from sklearn import metrics

from conftest import JOB_ENVIRONMENT, PROJECT

START, LAST, TEST_DAY = "2026-01-05", "2026-01-08", "2026-01-09"
WORLD = ("--set", "synthetic.rows_per_day=4000", "--set", "synthetic.users=150", "--set", "synthetic.media=80")
DAYS = ("--start", START, "--end", LAST)
WINDOWS = 'tuning.space={"retrieval.popularity.window_days" = {choices = [1, 2, 3, 4]}}'
GRID = (
    "--set", "tuning.model=popularity", "--set", "tuning.search=grid", "--set", "tuning.parallel=1",
    "--set", "splitting.folds.train_days=2", "--set", "tuning.pruning=none",
)  # fmt: skip
POPULARITY = (*GRID, "--set", WINDOWS)


@pytest.fixture(scope="module")
def log(data_job, tmp_path_factory):
    """A root with four days of examples."""
    root = tmp_path_factory.mktemp("tuned")
    assert data_job("make_impressions", root, *DAYS, *WORLD).code == 0
    assert data_job("prepare_examples", root, *DAYS, "--set", f"splitting.test_start={TEST_DAY}").code == 0
    return root


@pytest.fixture(scope="module")
def killed(log):
    """The trials that a tune had finished when it was killed; on Sail, which begins soonest: whoever goes on, they stand."""
    command = [sys.executable, "jobs/tune.py", "--engine", "sail", "--root", str(log), *DAYS, *POPULARITY]
    with (log / "killed.log").open("w") as told:
        process = subprocess.Popen(
            command, cwd=PROJECT, env=JOB_ENVIRONMENT, stdout=told, stderr=told, start_new_session=True
        )
        deadline = time.monotonic() + 240
        while len(finished(log)) < 2:
            assert process.poll() is None, (log / "killed.log").read_text()
            assert time.monotonic() < deadline, (log / "killed.log").read_text()
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    before = finished(log)
    assert 2 <= len(before) < 4, "killed in the middle"
    return before


def finished(root):
    """Return the stored trials by their ids, read by other means than the job's."""
    place = f"{root}/trials"
    rows = DeltaTable(place).to_pyarrow_table().to_pylist() if DeltaTable.is_deltatable(place) else []
    assert len({row["trial_id"] for row in rows}) == len(rows), "a trial stands twice"
    return {row["trial_id"]: row for row in rows}


@pytest.fixture(scope="module")
def tuned(log, killed, run_job):
    ended = run_job("tune", log, *DAYS, *POPULARITY)
    assert ended.code == 0, ended.err
    return log, ended


def test_a_search_that_was_killed_goes_on_and_repeats_no_finished_trial(tuned, killed):
    root, _ = tuned
    after = finished(root)
    assert len(after) == 4
    assert {name: after[name] for name in killed} == killed
    assert len({row["run_id"] for row in after.values()}) == 2
    assert sorted(row["trial"] for row in after.values()) == [1, 2, 3, 4]


def test_a_trial_is_judged_as_lists_are_measured(tuned, run_job, read):
    root, _ = tuned
    by_window = {json.loads(row["tried"])["retrieval.popularity.window_days"]: row for row in finished(root).values()}
    assert sorted(by_window) == [1, 2, 3, 4]
    window = ("--set", "retrieval.popularity.window_days=2", "--set", 'retrieval.sources=["popularity"]')
    for place, day in enumerate(("2026-01-07", "2026-01-08")):
        assert run_job("generate_candidates", root, "--date", day, *window).code == 0
        assert run_job("evaluate", root, "--date", day).code == 0
        stored = read(root, "metrics").where(F.col("end_date") == F.lit(day).cast("date"))
        (row,) = stored.where("model = 'popularity' and metric = 'precision' and k = 10 and slice = '{}'").collect()
        assert by_window[2]["fold_values"][place] == pytest.approx(row["value"], abs=1e-12)
    assert by_window[2]["value"] == pytest.approx(sum(by_window[2]["fold_values"]) / 2)


def test_the_best_settings_are_a_conf_that_the_jobs_take(tuned, run_job, last_run):
    root, ended = tuned
    best = max(finished(root).values(), key=lambda row: row["value"])
    assert f"{best['value']:.4f}" in ended.err
    window = json.loads(best["tried"])["retrieval.popularity.window_days"]
    assert f"window_days = {window}" in (root / "best.toml").read_text()
    sources = ("--set", 'retrieval.sources=["popularity"]')
    assert run_job("generate_candidates", root, "--date", LAST, "--conf", root / "best.toml", *sources).code == 0
    assert json.loads(last_run(root)["config"])["retrieval"]["popularity"]["window_days"] == window


def test_a_finished_search_makes_nothing_again(tuned, run_job):
    root, _ = tuned
    before = finished(root)
    assert run_job("tune", root, *DAYS, *POPULARITY).code == 0
    assert finished(root) == before


@pytest.mark.not_on("sail", why="it has no Spark ML")
def test_als_is_tuned_some_trials_at_a_time_and_nothing_stays_in_memory(log, run_job, spark):
    context = spark.sparkContext._jsc
    before = set(context.getPersistentRDDs())
    small = [f"retrieval.als.{name}" for name in ("iterations=2", "user_blocks=1", "item_blocks=1")]
    space = (
        'tuning.space={"retrieval.als.rank" = {low = 2, high = 8}, "retrieval.als.alpha" = {low = 1.0, high = 40.0}}'
    )
    study = ["tuning.study=als", "tuning.trials=4", "tuning.startup=2", "splitting.folds.train_days=3", space]
    ended = run_job("tune", log, *DAYS, *(part for one in [*small, *study] for part in ("--set", one)))
    assert ended.code == 0, ended.err
    mine = [row for row in finished(log).values() if row["study"] == "als"]
    assert len(mine) == 4
    assert len({row["tried"] for row in mine}) == 4
    # Delta keeps what it read of a table's log.
    left = [rows.name() for number, rows in context.getPersistentRDDs().items() if number not in before]
    assert [name for name in left if "Delta Table State" not in name] == []


PLAIN = ("--set", "ranking.weighted=false", "--set", "ranking.calibration=none")
COLUMNS = ("--set", 'ranking.columns=["media_duration_s", "device", "position"]')
PENALTIES = 'tuning.space={"ranking.logistic.regularisation" = {choices = [0.0001, 10.0]}}'


@pytest.mark.not_on("sail", why="it has no Spark ML")
def test_a_ranker_is_tuned_by_what_its_scores_of_the_days_after_are_worth(log, run_job, read):
    asked = ("--set", "tuning.model=logistic", "--set", "splitting.folds.train_days=3", "--set", "tuning.study=ranker")
    for objective in ("log_loss", "precision@10"):
        study = (*GRID, *asked, "--set", f"tuning.objective={objective}", "--set", PENALTIES, *PLAIN, *COLUMNS)
        ended = run_job("tune", log, *DAYS, *study, "--out", log / f"{objective}.toml")
        assert ended.code == 0, ended.err
    mine = [row for row in finished(log).values() if row["study"] == "ranker"]
    found = {(row["objective"], json.loads(row["tried"])["ranking.logistic.regularisation"]): row for row in mine}
    assert len(found) == 4
    # The same fit by train_ranker, and what became of the rows that it scored.
    split = ("--set", f"splitting.test_start={LAST}", *PLAIN, *COLUMNS, "--set", "ranking.model=logistic")
    trained = run_job("train_ranker", log, *DAYS, *split, "--set", "ranking.logistic.regularisation=0.0001")
    assert trained.code == 0, trained.err
    labels = (
        read(log, "examples", LAST)
        .where("watched_label is not null")
        .select("impression_id", "watched_label", "watched_rate")
    )
    rows = read(log, "scores").join(labels, "impression_id").toPandas()
    weights = 1 / rows["watched_rate"]
    loss = metrics.log_loss(rows["watched_label"], rows["score"], sample_weight=weights)
    assert found["log_loss", 0.0001]["value"] == pytest.approx(loss, rel=0.02)
    assert found["log_loss", 0.0001]["value"] < found["log_loss", 10.0]["value"]
    assert "regularisation = 0.0001" in (log / "log_loss.toml").read_text(), "a loss is better the smaller it is"


def test_settings_of_the_sampling_are_tried_on_examples_made_anew(log, run_job, read):
    before = read(log, "examples").count()
    space = 'tuning.space={"labels.watched.positive_at_least" = {choices = [0.5, 0.8]}}'
    ended = run_job(
        "tune", log, *DAYS, *GRID, "--set", "tuning.study=labels", "--set", space, "--out", log / "labels.toml"
    )
    assert ended.code == 0, ended.err
    mine = [row for row in finished(log).values() if row["study"] == "labels"]
    assert len({tuple(row["fold_values"]) for row in mine}) == 2, "other labels, other lists"
    assert read(log, "examples").count() == before, "the stored examples stay as they are"


@pytest.mark.parametrize(
    ("sets", "code", "said"),
    [
        (["tuning.model=clairvoyance"], 2, "expected a source of candidates or a ranker"),
        (["tuning.objective=auc@10"], 2, "expected a metric of lists"),
        (['tuning.space={"retrieval.als.rnak" = {choices = [1]}}'], 2, "did you mean rank"),
        (['tuning.space={"retrieval.als.rank" = {choices = [8, 0]}}'], 2, "from 1 to 1024"),
        (["splitting.test_start=2026-01-08"], 3, "Give an earlier --end"),
        (["splitting.folds.train_days=9"], 2, "enough days for one fold"),
    ],
)
def test_what_cannot_be_searched_is_refused_before_the_first_trial(log, run_job, sets, code, said):
    ended = run_job("tune", log, *DAYS, *POPULARITY, *(part for one in sets for part in ("--set", one)))
    assert ended.code == code, ended.err
    assert said in ended.err


def test_a_dry_run_shows_the_folds_and_tries_nothing(log, run_job):
    before = finished(log)
    ended = run_job("tune", log, *DAYS, *POPULARITY, "--set", "tuning.study=dry", "--dry-run")
    assert ended.code == 0
    assert "train 2026-01-05 to before 2026-01-07, judge 2026-01-07 to before 2026-01-08" in ended.err
    assert finished(log) == before
