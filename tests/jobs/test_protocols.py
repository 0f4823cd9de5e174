"""Sources measured by other protocols than the stored lists of a day: folds by time, the last of each user, masked pairs."""

import datetime as dt

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import functions as F

START, LAST = "2026-01-05", "2026-01-08"
DAYS = ("--start", START, "--end", LAST)
WORLD = ("--set", "synthetic.rows_per_day=4000", "--set", "synthetic.users=150", "--set", "synthetic.media=80")
SOURCES = ("--set", 'retrieval.sources=["popularity", "item_item"]')
FOLDS = ("--set", "splitting.folds.train_days=2")
#: One length of lists, and resamples enough to see intervals.
SHORT = ("--set", "evaluation.at=[10]", "--set", "evaluation.resamples=200")


@pytest.fixture(scope="module")
def root(run_job, data_job, tmp_path_factory):
    """A root with four days of examples of natural balance, and their metrics by each protocol."""
    root = tmp_path_factory.mktemp("protocols")
    assert data_job("make_impressions", root, *DAYS, *WORLD).code == 0
    assert data_job("prepare_examples", root, *DAYS, "--set", f"splitting.test_start={START}").code == 0
    asked = ("evaluate", root, *DAYS, *SOURCES, *FOLDS, *SHORT, "--protocol")
    # One on the engine of the tests; the others, whose steps are as much like it as each other's, on Sail.
    for run, protocol in ((run_job, "folds_by_time"), (data_job, "leave_last_out"), (data_job, "masked_at_random")):
        ended = run(*asked, protocol)
        assert ended.code == 0, ended.err
    return root


@pytest.fixture(scope="module")
def positives(root, read):
    """User, media and moment of every positive, in the order of time."""
    rows = read(root, "examples").where("watched_label = 1").select("user_id", "media_id", "impression_ts").collect()
    return sorted((row["impression_ts"], row["user_id"], row["media_id"]) for row in rows)


def metrics(read, root, protocol, metric, source):
    found = read(root, "metrics").where(
        (F.col("protocol") == protocol)
        & (F.col("metric") == metric)
        & (F.col("model") == source)
        & (F.col("slice") == "{}")
    )
    return {row["end_date"]: row for row in found.where("k = 10 and baseline is null").collect()}


def test_a_fold_by_time_says_what_stored_lists_of_its_day_say(root, run_job, read):
    folds = metrics(read, root, "folds_by_time", "recall", "item_item")
    assert sorted(folds) == [dt.date(2026, 1, 7), dt.date(2026, 1, 8)]
    assert run_job("generate_candidates", root, "--date", LAST, *SOURCES).code == 0
    assert run_job("evaluate", root, "--date", LAST, *SHORT).code == 0
    for source in ("popularity", "item_item"):
        stored = metrics(read, root, "by_time", "recall", source)[dt.date(2026, 1, 8)]
        fold = metrics(read, root, "folds_by_time", "recall", source)[dt.date(2026, 1, 8)]
        assert fold["value"] == pytest.approx(stored["value"], abs=1e-12)
        assert (fold["units"], fold["low"], fold["high"]) == (stored["units"], stored["low"], stored["high"])


def test_leave_last_out_asks_for_the_last_positive_of_each_user_that_is_new_to_them(root, read, positives):
    last = {}
    for moment, user, media in positives:
        before = last.get(user, (None, set(), set()))
        if moment == before[0]:
            last[user] = (moment, before[1], before[2] | {media})
        else:
            last[user] = (moment, before[1] | before[2], {media})
    asked = {user for user, (_, seen, media) in last.items() if media - seen}
    found = metrics(read, root, "leave_last_out_optimistic", "recall", "popularity")
    assert [row["units"] for row in found.values()] == [len(asked)]
    assert list(found) == [dt.date(2026, 1, 8)]


