"""Every job on a standalone cluster, by spark-submit, and once more with a worker lost in the middle of each: what it
publishes is what two threads of one process publish.
"""

import math
import os
import signal
import time

import pytest
from deltalake import DeltaTable

from conftest import PROJECT

START, LAST = "2026-01-05", "2026-01-07"
DAYS = ("--start", START, "--end", LAST)
WORLD = {
    "synthetic.rows_per_day": 3000, "synthetic.users": 150, "synthetic.media": 100, "synthetic.engaged_rate": 0.15,
    "synthetic.dirt.duplicate_rate": 0.1, "synthetic.dirt.negative_watch_rate": 0.01, "sampling.strata": ["surface"],
    "splitting.validation_start": "2026-01-06", "splitting.test_start": LAST, "features.crosses": ["genre"], "features.windows_days": [7],
    "retrieval.sources": ["popularity", "als"], "retrieval.als.rank": 4, "retrieval.als.iterations": 3,
    "ranking.columns": ["media_duration_s", "surface", "user_engaged_rate_7d"], "ranking.model": "logistic",
    "ranking.context.surface": "home", "ranking.logistic.iterations": 5, "evaluation.resamples": 100,
    "tuning.model": "popularity", "tuning.search": "grid", "tuning.pruning": "none", "splitting.folds.train_days": 1,
    "tuning.space": '{"retrieval.popularity.smoothing" = {choices = [0.0, 100.0]}}',
}  # fmt: skip
SETS = tuple(word for key, value in WORLD.items() for word in ("--set", f"{key}={value}"))
IMPORTED = ("--set", "tables.impressions=ROOT/imported")
#: The line, in its order: each job with its arguments; ROOT stands for the root, IMPRESSION for the last day's first id.
JOBS = (
    ("make_impressions", *DAYS),
    ("import_impressions", "--input", "ROOT/impressions", "--set", "importing.format=delta", *IMPORTED),
    ("import_ratings", "--input", "ROOT/impressions", "--set", "importing.format=delta", "--set", "importing.others=drop",
     "--set", "importing.columns.rating.from=['watch_s']", "--set", "importing.columns.rated_ts.from=['impression_ts']"),
    ("prepare_examples", *DAYS, *IMPORTED),
    ("build_profiles", *DAYS),
    ("train_retrieval", "--date", LAST),
    ("generate_candidates", "--date", LAST),
    ("train_ranker", *DAYS),
    ("recommend", "--date", LAST),
    ("evaluate", "--date", LAST),
    ("verify", *DAYS, *IMPORTED),
    ("explain", "--date", LAST, "--impression", "IMPRESSION", *IMPORTED),
    ("tune", "--start", START, "--end", "2026-01-06"),
    ("report",),
    ("maintain", "--compact"),
)  # fmt: skip
#: Tables of rows that no model has made: equal to the last bit, whatever is of the run left out.
EXACT = (
    "impressions", "imported", "media", "users", "searches", "ratings", "examples", "ledger", "quarantine",
    "user_tiles", "media_tiles", "user_cross_tiles", "media_cross_tiles", "value_tiles", "user_ids", "media_ids", "candidate_parts",
)  # fmt: skip
#: What differs by the run and by where the root is: an import names its source by a hash of the files' places.
OF_THE_RUN = ("source", "run_id", "known_at", "row", "made_of")
#: Models sum floats in the order of the tasks: their scores and metrics may differ by so much of themselves.
TOLERANCE = 1e-6
#: Table of what models made -> what tells its rows apart, and the numbers that may differ a little.
OF_MODELS = {
    "candidates": (("source", "user_id", "media_id", "reason"), ("score",)),
    "recommendations": (("user_id", "media_id", "reason"), ("score",)),
    "served_columns": (("label", "read_column", "rows"), ("mean_value", "standard_deviation")),
    "scores": (("impression_id", "label"), ("score",)),
    "metrics": (("measured", "model", "metric", "k", "slice", "baseline"), ("value", "low", "high")),
    "reliability": (("measured", "model", "label", "slice", "bin"), ("rows_weight", "mean_score", "positive_share")),
}
#: Lists -> what tells one of them apart.
LISTS = {"candidates": ("source", "user_id"), "recommendations": ("user_id",)}


def arguments_of(job, root):
    words = [word.replace("ROOT", str(root)) for word in job[1:]]
    if "IMPRESSION" not in words:
        return words
    stored = DeltaTable(f"{root}/imported").to_pyarrow_table(columns=["impression_id", "event_date"]).to_pylist()
    first = min(row["impression_id"] for row in stored if str(row["event_date"]) == LAST)
    return [word.replace("IMPRESSION", str(first)) for word in words]


