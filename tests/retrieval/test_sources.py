"""Retrieval on small worlds whose best lists are known."""

import datetime as dt

import numpy as np
import pytest
from pyspark.sql import functions as F

from winnow.errors import DataError, SettingsError
from winnow.retrieval import AlsSettings, RetrievalSettings, fit_and_recommend, interactions
from winnow.retrieval.ids import number_ids
from winnow.retrieval.scoring import best, top

AS_OF = dt.date(2025, 1, 10)
SMALL = AlsSettings(rank=4, iterations=5, user_blocks=2, item_blocks=2)


@pytest.fixture(scope="module")
def examples(spark):
    """Return the function that makes rows of one label of (user, media, label, watch_s, duration_s, days before)."""

    def make(rows, ids="bigint"):
        made = []
        for user, media, label, watch, duration, before in rows:
            day = AS_OF - dt.timedelta(days=before)
            made.append((user, media, dt.datetime.combine(day, dt.time(12), dt.UTC), day, watch, duration, label))
        return spark.createDataFrame(
            made,
            f"user_id {ids}, media_id {ids}, impression_ts timestamp, event_date date, "
            "watch_s double, media_duration_s double, label int",
        )

    return make


def lists(rows):
    """Return source -> user -> media in the order of their ranks; the ranks run from 1."""
    found = {}
    for row in rows.orderBy("source", "user_id", "rank").collect():
        mine = found.setdefault(row["source"], {}).setdefault(row["user_id"], [])
        mine.append(row["media_id"])
        assert row["rank"] == len(mine)
    return found


def test_the_confidence_of_a_pair_is_the_sum_of_its_capped_views(examples):
    rows = [
        (1, 1, 1, 10.0, 10.0, 1),
        (1, 1, 1, 90.0, 10.0, 1),  # capped at 2
        (1, 1, 0, 1.0, 10.0, 1),
        (1, 2, 0, 1.0, 10.0, 1),  # no positive
        (2, 1, 1, 5.0, 0.0, 1),  # no duration: one view
        (2, 2, 1, float("nan"), 10.0, 1),
        (2, 3, 1, None, None, 1),
        (3, 1, 1, 10.0, 10.0, 0),  # on the as-of day
    ]
    pairs = interactions(examples(rows), AS_OF, RetrievalSettings()).pairs.collect()
    assert {(row[0], row[1]): row[2] for row in pairs} == {(1, 1): 3.1, (2, 1): 1.0, (2, 2): 1.0, (2, 3): 1.0}


def test_a_row_logged_the_day_before_but_shown_on_the_as_of_day_is_not_known(examples):
    ahead = examples([(1, 1, 1, 10.0, 10.0, 1)]).withColumn(
        "impression_ts", F.lit(dt.datetime.combine(AS_OF, dt.time(), dt.UTC))
    )
    assert interactions(ahead, AS_OF, RetrievalSettings()).pairs.count() == 0


def test_a_number_once_given_to_an_id_stays(spark):
    known = number_ids(spark.createDataFrame([("m",), ("c",), ("c",), (None,)], "media_id string"), "media_id")
    grown = number_ids(spark.createDataFrame([("z",), ("a",), ("m",)], "media_id string"), "media_id", known)
    assert {tuple(row) for row in grown.collect()} == {("c", 0), ("m", 1), ("a", 2), ("z", 3)}


def test_the_best_are_those_of_brute_force_in_any_partitioning(spark):
    draw = np.random.default_rng(3)
    people, items = draw.integers(-2, 3, (40, 3)).astype(float), draw.integers(-2, 3, (60, 3)).astype(float)
    seen = {(user, user % 7) for user in range(40)}
    users = spark.createDataFrame(
        [(n, row.tolist()) for n, row in enumerate(people)], "user_id bigint, factors array<float>"
    )
    media = spark.createDataFrame(
        [(n, row.tolist()) for n, row in enumerate(items)], "media_id bigint, factors array<float>"
    )
    pairs = spark.createDataFrame(sorted(seen), "user_id bigint, media_id bigint")
    scores = people @ items.T
    expected = {}
    for user in range(40):
        ranked = sorted((-scores[user, item], item) for item in range(60) if (user, item) not in seen)
        expected |= {(user, rank): (item, -score) for rank, (score, item) in enumerate(ranked[:5], 1)}
    for parts in (1, 5):
        found = best(users.repartition(parts), media.repartition(parts), 5, pairs).collect()
        assert {(row["user_id"], row["rank"]): (row["media_id"], row["score"]) for row in found} == expected


def test_the_top_breaks_ties_by_place_and_leaves_out_what_has_no_score():
    assert top(np.array([1.0, 2.0, -np.inf, 2.0, 1.0]), 3).tolist() == [1, 3, 0]
    assert top(np.array([-np.inf]), 3).tolist() == []


def test_popularity_counts_each_user_once_in_the_window_and_serves_users_without_a_past(examples, spark):
    rows = [(user, 5, 1, 9.0, 10.0, 1) for user in (1, 2)] + [(1, 6, 1, 9.0, 10.0, 1)] * 3
    rows += [(user, 7, 1, 9.0, 10.0, 30) for user in (1, 2, 3)]  # before the window
    users = spark.createDataFrame([(1,), (3,), (99,)], "user_id bigint")
    found = fit_and_recommend(examples(rows), AS_OF, RetrievalSettings(sources=("popularity",)), users, 5)
    assert lists(found) == {"popularity": {3: [5, 6], 99: [5, 6]}}  # user 1 has seen all


@pytest.mark.not_on("sail", why="it has no Spark ML")
@pytest.mark.parametrize("ids", ["bigint", "string"])
def test_als_solves_the_checkerboard_and_two_fits_agree(examples, spark, ids):
    name = str if ids == "string" else lambda number: number + 2**40
    board = [(u, m) for u in range(12) for m in range(12) if u % 2 == m % 2 and (u + m) % 12 != 0]
    rows = [(name(user), name(media), 1, 9.0, 10.0, 1) for user, media in board]
    users = spark.createDataFrame([(name(user),) for user in range(12)], f"user_id {ids}")
    settings = RetrievalSettings(sources=("als",), als=SMALL)
    once = lists(fit_and_recommend(examples(rows, ids), AS_OF, settings, users, 1))
    assert once == {"als": {name(user): [name((12 - user) % 12)] for user in range(12)}}
    again = lists(fit_and_recommend(examples(rows, ids).repartition(5), AS_OF, settings, users, 1))
    assert again == once


@pytest.mark.not_on("sail", why="it has no Spark ML")
def test_als_without_a_pair_says_so(examples, spark):
    users = spark.createDataFrame([(1,)], "user_id bigint")
    with pytest.raises(DataError, match="found none"):
        fit_and_recommend(examples([(1, 1, 0, 1.0, 10.0, 1)]), AS_OF, RetrievalSettings(sources=("als",)), users)


def test_an_unknown_source_is_refused():
    with pytest.raises(SettingsError, match="sources"):
        RetrievalSettings(sources=("magic",))
