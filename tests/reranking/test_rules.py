"""The rules of what may be shown, each on the pair that it is about."""

import datetime as dt

import pytest
from pyspark.sql import functions as F

from winnow.reranking import AGE_DAYS, ALIKE, RerankingSettings, may_be_shown, seen_before

AS_OF = dt.date(2026, 1, 10)
SETTINGS = RerankingSettings(
    maturity={"18-24": 12}, unlicensed={"DE": ("Northlight",)}, seen_days=5, alike_by=("genres", "creator", "planet")
)


@pytest.fixture(scope="module")
def media(spark):
    rows = [
        (1, "all", "Northlight", ["drama", None], "Ann", AS_OF - dt.timedelta(days=3)),
        (2, "16", "Other", ["drama"], None, AS_OF),
        (3, None, None, None, "Ann", None),
        (4, "12", "Other", [], "Bob", AS_OF + dt.timedelta(days=1)),  # comes tomorrow
    ]
    ddl = "media_id bigint, maturity_rating string, distributor string, genres array<string>, creator string, added_date date"
    return spark.createDataFrame(rows, ddl)


@pytest.fixture(scope="module")
def users(spark):
    return spark.createDataFrame(
        [(1, "18-24", "DE"), (2, "65+", "FR"), (3, None, None)], "user_id bigint, age_band string, country string"
    )


@pytest.fixture(scope="module")
def pairs(spark):
    made = [(user, item, f"{user}-{item}") for user in (1, 2, 3, 4) for item in (1, 2, 3, 4, 5)]
    return spark.createDataFrame(made, "user_id bigint, media_id bigint, reason string")


def kept(rows):
    return {(row["user_id"], row["media_id"]) for row in rows.select("user_id", "media_id").collect()}


def test_each_rule_refuses_its_own(pairs, media, users):
    found = pairs.transform(may_be_shown(AS_OF, SETTINGS, media=media, users=users, seen=None))
    everything = {(user, item) for user in (1, 2, 3, 4) for item in (1, 2, 3, 5)}  # 4 is not there yet
    # User 1 is in Germany, where Northlight (1) is not licensed, and below the limit: 16 (2), not rated (3), not known (5).
    assert kept(found) == everything - {(1, 1), (1, 2), (1, 3), (1, 5)}
    assert found.columns == ["user_id", "media_id", "reason", ALIKE, AGE_DAYS]


def test_what_is_alike_and_how_new_it_is(pairs, media, users):
    found = pairs.where("user_id = 2").transform(may_be_shown(AS_OF, SETTINGS, media=media, users=users, seen=None))
    told = {row["media_id"]: (row[ALIKE], row[AGE_DAYS]) for row in found.collect()}
    assert told == {
        1: (["genres=drama", "creator=Ann"], 3.0),
        2: (["genres=drama"], 0.0),
        3: (["creator=Ann"], None),
        5: ([], None),
    }


def test_without_a_catalogue_only_what_was_seen_is_left_out(pairs, spark):
    log = spark.createDataFrame(
        [(1, 1, 1), (1, 2, 5), (1, 3, 6), (1, 4, 0)], "user_id bigint, media_id bigint, before int"
    ).withColumn("event_date", F.date_sub(F.lit(AS_OF), F.col("before")))
    seen = log.transform(seen_before(AS_OF, SETTINGS))
    found = pairs.where("user_id = 1").transform(may_be_shown(AS_OF, SETTINGS, media=None, users=None, seen=seen))
    assert kept(found) == {(1, 3), (1, 4), (1, 5)}, (
        "seen 1 and 5 days before; 6 days is long ago, and today is not known"
    )