@pytest.fixture(scope="module")
def local_root(tmp_path_factory, run_job):
    """The whole line on local[2], in this process."""
    root = tmp_path_factory.mktemp("local")
    for job in JOBS:
        ended = run_job(job[0], root, *arguments_of(job, root), *SETS)
        assert ended.code == 0, (job, ended.err)
    return root


@pytest.fixture(scope="module")
def whole(tmp_path_factory, own_cluster, submit):
    """The whole line on the cluster, each job a spark-submit; and how many seconds each took."""
    root, seconds = tmp_path_factory.mktemp("on_cluster"), {}
    address = own_cluster.up()
    for job in JOBS:
        started = time.monotonic()
        process = submit(address, job[0], "--root", root, *arguments_of(job, root), *SETS)
        assert process.wait() == 0, (job, process.told())
        seconds[job[0]] = time.monotonic() - started
    return root, seconds


@pytest.fixture(scope="module")
def disturbed(tmp_path_factory, own_cluster, submit, whole):
    """The same, with SIGKILL of one of the two workers and of its executor in the middle of each job."""
    root = tmp_path_factory.mktemp("on_half_a_cluster")
    for job in JOBS:
        address = own_cluster.up()
        process = submit(address, job[0], "--root", root, *arguments_of(job, root), *SETS)
        assert process.lives(whole[1][job[0]] / 2), (job, process.told())
        for pid in own_cluster.processes("worker-1"):
            os.kill(pid, signal.SIGKILL)
        assert process.wait() == 0, (job, process.told())
        assert own_cluster.alive_workers() == 1, job
    return root


@pytest.fixture(params=["whole", "a worker lost in each job"])
def cluster_root(request):
    """The line's root on the cluster, undisturbed or not."""
    return request.getfixturevalue("whole")[0] if request.param == "whole" else request.getfixturevalue("disturbed")


@pytest.mark.parametrize("table", EXACT)
def test_rows_of_a_table_are_those_of_one_process(local_root, cluster_root, read, content, table):
    found, expected = (content(read(root, table), OF_THE_RUN) for root in (cluster_root, local_root))
    assert found[0] > 0
    assert found == expected


def is_near(found, expected):
    """Whether two numbers are as near as sums of floats are, or both are not there."""
    if None in (found, expected):
        return found is expected
    return math.isclose(found, expected, rel_tol=TOLERANCE, abs_tol=TOLERANCE)


@pytest.mark.parametrize("table", OF_MODELS)
def test_what_models_make_is_as_near_as_sums_of_floats_are(local_root, cluster_root, read, table):
    keys, numbers = OF_MODELS[table]
    found, expected = (
        {
            tuple(row[: len(keys)]): tuple(row[len(keys) :])
            for row in read(root, table).select(*keys, *numbers).collect()
        }
        for root in (cluster_root, local_root)
    )
    assert set(found) == set(expected)
    assert len(expected) > 10 or table == "served_columns"  # which has a column of numbers
    far = {key: (found[key], own) for key, own in expected.items() if not all(map(is_near, found[key], own))}
    assert far == {}


@pytest.mark.parametrize("table", LISTS)
def test_lists_are_in_the_same_order_but_for_scores_that_are_as_good_as_equal(local_root, cluster_root, read, table):
    keys = LISTS[table]
    found, expected = (
        {
            (*row[: len(keys)], row["rank"]): row
            for row in read(root, table).select(*keys, "rank", "media_id", "score").collect()
        }
        for root in (cluster_root, local_root)
    )
    assert set(found) == set(expected)
    moved = {place for place, row in expected.items() if found[place]["media_id"] != row["media_id"]}
    assert len(moved) < len(expected) / 100
    assert [place for place in moved if not is_near(found[place]["score"], expected[place]["score"])] == []


def test_a_search_for_settings_finds_the_same(local_root, cluster_root, read):
    found, expected = (
        {row.tried: row.value for row in read(root, "trials").collect()} for root in (cluster_root, local_root)
    )
    assert len(expected) == 2
    assert found == pytest.approx(expected, rel=TOLERANCE)


def test_no_job_is_left_out(local_root, cluster_root):
    assert {job for job, *_ in JOBS} == {file.stem for file in (PROJECT / "jobs").glob("*.py")}
    for root in (local_root, cluster_root):
        assert (root / "report.html").stat().st_size > 10_000
