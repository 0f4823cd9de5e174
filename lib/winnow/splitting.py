"""Splits by time only: train, gap, validation, test; rolling and expanding folds; and the check that nothing leaks."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import reduce
from itertools import pairwise
from typing import Literal

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from winnow import schema
from winnow.contracts import Step
from winnow.errors import LeakError
from winnow.settings import check, check_between

TRAIN = "train"
VALIDATION = "validation"
TEST = "test"

_DAY = dt.timedelta(days=1)
_EPOCH = dt.date(1970, 1, 1)


@dataclass(frozen=True)
class Period:
    """Days from ``start`` to before ``end``."""

    start: dt.date
    end: dt.date

    def __contains__(self, day: dt.date) -> bool:
        """Return whether the day is in the period."""
        return self.start <= day < self.end


@dataclass(frozen=True)
class Split:
    """The periods of one split; days in none of them, such as the gap, are used for nothing."""

    train: Period
    validation: Period | None = None
    test: Period | None = None

    def periods(self) -> dict[str, Period]:
        """Return the periods that there are, by name, in the order of time."""
        named = {TRAIN: self.train, VALIDATION: self.validation, TEST: self.test}
        return {name: period for name, period in named.items() if period is not None}

    def part_of(self, day: dt.date) -> str | None:
        """Return the name of the day's period, None in the gap and outside."""
        return next((name for name, period in self.periods().items() if day in period), None)


@dataclass(frozen=True)
class FoldSettings:
    """``[splitting.folds]``: time-ordered folds of the days that a job is given, for cross-validation and for tuning."""

    #: rolling: each fold trains on train_days; expanding: on all days since the first.
    kind: Literal["rolling", "expanding"] = "expanding"
    #: Days that the first fold trains on.
    train_days: int = 4
    #: Days that each fold is judged on.
    validation_days: int = 1
    #: Days between them, used for nothing.
    gap_days: int = 0
    #: Days from one fold to the next.
    step_days: int = 1

    def __post_init__(self) -> None:
        """Check the ranges."""
        for key in ("train_days", "validation_days", "step_days"):
            check_between(key, getattr(self, key), 1, 3_650)
        check_between("gap_days", self.gap_days, 0, 365)


@dataclass(frozen=True)
class SplittingSettings:
    """``[splitting]``: which days are for what. Without any, every day is for training."""

    #: First day of validation; the days before it, less the gap, are for training.
    validation_start: dt.date | None = None
    #: First day of the test.
    test_start: dt.date | None = None
    #: First day of training; not set = as far back as the table goes.
    train_start: dt.date | None = None
    #: Day after the last one; not set = as far as the table goes.
    end: dt.date | None = None
    #: Days between training and what follows it, used for nothing: watch times and trends do not leak across.
    gap_days: int = 0
    #: Hours by which the log's days begin before midnight UTC (8 for a log kept in Beijing time).
    utc_offset_h: float = 0.0
    #: Share of the rows of validation and test days that is kept, the same for both classes.
    evaluation_rate: float = 1.0
    #: Downsample the negatives of validation and test days as those of training: their metrics are then not the world's.
    downsample_evaluation: bool = False
    folds: FoldSettings = field(default_factory=FoldSettings)

    def __post_init__(self) -> None:
        """Check ranges and the order of the days."""
        check_between("gap_days", self.gap_days, 0, 365)
        check_between("utc_offset_h", self.utc_offset_h, -14, 14)
        check_between("evaluation_rate", self.evaluation_rate, 1e-6, 1)
        days = [
            (name, getattr(self, name))
            for name in ("train_start", "validation_start", "test_start", "end")
            if getattr(self, name) is not None
        ]
        for (before, early), (name, late) in pairwise(days):
            check(early < late, name, f"a day after {before} ({early})", late)
        train = self.split().train
        check(train.start < train.end, "gap_days", f"days left for training since {train.start}", self.gap_days)

    def split(self) -> Split:
        """Return the one split that the settings describe."""
        last = self.end or dt.date.max
        held_out = self.validation_start or self.test_start or last
        train_end = held_out - self.gap_days * _DAY if held_out != last else last
        validation = Period(self.validation_start, self.test_start or last) if self.validation_start else None
        test = Period(self.test_start, last) if self.test_start else None
        return Split(Period(self.train_start or dt.date.min, train_end), validation, test)

    def is_natural(self, day: dt.date) -> bool:
        """Return whether the day's rows are drawn at the natural class balance: it is for validation or test."""
        return self.split().part_of(day) in (VALIDATION, TEST) and not self.downsample_evaluation


