"""Retrieval on small worlds whose best lists are known."""

import datetime as dt

import numpy as np
import pytest
from pyspark.sql import functions as F

from winnow.errors import DataError, SettingsError
from winnow.retrieval import (
    AlsSettings,
    Beside,
    PopularitySettings,
    RatingsSettings,
    RetrievalSettings,
    ScoringSettings,
    SvdSettings,
    interactions,
)
from winnow.retrieval.ids import number_ids
from winnow.retrieval.scoring import best

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
    numbers = dict(map(tuple, grown.collect()))
    assert {name: numbers[name] for name in "cm"} == dict(map(tuple, known.collect()))
    assert sorted(numbers[name] for name in "cm") == [0, 1]
    assert sorted(numbers[name] for name in "az") == [2, 3]


@pytest.mark.parametrize("of", ["bigint", "string"])
def test_ids_have_the_numbers_from_0_on_each_once_in_any_partitioning(spark, of):
    ids = spark.range(5_000).selectExpr(f"cast(9223372036854775807 - id * 7 as {of}) as user_id")
    once, again = (dict(map(tuple, number_ids(ids.repartition(parts), "user_id").collect())) for parts in (1, 7))
    assert once == again
    assert sorted(once.values()) == list(range(5_000))


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


def test_a_graph_finds_what_is_near_and_leaves_out_what_was_seen(spark):
    draw = np.random.default_rng(4)
    vectors = {"user_id": draw.normal(size=(20, 8)), "media_id": draw.normal(size=(300, 8))}
    users, media = (
        spark.createDataFrame([(n, row.tolist()) for n, row in enumerate(of)], f"{name} bigint, factors array<float>")
        for name, of in vectors.items()
    )
    pairs = spark.createDataFrame(
        [(user, item) for user in range(20) for item in range(9)], "user_id bigint, media_id bigint"
    )
    exact, near = (
        {(row["user_id"], row["media_id"]) for row in best(users, media, 10, pairs, ScoringSettings(index)).collect()}
        for index in ("exact", "hnsw")
    )
    assert len(near) == 200
    assert all(item >= 9 for _, item in near)
    assert len(exact & near) > 190


def test_popularity_counts_each_user_once_in_the_window_and_serves_users_without_a_past(examples, spark, recommended):
    rows = [(user, 5, 1, 9.0, 10.0, 1) for user in (1, 2)] + [(1, 6, 1, 9.0, 10.0, 1)] * 3
    rows += [(user, 7, 1, 9.0, 10.0, 30) for user in (1, 2, 3)]  # before the window
    users = spark.createDataFrame([(1,), (3,), (99,)], "user_id bigint")
    found = recommended(examples(rows), AS_OF, RetrievalSettings(sources=("popularity",)), users, 5)
    assert lists(found) == {"popularity": {3: [5, 6], 99: [5, 6]}}  # user 1 has seen all
    assert {(row["media_id"], row["score"]) for row in found.collect()} == {(5, 1.0), (6, 0.5)}


def test_a_country_has_its_own_list_and_a_small_one_is_near_that_of_all(examples, spark, recommended):
    rows = [(user, 1, 1, 9.0, 10.0, 1) for user in range(40)]  # everybody in FR watched 1
    rows += [(user, 2, 1, 9.0, 10.0, 1) for user in range(100, 130)]  # most in BR watched 2
    rows += [(999, 3, 1, 9.0, 10.0, 1)]  # one user in MT, and nobody else, watched 3
    countries = [(u, "FR") for u in range(50)] + [(u, "BR") for u in range(100, 140)] + [(u, "MT") for u in (998, 999)]
    accounts = spark.createDataFrame([*countries, (5000, None), (5001, "PL")], "user_id bigint, country string")
    users = spark.createDataFrame([(49,), (139,), (998,), (5000,), (5001,)], "user_id bigint")
    settings = RetrievalSettings(sources=("popularity",), popularity=PopularitySettings(smoothing=10.0))
    found = recommended(examples(rows), AS_OF, settings, users, 3, Beside(users=accounts)).cache()
    everywhere = [1, 2, 3]
    assert lists(found)["popularity"] == {
        49: [1, 2, 3], 139: [2, 1, 3], 998: everywhere, 5000: everywhere, 5001: everywhere,
    }  # fmt: skip
    score = {(row["user_id"], row["media_id"]): row["score"] for row in found.collect()}
    assert score[139, 1] == pytest.approx((0 + 10 * 40 / 71) / (30 + 10))
    assert score[998, 3] == pytest.approx((1 + 10 * 1 / 71) / (1 + 10))


