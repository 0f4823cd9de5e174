"""The kinds of label: every threshold exact, every odd value with its reason, and what a label may lean on."""

import datetime as dt
import math

import pytest
from pyspark.sql import functions as F

from winnow.errors import SettingsError
from winnow.labelling import (
    IMMATURE,
    MIDDLE,
    NEGATIVE,
    NO_DURATION,
    NOT_PLAYED,
    OUTCOMES,
    POSITIVE,
    Action,
    AnyAction,
    DurationQuantile,
    Label,
    LabellingSettings,
    WatchedFraction,
    action_columns,
    check_labels,
    label,
    needs_duration_groups,
)

#: Thresholds in thousandths: positive from, negative to.
SHARES = {"f800": (800, 100), "f700": (700, 150), "f333": (333, 1), "f1000": (1000, 999), "f1500": (1500, 0)}


def test_every_exact_share_of_every_duration_is_on_its_side_and_a_millisecond_beside_it_is_not(spark):
    """All whole seconds from 1 to 7200, and as many durations of whole milliseconds."""
    labels = {name: WatchedFraction(high / 1000, low / 1000) for name, (high, low) in SHARES.items()}
    # Milliseconds such as those of KuaiRand, of which 80 % is no whole number of them either.
    durations = spark.range(1, 7201).select(
        F.explode(F.array(F.col("id") * 1000, 1000 + F.pmod(F.xxhash64("id"), F.lit(7_199_000)))).alias("ms")
    )
    thresholds = F.array(
        *(
            F.struct(F.lit(name).alias("name"), F.col("ms").alias("ms"), (F.col("ms") * share).alias("us"), *told)
            for name, (high, low) in SHARES.items()
            for share, *told in (
                (high, F.lit(0).alias("step"), F.lit(POSITIVE).alias("expected")),
                (high, F.lit(-1000).alias("step"), F.lit(MIDDLE).alias("expected")),
                (high, F.lit(1000).alias("step"), F.lit(POSITIVE).alias("expected")),
                (low, F.lit(0).alias("step"), F.lit(NEGATIVE).alias("expected")),
                (low, F.lit(1000).alias("step"), F.lit(MIDDLE).alias("expected")),
            )
        )
    )
    cases = durations.select(F.explode(thresholds).alias("c")).select("c.*")
    rows = cases.withColumns(
        {
            "media_duration_s": F.col("ms") / 1000,
            # In this log the watching is the nearest double of a decimal number of seconds.
            "watch_s": (F.col("us") + F.col("step")) / 1_000_000,
        }
    )
    # Of one second 99.9 % and 100 % lie a millisecond apart: a step from the one is the other.
    rows = rows.where("name != 'f1000' or ms > 1000")
    found = F.coalesce(*(F.when(F.col("name") == name, F.col(f"{name}_reason")) for name in labels))
    wrong = rows.transform(label(labels)).where(found != F.col("expected"))
    assert [tuple(row) for row in wrong.select("name", "ms", "us", "step", "expected", found).head(5)] == []


def labelled(spark, rows, labels, **settings):
    """The reasons of rows of (watch_s, media_duration_s), one dict a row."""
    frame = spark.createDataFrame(
        [(i, *row) for i, row in enumerate(rows)], "row int, watch_s double, media_duration_s double"
    )
    made = (
        frame.withColumn("impression_ts", F.lit(None).cast("timestamp"))
        .transform(label(labels, **settings))
        .orderBy("row")
    )
    return made.collect()


ODD = [
    ((24 * 60.0, 30 * 60.0), POSITIVE),
    ((11.12, 13.9), POSITIVE),  # of the real log: 0.8 * 13.9 is 11.120000000000001
    ((24.735 * 0.8, 24.735), POSITIVE),
    ((19.788, 24.735), POSITIVE),
    ((2.4735, 24.735), NEGATIVE),
    ((3.0, 30.0), NEGATIVE),
    ((3.001, 30.0), MIDDLE),
    ((0.0, 30.0), NEGATIVE),
    ((90.0, 30.0), POSITIVE),  # watched three times over
    ((31_000_000.0, 0.001), POSITIVE),
    ((10.0, None), NO_DURATION),
    ((10.0, math.nan), NO_DURATION),
    ((10.0, 0.0), NO_DURATION),
    ((10.0, -0.0), NO_DURATION),
    ((10.0, -5.0), NO_DURATION),
    ((10.0, math.inf), NO_DURATION),
    ((10.0, -math.inf), NO_DURATION),
    ((10.0, 604_800.1), NO_DURATION),
    ((604_800.0, 604_800.0), POSITIVE),
    ((None, None), NO_DURATION),
]


