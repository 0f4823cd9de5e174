"""Splits by time: which day is for what, and nothing of a later time in training."""

import datetime as dt
import math

import pytest
from pyspark.sql import functions as F

from winnow.errors import LeakError, SettingsError
from winnow.splitting import FoldSettings, Period, Split, SplittingSettings, assign, bounds, check_no_leak, folds

DAY_US = 86_400_000_000


def jan(day):
    return dt.date(2026, 1, day)


def us(day, second=0.0, offset_h=0):
    start = dt.datetime.combine(jan(day), dt.time(), dt.UTC)
    return round((start.timestamp() + second - offset_h * 3600) * 1_000_000)


SETTINGS = SplittingSettings(jan(10), jan(12), jan(3), jan(14), gap_days=2)


def test_each_day_is_for_one_thing_and_the_gap_for_none():
    split = SETTINGS.split()
    assert [split.part_of(jan(day)) for day in range(2, 15)] == [
        None,
        *["train"] * 5,  # 3rd to 7th
        *[None] * 2,
        *["validation"] * 2,
        *["test"] * 2,
        None,
    ]
    assert list(split.periods()) == ["train", "validation", "test"]


def test_without_any_day_all_is_training_and_without_validation_the_test_follows_the_gap():
    assert SplittingSettings().split().part_of(jan(5)) == "train"
    assert list(SplittingSettings().split().periods()) == ["train"]
    split = SplittingSettings(test_start=jan(10), gap_days=1).split()
    assert [split.part_of(jan(day)) for day in (8, 9, 10, 31)] == ["train", None, "test", "test"]
    assert split.part_of(dt.date.min) == "train"
    ended = SplittingSettings(end=jan(10), gap_days=3).split()  # nothing follows: there is no gap
    assert [ended.part_of(jan(day)) for day in (9, 10)] == ["train", None]


def test_validation_and_test_days_keep_their_natural_balance_unless_asked_otherwise():
    assert [SETTINGS.is_natural(jan(day)) for day in (7, 8, 10, 13, 14)] == [False, False, True, True, False]
    asked = SplittingSettings(jan(10), downsample_evaluation=True)
    assert not asked.is_natural(jan(10))
    assert not SplittingSettings().is_natural(jan(10))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"validation_start": jan(5), "test_start": jan(5)}, r"test_start: expected a day after validation_start"),
        ({"train_start": jan(5), "validation_start": jan(4)}, r"validation_start: expected a day after train_start"),
        ({"train_start": jan(5), "end": jan(5)}, "end: expected a day after train_start"),
        ({"test_start": jan(5), "end": jan(4)}, "end: expected a day after test_start"),
        ({"train_start": jan(5), "test_start": jan(7), "gap_days": 2}, "gap_days: expected days left for training"),
        ({"gap_days": -1}, "gap_days"),
        ({"utc_offset_h": 15}, "utc_offset_h"),
        ({"utc_offset_h": math.nan}, "utc_offset_h"),
        ({"evaluation_rate": 0}, "evaluation_rate"),
    ],
)
def test_days_out_of_order_are_refused(wrong, said):
    with pytest.raises(SettingsError, match=said):
        SplittingSettings(**wrong)


#: (event_date, microseconds, part) with the days from midnight UTC.
LOG = [
    (jan(3), us(3), "train"),
    (jan(2), us(2, 86_399.999999), None),
    (jan(7), us(7, 86_399.999999), "train"),
    (jan(8), us(7, 86_399.0), None),  # logged after midnight, in the gap
    (jan(8), us(8), None),
    (jan(9), us(9, 86_399.999999), None),
    (jan(10), us(9, 86_399.999999), None),  # logged after midnight: on the far side of the border
    (jan(10), us(10), "validation"),
    (jan(9), us(10, 1), None),
    (jan(11), us(10, 86_399), "validation"),  # no border lies between
    (jan(12), us(12), "test"),
    (jan(12), us(11, 86_399), None),
    (jan(13), us(13, 86_399.999999), "test"),
    (jan(14), us(14), None),
    (jan(13), us(14), None),
    (None, us(12), None),
    (jan(12), None, None),
]


def frame(spark, rows):
    made = spark.createDataFrame([(i, *row[:2]) for i, row in enumerate(rows)], "row int, event_date date, us bigint")
    return made.withColumn("impression_ts", F.timestamp_micros("us"))