def folds(days: Period, settings: FoldSettings) -> tuple[Split, ...]:
    """Return time-ordered folds for cross-validation inside ``days``, the earliest first.

    Every fold validates on the ``validation_days`` that follow its training and the gap. Raises SettingsError where the days
    are too few for one fold.
    """
    made = []
    train_end = days.start + settings.train_days * _DAY
    while (start := train_end + settings.gap_days * _DAY) + settings.validation_days * _DAY <= days.end:
        known_since = days.start if settings.kind == "expanding" else train_end - settings.train_days * _DAY
        validation = Period(start, start + settings.validation_days * _DAY)
        made.append(Split(Period(known_since, train_end), validation))
        train_end += settings.step_days * _DAY
    check(len(made) > 0, "splitting.folds", "enough days for one fold", f"{days.start} to before {days.end}")
    return tuple(made)


def assign(split: Split, utc_offset_h: float = 0.0) -> Step:
    """Return the step that adds ``split`` (train, validation, test or null) to rows with event_date and impression_ts.

    A row belongs to a period when both its event_date and the day of its event time do. Rows on which they differ (23:59
    logged after midnight, across a border) are in none: rows of one timestamp are never on two sides.
    """

    def step(rows: DataFrame) -> DataFrame:
        local_us = F.unix_micros(F.col(schema.IMPRESSION_TS)) + round(utc_offset_h * 3_600_000_000)
        event_day = F.floor(local_us / 86_400_000_000)
        logged_day = F.unix_date(F.col(schema.EVENT_DATE))
        part: Column = F.lit(None).cast("string")
        for name, period in split.periods().items():
            part = F.when(_within(logged_day, period) & _within(event_day, period), name).otherwise(part)
        return rows.withColumn(schema.SPLIT, part)

    return step


def only(part: str) -> Step:
    """Return the step that keeps the rows of a part, without ``split``."""

    def step(rows: DataFrame) -> DataFrame:
        return rows.where(F.col(schema.SPLIT) == part).drop(schema.SPLIT)

    return step


def bounds() -> Step:
    """Return the step from rows with ``split`` to one row a part: split, first_us, last_us (event time), split_rows."""

    def step(rows: DataFrame) -> DataFrame:
        event_us = F.unix_micros(F.col(schema.IMPRESSION_TS))
        return (
            rows.where(F.col(schema.SPLIT).isNotNull())
            .groupBy(schema.SPLIT)
            .agg(
                F.min(event_us).alias("first_us"),
                F.max(event_us).alias("last_us"),
                F.count(F.lit(1)).alias("split_rows"),
            )
        )

    return step


def check_no_leak(found: Mapping[str, tuple[int, int]], gap_days: int = 0) -> None:
    """Raise LeakError unless each part ends before the next begins, and training the gap before what follows it.

    ``found``: part -> first and last event time in microseconds since the epoch, as ``bounds`` counts them.
    """
    parts = [name for name in (TRAIN, VALIDATION, TEST) if name in found]
    for early, late in pairwise(parts):
        gap_us = gap_days * 86_400_000_000 if early == TRAIN else 0
        last, first = found[early][1], found[late][0]
        if last >= first - gap_us:
            raise LeakError(
                f"splitting: expected every {early} row at least {gap_days if early == TRAIN else 0} days before the "
                f"first {late} row ({_moment(first)}), found one at {_moment(last)}. Split again by time."
            )


def _within(day: Column, period: Period) -> Column:
    borders = []
    if period.start > dt.date.min:
        borders.append(day >= (period.start - _EPOCH).days)
    if period.end < dt.date.max:
        borders.append(day < (period.end - _EPOCH).days)
    return reduce(lambda one, other: one & other, borders, F.lit(True))


def _moment(micros: int) -> str:
    return (dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=micros)).isoformat()
