"""Watch times compared among media about as long: equal to a count by hand, ties and atoms included."""

import math
import random
from fractions import Fraction

import pytest
from pyspark.sql import functions as F

from winnow.errors import SettingsError
from winnow.labelling import (
    MIDDLE,
    NEGATIVE,
    NO_DURATION,
    NOT_PLAYED,
    POSITIVE,
    DurationGroup,
    DurationQuantile,
    WatchedFraction,
    duration_groups,
    label,
)

LABELS = {
    "ten": DurationQuantile(),
    "three": DurationQuantile(3, 0.55, 0.45),  # 0.55 * 100 rows are 55.00000000000001
    "one": DurationQuantile(1, 0.7, 0.3),
    "many": DurationQuantile(1000, 0.9, 0.0),
}


def log(count=3000):
    """Durations of few values, with the watch times' atoms: nothing watched, and all of it."""
    dice, rows = random.Random(5), []
    for row in range(count):
        duration = dice.choice([7.0, 15.0, 15.5, 30.0, 30.0, 30.0, 60.0, 61.0, 90.0, 120.0, 600.0, 3600.0])
        watch = dice.choice(
            [0.0, 0.0, duration, round(dice.random() * duration, 1), float(round(dice.random() * 10)), None]
        )
        rows.append((row, watch, dice.choice([duration] * 9 + [0.0, None, math.nan])))
    return rows


ROWS = log()


def by_hand(rows, one):
    """The outcome of each row, counted row against row."""
    played = [(watch, length) for _, watch, length in rows if length is not None and length > 0 and watch is not None]
    group_of = {
        length: sum(other < length for _, other in played) * one.groups // len(played)
        for length in {length for _, length in played}
    }
    high, low = Fraction(str(one.positive_at_least)), Fraction(str(one.negative_at_most))
    outcomes = {}
    for row, watch, length in rows:
        if length is None or not length > 0:
            outcomes[row] = NO_DURATION
        elif watch is None:
            outcomes[row] = NOT_PLAYED
        else:
            mine = [other for other, long in played if group_of[long] == group_of[length]]
            is_positive = Fraction(sum(other <= watch for other in mine), len(mine)) >= high
            is_negative = Fraction(sum(other < watch for other in mine), len(mine)) <= low
            if is_positive == is_negative:
                outcomes[row] = MIDDLE
            else:
                outcomes[row] = POSITIVE if is_positive else NEGATIVE
    return outcomes


def labelled(rows, labels):
    groups = [DurationGroup(**row.asDict()) for row in rows.transform(duration_groups(labels)).collect()]
    return rows.transform(label(labels, groups)).collect(), groups


@pytest.fixture(scope="module")
def found(spark):
    rows = spark.createDataFrame(ROWS, "row int, watch_s double, media_duration_s double")
    return labelled(rows.withColumn("impression_ts", F.lit(None).cast("timestamp")), LABELS)


@pytest.mark.parametrize("name", LABELS)
def test_every_row_has_the_outcome_that_a_count_by_hand_gives_it(found, name):
    expected = by_hand(ROWS, LABELS[name])
    assert {row.row: row[f"{name}_reason"] for row in found[0]} == expected
    assert {POSITIVE, NEGATIVE, NO_DURATION, NOT_PLAYED} <= set(expected.values())


def test_rows_of_one_duration_are_never_split(found):
    longest = {name: [group.longest_s for group in found[1] if group.label == name] for name in LABELS}
    assert longest["one"] == [3600.0]
    assert len(longest["three"]) == 3
    assert sorted(longest["many"]) == [7.0, 15.0, 15.5, 30.0, 60.0, 61.0, 90.0, 120.0, 600.0, 3600.0]


def test_where_all_watched_alike_nobody_watched_more_and_the_exact_ends_count(spark):
    """A log may call its columns as the counting does, and an exact quantile is inclusive."""
    rows = [(5.0, 10.0, "x", 1, 1, 1, 1.0)] * 100 + [(float(i), 100.0, "y", 2, 2, 2, 2.0) for i in range(1, 101)]
    ddl = "watch_s double, media_duration_s double, `group` string, rows int, below int, total int, longest_s double"
    frame = spark.createDataFrame(rows, ddl).withColumn("impression_ts", F.lit(None).cast("timestamp"))
    found, _ = labelled(frame, {"q": DurationQuantile(2, 0.55, 0.29)})
    assert {row.q_reason for row in found if row.media_duration_s == 10} == {MIDDLE}
    long = {row.watch_s: row.q_reason for row in found if row.media_duration_s == 100}
    assert [long[watch] for watch in (54.0, 55.0, 30.0, 31.0)] == [MIDDLE, POSITIVE, NEGATIVE, MIDDLE]
    assert {row.group for row in found} == {"x", "y"}


def test_a_day_without_a_known_duration_has_no_groups_and_no_label(spark):
    frame = spark.createDataFrame([(1.0, None), (None, 5.0)], "watch_s double, media_duration_s double")
    found, groups = labelled(
        frame.withColumn("impression_ts", F.lit(None).cast("timestamp")), {"q": DurationQuantile()}
    )
    assert groups == []
    assert sorted(row.q_reason for row in found) == [NO_DURATION, NOT_PLAYED]


def test_labels_without_quantiles_have_no_groups(spark):
    with pytest.raises(SettingsError, match="expected a label of kind duration_quantile, found none"):
        spark.range(1).selectExpr("1d as watch_s", "1d as media_duration_s").transform(
            duration_groups({"a": WatchedFraction()})
        )