@pytest.mark.parametrize(("zone", "offset_h"), [("UTC", 0.0), ("Europe/Paris", 0.0), ("Asia/Kolkata", 8.0)])
def test_a_row_is_in_a_part_when_its_day_and_its_time_are_in_any_sessions_zone(spark, zone, offset_h):
    rows = [(day, moment and moment - int(offset_h * 3_600_000_000), part) for day, moment, part in LOG]
    before = spark.conf.get("spark.sql.session.timeZone")
    spark.conf.set("spark.sql.session.timeZone", zone)
    try:
        found = frame(spark, rows).transform(assign(SETTINGS.split(), offset_h)).select("row", "split").collect()
    finally:
        spark.conf.set("spark.sql.session.timeZone", before)
    assert [part for _, part in sorted(found)] == [part for _, _, part in LOG]


def test_the_bounds_of_each_part_are_told_and_the_rest_is_left_out(spark):
    found = frame(spark, LOG).transform(assign(SETTINGS.split())).transform(bounds()).collect()
    assert {row.split: (row.first_us, row.last_us, row.split_rows) for row in found} == {
        "train": (us(3), us(7, 86_399.999999), 2),
        "validation": (us(10), us(10, 86_399), 2),
        "test": (us(12), us(13, 86_399.999999), 2),
    }
    check_no_leak({row.split: (row.first_us, row.last_us) for row in found}, gap_days=2)


def test_a_planted_leak_fails(spark):
    rows = frame(spark, LOG).transform(assign(SETTINGS.split()))
    planted = rows.withColumn("split", F.when(F.col("row") == 10, "train").otherwise(F.col("split")))
    found = {row.split: (row.first_us, row.last_us) for row in planted.transform(bounds()).collect()}
    with pytest.raises(LeakError) as told:
        check_no_leak(found)
    assert told.value.exit_code == 3
    assert (
        "expected every train row at least 0 days before the first validation row (2026-01-10T00:00:00+00:00)"
        in str(told.value)
    )
    assert "found one at 2026-01-12T00:00:00+00:00" in str(told.value)


def test_timestamps_tied_at_the_border_are_a_leak_and_a_microsecond_is_none():
    check_no_leak({"train": (0, 99), "validation": (100, 200), "test": (201, 300)})
    for tied in ({"train": (0, 100), "validation": (100, 200)}, {"validation": (0, 100), "test": (100, 200)}):
        with pytest.raises(LeakError):
            check_no_leak(tied)
    with pytest.raises(LeakError):
        check_no_leak({"train": (0, 100), "test": (100, 200)})


def test_the_gap_is_held_before_what_follows_training_only():
    check_no_leak({"train": (0, 99), "validation": (100 + DAY_US, 2 * DAY_US), "test": (2 * DAY_US + 1, 3 * DAY_US)}, 1)
    with pytest.raises(LeakError, match="at least 1 days before the first test row"):
        check_no_leak({"train": (0, 100), "test": (100 + DAY_US, 2 * DAY_US)}, 1)
    check_no_leak({})
    check_no_leak({"validation": (5, 6)}, 30)


def test_rolling_folds_train_on_as_many_days_each():
    made = folds(Period(jan(1), jan(11)), FoldSettings("rolling", 4, validation_days=2, gap_days=1, step_days=2))
    assert made == (
        Split(Period(jan(1), jan(5)), Period(jan(6), jan(8))),
        Split(Period(jan(3), jan(7)), Period(jan(8), jan(10))),
    )


def test_expanding_folds_train_on_all_days_since_the_start():
    made = folds(Period(jan(1), jan(8)), FoldSettings("expanding", 4))
    assert made == (
        Split(Period(jan(1), jan(5)), Period(jan(5), jan(6))),
        Split(Period(jan(1), jan(6)), Period(jan(6), jan(7))),
        Split(Period(jan(1), jan(7)), Period(jan(7), jan(8))),
    )


def test_too_few_days_or_steps_of_nothing_are_refused():
    with pytest.raises(SettingsError, match="expected enough days for one fold"):
        folds(Period(jan(1), jan(5)), FoldSettings(train_days=4))
    assert len(folds(Period(jan(1), jan(6)), FoldSettings(train_days=4))) == 1
    for wrong in ("train_days", "validation_days", "step_days"):
        with pytest.raises(SettingsError, match=f"{wrong}: expected a number from 1"):
            FoldSettings(**{wrong: 0})
    with pytest.raises(SettingsError, match="gap_days"):
        FoldSettings(gap_days=-1)
