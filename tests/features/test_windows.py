"""Bands, hours, priors and windows on toys that are worked out by hand."""

import datetime as dt

import pytest
from pyspark.sql import functions as F

from winnow.features import Clock, FeatureSettings
from winnow.features.moments import daypart, length_band, local_day, local_hour
from winnow.features.smoothing import priors, smoothed
from winnow.features.windows import serving

DAY = dt.date(2025, 1, 10)


def test_lengths_fall_into_bands_that_double(spark):
    lengths = [0.5, 3.999, 4.0, 7.999, 8.0, 600.0, 1e9, 0.0, -1.0, None, float("nan"), float("inf")]
    rows = spark.createDataFrame([(length,) for length in lengths], "s double").select(length_band(F.col("s")))
    assert [row[0] for row in rows.collect()] == ["0", "0", "1", "1", "2", "8", "12"] + [None] * 5


def test_the_hour_and_the_day_are_those_of_the_country(spark):
    settings, clock = FeatureSettings(country_utc_offset_h={"JP": 9.0, "IN": 5.5}), Clock(utc_offset_h=-1.0)
    moment = dt.datetime(2025, 1, 10, 0, 30, tzinfo=dt.UTC)
    rows = spark.createDataFrame(
        [(moment, "JP"), (moment, "IN"), (moment, "FR"), (moment, None)], "m timestamp, c string"
    )
    arguments = (F.col("m"), F.col("c"), settings, clock)
    found = rows.select(local_hour(*arguments), local_day(*arguments), daypart(local_hour(*arguments))).collect()
    assert [tuple(row) for row in found] == [
        (9, DAY, "morning"),
        (6, DAY, "morning"),
        (23, DAY - dt.timedelta(days=1), "evening"),
        (23, DAY - dt.timedelta(days=1), "evening"),
    ]


def test_the_prior_is_found_again_in_groups_drawn_from_it(spark):
    numpy = pytest.importorskip("numpy")
    draw = numpy.random.default_rng(5)
    trials = draw.integers(1, 60, 4000)
    hits = draw.binomial(trials, draw.beta(2.0, 18.0, 4000))  # mean 0.1, strength 20
    groups = spark.createDataFrame(list(zip(trials.tolist(), hits.tolist(), strict=True)), "n bigint, k bigint")
    for parts in (1, 3):
        keyed = groups.repartition(parts).withColumn("by", F.lit(1))
        (row,) = keyed.transform(priors(["by"], "n", "k")).collect()
        assert row["prior_mean"] == pytest.approx(0.1, rel=0.05)
        assert row["prior_strength"] == pytest.approx(20, rel=0.15)
    alone = spark.createDataFrame([(1, 4, 4)], "by int, n bigint, k bigint").transform(priors(["by"], "n", "k")).head()
    assert (alone["prior_mean"], alone["prior_strength"]) == (1.0, pytest.approx(9.0))


def test_a_rate_of_nothing_is_the_prior(spark):
    rows = spark.createDataFrame([(None, None), (0, 0), (3, 10)], "k bigint, n bigint")
    found = rows.select(smoothed(F.col("k"), F.col("n"), F.lit(0.2), F.lit(10.0))).collect()
    assert [row[0] for row in found] == [pytest.approx(value) for value in (0.2, 0.2, 0.25)]


def test_a_tile_serves_the_days_after_it_that_are_in_reach_and_know_it(spark):
    midnight = dt.datetime(2025, 1, 10, tzinfo=dt.UTC)
    day = dt.timedelta(days=1)
    tiles = [(DAY - day, midnight), (DAY - 2 * day, midnight - day), (DAY - 3 * day, midnight - 2 * day)]
    tiles += [(DAY - 2 * day, midnight + day / 24), (DAY, midnight + day)]  # known too late; of the day itself
    rows = spark.createDataFrame(tiles, "event_date date, known_at timestamp")
    asked = [DAY - day, DAY]
    found = rows.transform(serving(asked, 2, Clock())).select("as_of_date", "event_date").collect()
    assert sorted(map(tuple, found)) == [
        (DAY - day, DAY - 3 * day),
        (DAY - day, DAY - 2 * day),
        (DAY, DAY - 2 * day),
        (DAY, DAY - day),
    ]
    settled = rows.transform(serving([DAY], 1, Clock(maturity_hours=5.0))).select("event_date").collect()
    assert [row[0] for row in settled] == [DAY - 2 * day]