def test_odd_values_have_their_reason_and_never_a_label_by_accident(spark):
    labels = {"a": WatchedFraction(), "b": WatchedFraction(not_played="negative")}
    rows = labelled(spark, [*(row for row, _ in ODD), (None, 30.0)], labels)
    classes = {POSITIVE: 1, NEGATIVE: 0}
    for row, (_, reason) in zip(rows, ODD, strict=False):
        assert (row.a_reason, row.a_label) == (reason, classes.get(reason))
        assert (row.b_reason, row.b_label) == (reason, classes.get(reason))
    assert (rows[-1].a_reason, rows[-1].a_label) == (NOT_PLAYED, None)
    assert (rows[-1].b_reason, rows[-1].b_label) == (NEGATIVE, 0)
    assert {row.a_reason for row in rows} | {IMMATURE} == set(OUTCOMES)


def test_actions_are_positives_and_their_absence_negatives(spark):
    rows = [
        # liked, commented, watched (the log's own), watch_s of 10
        (True, False, None, 9.0),
        (False, True, None, 0.0),
        (None, None, True, 0.0),
        (None, None, None, 9.0),
        (False, False, False, 5.0),
        (False, None, True, None),
    ]
    frame = spark.createDataFrame(rows, "liked boolean, commented boolean, watched boolean, watch_s double")
    labels = {
        "loved": AnyAction(("liked", "long")),  # another label among them
        "engaged": AnyAction(("liked", "commented")),
        "liked": Action(),  # called as its column is
        "comment": Action(("commented",)),
        "watched": AnyAction(("watched", "commented")),  # the column, not itself
        "long": WatchedFraction(),
    }
    check_labels(labels)
    found = frame.withColumn("media_duration_s", F.lit(10.0)).transform(label(labels)).collect()
    assert [row.engaged_label for row in found] == [1, 1, 0, 0, 0, 0]
    assert [row.liked_label for row in found] == [1, 0, 0, 0, 0, 0]  # a comment is a negative for liked
    assert [row.comment_label for row in found] == [0, 1, 0, 0, 0, 0]
    assert [row.watched_label for row in found] == [0, 1, 1, 0, 0, 1]
    assert [row.long_label for row in found] == [1, 0, 0, 1, None, None]
    assert [row.loved_label for row in found] == [1, 0, 0, 1, 0, 0]
    assert all(row.loved_reason in (POSITIVE, NEGATIVE) for row in found)
    assert [row.liked for row in found] == [True, False, None, None, False, False]  # the log's own column stays
    wanted = {"liked", "commented", "watched"}
    assert action_columns(labels) == dict.fromkeys(wanted, "boolean")


def test_a_label_that_another_is_made_of_is_no_column_of_the_log():
    labels = {"liked": Action(("heart",)), "loved": AnyAction(("liked", "shared"))}
    assert action_columns(labels) == {"heart": "boolean", "shared": "boolean"}
    assert action_columns({"watched": WatchedFraction(), "q": DurationQuantile()}) == {}


def test_impressions_after_the_moment_of_maturity_have_no_label(spark):
    moment = dt.datetime(2026, 1, 5, 12, tzinfo=dt.UTC)
    us = int(moment.timestamp()) * 1_000_000
    rows = spark.createDataFrame([(us - 1,), (us,), (us + 1,)], "us bigint")
    rows = rows.select(
        F.timestamp_micros("us").alias("impression_ts"),
        F.lit(9.0).alias("watch_s"),
        F.lit(True).alias("liked"),
        F.lit(10.0).alias("media_duration_s"),
    )
    labels = {"watched": WatchedFraction(), "liked": Action(), "both": AnyAction(("watched",))}
    found = rows.transform(label(labels, mature_until=moment)).collect()
    for name in labels:
        assert [row[f"{name}_reason"] for row in found] == [POSITIVE, POSITIVE, IMMATURE]
        assert [row[f"{name}_label"] for row in found] == [1, 1, None]