def test_masking_asks_for_the_share_of_pairs_and_knows_the_others(root, read, positives):
    pairs = {(user, media) for _, user, media in positives}
    (row,) = metrics(read, root, "masked_at_random_optimistic", "recall", "item_item").values()
    asked = (
        read(root, "metrics").where("protocol = 'masked_at_random_optimistic'").where("metric = 'hit_rate' and k = 10")
    )
    users = {user for user, _ in pairs}
    expected = sum(1 - 0.75 ** sum(pair[0] == user for pair in pairs) for user in users)
    assert row["units"] == pytest.approx(expected, abs=4 * (len(users) / 4) ** 0.5)
    assert {one["units"] for one in asked.where("slice = '{}' and baseline is null").collect()} == {row["units"]}


def test_each_protocol_is_stored_under_a_name_of_its_own(root, read):
    found = {row["protocol"] for row in read(root, "metrics").select("protocol").distinct().collect()}
    assert found >= {"folds_by_time", "leave_last_out_optimistic", "masked_at_random_optimistic"}


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--protocol", "by_luck"), 2, "masked_at_random, held_out_ratings"),
        (("--protocol", "folds_by_time", "--set", "splitting.folds.train_days=9"), 2, "enough days for one fold"),
        (
            ("--protocol", "leave_last_out", "--set", "evaluation.last_out=5000"),
            4,
            "positives of watched that are known before",
        ),
    ],
)
def test_what_cannot_be_measured_is_refused_by_name(root, run_job, arguments, code, said):
    ended = run_job("evaluate", root, *DAYS, *SOURCES, *arguments)
    assert ended.code == code, ended.err
    assert said in ended.err


@pytest.mark.not_on("sail", why="it has no Spark ML")
def test_ratings_are_held_out_by_user_and_dropped_ones_are_counted(run_job, read, tmp_path):
    draw = np.random.default_rng(5)
    users, media, rank = 60, 40, 2
    truth = 3 + draw.normal(size=(users, rank)) @ draw.normal(size=(rank, media)) + draw.normal(0, 0.1, (users, media))
    user, item = np.nonzero(draw.random(truth.shape) < 0.7)
    rows = {
        "user_id": np.append(user, 999),
        "media_id": np.append(item, 0),
        "rating": np.append(truth[user, item], 3.0),
    }
    moments = pa.array([dt.datetime(2026, 1, 5, tzinfo=dt.UTC)] * len(rows["user_id"]), pa.timestamp("us", "UTC"))
    log = tmp_path / "ratings.parquet"
    pq.write_table(pa.table({**rows, "rated_ts": moments}), log)
    root = tmp_path / "rated"
    assert run_job("import_ratings", root, "--input", log).code == 0
    settings = ("retrieval.ratings.rank=2", "retrieval.ratings.regularisation=0.01", "retrieval.ratings.iterations=4")
    sets = [
        part
        for one in (*settings, "retrieval.als.user_blocks=2", "retrieval.als.item_blocks=2", "retrieval.svd.blocks=2")
        for part in ("--set", one)
    ]
    ended = run_job("evaluate", root, "--date", "2026-01-06", "--protocol", "held_out_ratings", *sets)
    assert ended.code == 0, ended.err
    stored = read(root, "metrics").where("protocol = 'held_out_ratings_optimistic'").collect()
    found = {(row["model"], row["metric"]): row for row in stored if row["baseline"] is None}
    asked = sum(int(count * 0.25) for count in np.bincount(rows["user_id"]))
    assert {row["units"] for (_, metric), row in found.items() if metric == "coverage"} == {asked}
    for model in ("als_explicit", "svd_explicit"):
        assert found[model, "rmse"]["value"] < 0.5 * found["bias", "rmse"]["value"]
        assert found[model, "rmse"]["low"] < found[model, "rmse"]["value"] < found[model, "rmse"]["high"]
        assert found[model, "mae"]["value"] < found[model, "rmse"]["value"]
    better = {row["model"]: row for row in stored if row["baseline"] == "bias" and row["metric"] == "rmse"}
    assert all(row["high"] < 0 and row["p_value"] < 0.01 for row in better.values())
    none = run_job("evaluate", tmp_path / "none", "--date", "2026-01-06", "--protocol", "held_out_ratings")
    assert (none.code, "import_ratings" in none.err) == (4, True)