def checkerboard(examples, ids):
    """Users and media of two colours: each user watched all media of the own colour but one, which is what is left."""
    name = str if ids == "string" else lambda number: number + 2**40
    board = [(u, m) for u in range(12) for m in range(12) if u % 2 == m % 2 and (u + m) % 12 != 0]
    rows = [(name(user), name(media), 1, 9.0, 10.0, 1) for user, media in board]
    return examples(rows, ids), {name(user): [name((12 - user) % 12)] for user in range(12)}, name


def of_spark_ml(*given):
    return pytest.param(*given, marks=pytest.mark.not_on("sail", why="it has no Spark ML"))


@pytest.mark.parametrize(
    ("source", "ids"),
    [
        ("popularity", "string"),
        ("item_item", "bigint"),
        ("svd", "string"),
        ("content", "bigint"),
        of_spark_ml("als", "bigint"),
        of_spark_ml("als", "string"),
        of_spark_ml("als_explicit", "bigint"),
    ],
)
def test_every_model_solves_the_checkerboard(examples, spark, source, ids, recommended):
    rows, expected, name = checkerboard(examples, ids)
    users = spark.createDataFrame([(user,) for user in expected], f"user_id {ids}")
    beside = {}
    if source in ("content", "item_item"):
        media = [(name(m), f"title {m}", [("light", "dark")[m % 2]]) for m in range(12)]
        beside["media"] = spark.createDataFrame(media, f"media_id {ids}, title string, genres array<string>")
    if source == "popularity":  # it knows no colours: of each country it knows what is watched there
        accounts = [(name(u), "AB"[u % 2]) for u in range(12)]
        beside["users"] = spark.createDataFrame(accounts, f"user_id {ids}, country string")
    if source == "als_explicit":
        liked = rows.selectExpr("user_id", "media_id", "5.0D as rating", "impression_ts as rated_ts")
        other = [(name(u), name(m), 1.0, None) for u in range(12) for m in range(12) if u % 2 != m % 2]
        beside["ratings"] = liked.unionByName(spark.createDataFrame(other, liked.schema))
    settings = RetrievalSettings(
        sources=(source,),
        als=SMALL,
        svd=SvdSettings(rank=2, blocks=2),
        popularity=PopularitySettings(smoothing=0.1),
        ratings=RatingsSettings(rank=2, iterations=5, regularisation=0.01),
    )
    found = recommended(rows, AS_OF, settings, users, 1, Beside(**beside)).collect()
    assert {row["user_id"]: [row["media_id"]] for row in found} == expected
    assert {row["rank"] for row in found} == {1}
    if source == "item_item":
        assert all(row["reason"].startswith("because you watched title ") for row in found)


@pytest.mark.not_on("sail", why="it has no Spark ML")
def test_two_fits_of_als_agree_in_any_partitioning(examples, spark, recommended):
    rows, expected, _ = checkerboard(examples, "bigint")
    users = spark.createDataFrame([(user,) for user in expected], "user_id bigint")
    settings = RetrievalSettings(sources=("als",), als=SMALL)
    once, again = (
        sorted(recommended(rows.repartition(parts), AS_OF, settings, users, 3).collect()) for parts in (1, 5)
    )
    assert once == again


@pytest.mark.not_on("sail", why="it has no Spark ML")
def test_als_without_a_pair_says_so(examples, spark, recommended):
    users = spark.createDataFrame([(1,)], "user_id bigint")
    with pytest.raises(DataError, match="found none"):
        recommended(examples([(1, 1, 0, 1.0, 10.0, 1)]), AS_OF, RetrievalSettings(sources=("als",)), users, 10)


def test_an_unknown_source_is_refused():
    with pytest.raises(SettingsError, match="sources"):
        RetrievalSettings(sources=("magic",))