def test_maturity_is_counted_back_from_now():
    now = dt.datetime(2026, 1, 6, 6, tzinfo=dt.UTC)
    day = dt.date(2026, 1, 5)
    assert LabellingSettings(36).mature_until(day, now) == dt.datetime(2026, 1, 4, 18, tzinfo=dt.UTC)
    assert LabellingSettings(36).mature_until(day, LabellingSettings(36).settled_from(day)) is None
    assert LabellingSettings().mature_until(day, now) is None
    for wrong in (-1, math.nan, 24 * 366 + 1):
        with pytest.raises(SettingsError, match="maturity_hours"):
            LabellingSettings(wrong)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ("action", "x: expected a table with a kind, found 'action'"),
        ({}, "x.kind: expected one of watched_fraction, any_action, action, duration_quantile, found None"),
        ({"kind": "watched"}, "x.kind: expected one of"),
        ({"kind": ["action"]}, "x.kind: expected one of"),
        ({"kind": "action", "groups": 3}, "x.groups: no such setting. Known here: actions"),
        ({"kind": "action", "actions": ["a", "b"]}, "x.actions: expected one action (any_action takes several)"),
        ({"kind": "any_action"}, "x.actions: is required and missing"),
        ({"kind": "any_action", "actions": []}, "x.actions: expected at least one action"),
        ({"kind": "any_action", "actions": ["a", "a"]}, "x.actions: expected each column once"),
        ({"kind": "any_action", "actions": ["a`b"]}, "x.actions: expected a plain column name"),
        (
            {"kind": "watched_fraction", "positive_at_least": 0.1},
            "x.negative_at_most: expected less than positive_at_least",
        ),
        (
            {"kind": "watched_fraction", "positive_at_least": 0.12345},
            "x.positive_at_least: expected at most four decimals",
        ),
        ({"kind": "watched_fraction", "negative_at_most": 1e-5}, "x.negative_at_most: expected at most four decimals"),
        ({"kind": "watched_fraction", "negative_at_most": -0.1}, "x.negative_at_most: expected a number from 0 to 10"),
        ({"kind": "watched_fraction", "positive_at_least": 11}, "x.positive_at_least: expected a number from 0 to 10"),
        ({"kind": "watched_fraction", "not_played": "middle"}, "x.not_played: expected one of unlabelled, negative"),
        ({"kind": "duration_quantile", "positive_at_least": 1.5}, "x.positive_at_least: expected a number from 0 to 1"),
        (
            {"kind": "duration_quantile", "positive_at_least": 0.2},
            "x.negative_at_most: expected less than positive_at_least",
        ),
        (
            {"kind": "duration_quantile", "positive_at_least": 0.33333},
            "x.positive_at_least: expected at most four decimals",
        ),
        ({"kind": "duration_quantile", "groups": 0}, "x.groups: expected a number from 1 to 1000"),
    ],
)
def test_a_label_that_makes_no_sense_is_refused(values, said):
    with pytest.raises(SettingsError) as told:
        Label.from_conf(values, "x")
    assert str(told.value).startswith(said)


def test_four_decimals_are_enough_for_any_share():
    assert WatchedFraction(0.1234, 0.0001).positive_at_least == 0.1234
    assert WatchedFraction(1, 0) == Label.from_conf(
        {"kind": "watched_fraction", "positive_at_least": 1, "negative_at_most": 0}, "x"
    )


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ({}, "labels: expected at least one label"),
        ({"Watched": Action()}, "labels: expected a snake_case name such as watched, found 'Watched'"),
        (
            {"a": Action(("x",)), "b": AnyAction(("a",)), "c": AnyAction(("b",))},
            "labels.c.actions: expected columns, or labels that lean on no other, found 'b'",
        ),
        (
            {"a": AnyAction(("b",)), "b": AnyAction(("a",))},
            "labels.a.actions: expected columns, or labels that lean on no",
        ),
    ],
)
def test_labels_that_lean_on_leaning_labels_are_refused(labels, said):
    with pytest.raises(SettingsError) as told:
        check_labels(labels)
    assert str(told.value).startswith(said)


def test_only_quantiles_need_groups():
    assert not needs_duration_groups({"a": WatchedFraction(), "b": Action()})
    assert needs_duration_groups({"a": WatchedFraction(), "b": DurationQuantile()})
