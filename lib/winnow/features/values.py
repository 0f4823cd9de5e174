"""Forms that features take: counts by their logarithm, a flag for each known value, hashed categories."""

from __future__ import annotations

import re

from pyspark.sql import Column
from pyspark.sql import functions as F

from winnow.features.kinds import Feature, Formula, Known, Source
from winnow.features.settings import FeatureSettings


def log_count(count: Column) -> Column:
    """Return log(1 + count): what a linear model can use as well as a tree; null is 0."""
    return F.log1p(F.coalesce(count, F.lit(0)).cast("double"))


def not_negative(number: Column) -> Column:
    """Return the number, 0 for one below it; null stays null, which the greatest of two would not."""
    return F.when(number < 0, F.lit(0)).otherwise(number)


def equals_any(settings: FeatureSettings, source: Source, what: str, of: Formula) -> list[Feature]:
    """Return a flag for each value of ``what`` that has one in ``[features.flags]``; any other value has none set."""
    return [
        Feature(
            f"{source}_{what}_is_{word(value)}",
            "flag",
            source,
            0.0,
            f"{what.replace('_', ' ')} is {value}",
            _equals(of, value),
        )
        for value in settings.flags.get(what, ())
    ]


def has_any(settings: FeatureSettings, source: Source, what: str, of: Formula) -> list[Feature]:
    """Return a flag for each value of ``what`` that has one, where a row has a list of them."""
    return [
        Feature(
            f"{source}_{what}_has_{word(value)}",
            "flag",
            source,
            0.0,
            f"one {what} is {value}",
            _contains(of, value),
        )
        for value in settings.flags.get(what, ())
    ]


def category(
    settings: FeatureSettings,
    name: str,
    source: Source,
    of: Formula,
    doc: str,
    window_days: int | None = None,
) -> Feature:
    """Return a category: the value hashed to 1 .. buckets - 1; 0 is no value."""

    def code(known: Known) -> Column:
        value = of(known).cast("string")
        hashed = F.pmod(F.xxhash64(value), F.lit(settings.buckets - 1)) + 1
        return F.when(value.isNotNull(), hashed)

    return Feature(f"{name}_code", "category", source, 0.0, f"{doc}, hashed", code, window_days)


def word(value: str) -> str:
    """Return the value as a part of a name: "65+" is 65_plus."""
    plain = re.sub(r"[^a-z0-9]+", "_", value.lower().replace("+", " plus")).strip("_")
    return plain or "other"


def _equals(of: Formula, value: str) -> Formula:
    return lambda known: of(known) == F.lit(value)


def _contains(of: Formula, value: str) -> Formula:
    return lambda known: F.array_contains(of(known), F.lit(value))
