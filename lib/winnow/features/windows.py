"""Windows over tiles: what was counted, and what is remembered, in the days before each as-of day.

A tile of day d serves the as-of days D with d < D - lag: it is dealt to those that were asked for, and summed. So windows of
n days cost the sum of the tiles that they hold, and one day's cost one window's; no row of the log is looked at, and
nothing is sorted but the few values of one user. What is shuffled is a row a tile and as-of day, summed before as well.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from winnow import schema
from winnow.contracts import HELPER, Step
from winnow.features.settings import TERM_ASPECT, Clock, FeatureSettings
from winnow.features.smoothing import MEAN, STRENGTH, priors, smoothed
from winnow.features.tiles import MEDIA_ASPECTS, end_of

#: Helper columns: how many days before the as-of day a tile is, 1 for the last one that is known.
_AGE = f"{HELPER}age_days"
_ENTRY = f"{HELPER}entry"
#: Fields of what is remembered of an aspect's value.
ROWS, ENGAGED, DECAYED, JUDGED = "rows", "engaged", "decayed", "judged"
#: Further fields of the sums of an aspect: the largest DECAYED of a value, and how many values have any.
MOST, VALUES = "most", "values"
#: The smoothed rate of an aspect's value, in millionths.
RATE = "rate_millionths"


def window(counter: str, days: int) -> str:
    """Return the name of a counter summed over the window."""
    return f"{counter}_{days}d"


def memory(aspect: str) -> str:
    """Return the name of what is remembered by the values of an aspect: a map from value to rows, engaged, decayed."""
    return f"by_{aspect}"


def sums(aspect: str) -> str:
    """Return the name of a user's column of what all values of an aspect come to: DECAYED, ROWS, MOST and VALUES."""
    return f"{memory(aspect)}_sums"


def rate_of(aspect: str) -> str:
    """Return the name of the smoothed rate of an aspect's values."""
    return f"rate_by_{aspect}"


def as_of_moment(day: dt.date, clock: Clock) -> int:
    """Return the first moment of the log's day, in microseconds since the epoch."""
    return end_of(day - dt.timedelta(days=1), clock, 0.0)


def serving(days: Sequence[dt.date], length_days: int, clock: Clock) -> Step:
    """Return the step that deals tiles to the as-of days whose windows they are in, with their age in days, from 1.

    A tile that is not known at the first moment of the day is never in: whatever else fails, nothing is known too early.
    """
    asked = F.array(*(F.struct(F.lit(day).alias("day"), F.lit(as_of_moment(day, clock)).alias("us")) for day in days))
    age = F.date_diff(F.col(schema.AS_OF_DATE), F.col(schema.EVENT_DATE)) - clock.lag_days

    def step(tiles: DataFrame) -> DataFrame:
        first, last = min(days), max(days)
        earliest = first - dt.timedelta(days=length_days + clock.lag_days)
        near = tiles.where((F.col(schema.EVENT_DATE) >= F.lit(earliest)) & (F.col(schema.EVENT_DATE) < F.lit(last)))
        known_us = F.unix_micros(F.col(schema.KNOWN_AT))
        dealt = near.withColumn(_ENTRY, F.explode(F.filter(asked, lambda one: known_us <= one["us"])))
        dated = dealt.withColumn(schema.AS_OF_DATE, F.col(_ENTRY)["day"]).drop(_ENTRY)
        return dated.withColumn(_AGE, age).where(F.col(_AGE).between(1, length_days))

    return step


def user_windows(days: Sequence[dt.date], settings: FeatureSettings, clock: Clock) -> Step:
    """Return the step from user tiles to one row an as-of day and user."""

    def step(tiles: DataFrame) -> DataFrame:
        dealt = tiles.transform(serving(days, settings.longest_days, clock))
        engaged = F.when(F.col(schema.LAST_ENGAGED_TS).isNotNull(), F.struct(schema.LAST_ENGAGED_TS, schema.LAST_GENRE))
        summed = dealt.groupBy(schema.AS_OF_DATE, schema.USER_ID).agg(
            *_windows((*schema.COUNTERS, schema.VISITS), settings),
            *(F.count(F.when(F.col(_AGE) <= size, 1)).alias(window("active", size)) for size in settings.windows_days),
            F.min(_AGE).alias("days_since_active"),
            F.max(engaged).alias(_ENTRY),
        )
        return summed.withColumn(schema.LAST_GENRE, F.col(_ENTRY)[schema.LAST_GENRE]).drop(_ENTRY)

    return step


def media_windows(days: Sequence[dt.date], settings: FeatureSettings, clock: Clock) -> Step:
    """Return the step from media tiles to one row an as-of day and media."""

    def step(tiles: DataFrame) -> DataFrame:
        dealt = tiles.transform(serving(days, settings.longest_days, clock))
        return dealt.groupBy(schema.AS_OF_DATE, schema.MEDIA_ID).agg(
            *_windows(schema.COUNTERS, settings),
            F.sum(F.when(F.col(_AGE) == 1, F.col(schema.LATEST_ROWS))).alias(schema.LATEST_ROWS),
            F.max(schema.MEDIA_DURATION_S).alias("longest_s"),
        )

    return step


def user_memory(days: Sequence[dt.date], settings: FeatureSettings, clock: Clock) -> Step:
    """Return the step from cross tiles to one row an as-of day and user: for each aspect a map by value, and its ``sums``.

    What was done counts 2^(m - 1 - b) in its b-th half-life of m before the day: halves, in whole numbers. Of many values
    those of most engagement stay, ``most_values`` an aspect.
    """
    bucket = F.floor((F.col(_AGE) - 1) / settings.half_life_days).cast("int")
    decay = F.get(F.array(*(F.lit(2**power) for power in reversed(range(settings.half_lives)))), bucket)
    fields = {
        JUDGED: F.sum(F.col(schema.JUDGED_ROWS)),
        ENGAGED: F.sum(F.col(schema.ENGAGED_ROWS)),
        DECAYED: F.sum(F.col(schema.ENGAGED_ROWS) * decay),
        ROWS: F.sum(F.col(schema.ROWS)),
    }

    def step(tiles: DataFrame) -> DataFrame:
        dealt = tiles.transform(serving(days, settings.memory_days, clock))
        keys = (schema.AS_OF_DATE, schema.USER_ID)
        aspects = (*settings.crosses, TERM_ASPECT)
        return _remembered(dealt, keys, aspects, fields, settings.most_values, (_sums_of(aspect) for aspect in aspects))

    return step


def media_memory(days: Sequence[dt.date], settings: FeatureSettings, clock: Clock) -> Step:
    """Return the step from cross tiles to one row an as-of day and media: a map by country, and one by surface."""
    fields = {
        JUDGED: F.sum(F.col(schema.JUDGED_ROWS)),
        ENGAGED: F.sum(F.col(schema.ENGAGED_ROWS)),
        ROWS: F.sum(F.col(schema.ROWS)),
    }

    def step(tiles: DataFrame) -> DataFrame:
        dealt = tiles.transform(serving(days, settings.longest_days, clock))
        keys = (schema.AS_OF_DATE, schema.MEDIA_ID)
        return _remembered(dealt, keys, tuple(MEDIA_ASPECTS), fields, settings.most_values)

    return step


def value_rates(days: Sequence[dt.date], settings: FeatureSettings, clock: Clock) -> Step:
    """Return the step from value tiles to one row an as-of day, aspect and value, with its smoothed rate in millionths.

    This is a target encoding out of fold: the fold of a row is its day, and only days before it are counted.
    """

    def step(tiles: DataFrame) -> DataFrame:
        dealt = tiles.transform(serving(days, settings.longest_days, clock))
        keys: list[str] = [schema.AS_OF_DATE, schema.ASPECT]
        summed = dealt.groupBy(*keys, schema.ASPECT_VALUE).agg(
            F.sum(schema.ROWS).alias(ROWS),
            F.sum(schema.JUDGED_ROWS).alias(JUDGED),
            F.sum(schema.ENGAGED_ROWS).alias(ENGAGED),
        )
        known = summed.join(summed.transform(priors(keys, JUDGED, ENGAGED)), on=keys, how="inner")
        rate = smoothed(F.col(ENGAGED), F.col(JUDGED), F.col(MEAN), F.col(STRENGTH))
        return known.select(*keys, schema.ASPECT_VALUE, ROWS, F.rint(rate * 1e6).cast("bigint").alias(RATE))

    return step


def _sums_of(aspect: str) -> Column:
    """Return what all values of an aspect come to, of rows that are one a value."""
    is_of = F.col(schema.ASPECT) == aspect
    decayed, nothing = F.when(is_of, F.col(DECAYED)), F.lit(0).cast("bigint")
    return F.struct(
        F.coalesce(F.sum(decayed), nothing).alias(DECAYED),
        F.coalesce(F.sum(F.when(is_of, F.col(ROWS))), nothing).alias(ROWS),
        F.max(decayed).alias(MOST),
        F.count_if(decayed > 0).alias(VALUES),
    ).alias(sums(aspect))


def _windows(counters: Sequence[str], settings: FeatureSettings) -> list[Column]:
    return [
        F.sum(F.when(F.col(_AGE) <= size, F.col(counter))).alias(window(counter, size))
        for counter in counters
        for size in settings.windows_days
    ]


def _remembered(
    dealt: DataFrame,
    keys: Sequence[str],
    aspects: Sequence[str],
    fields: dict[str, Column],
    most: int,
    beside: Iterable[Column] = (),
) -> DataFrame:
    """Return one row a key: for each aspect a map from value to its fields, those of most engagement first.

    ``beside``: further aggregates, of rows that are one a key, aspect and value.
    """
    wanted = dealt.where(F.col(schema.ASPECT).isin(*aspects))
    summed = wanted.groupBy(*keys, schema.ASPECT, schema.ASPECT_VALUE).agg(
        *(column.alias(name) for name, column in fields.items())
    )
    told = F.struct(*(F.col(name) for name in fields))

    def of(aspect: str) -> Column:
        entry = F.struct(-F.col(ENGAGED), -F.col(ROWS), F.col(schema.ASPECT_VALUE).alias("key"), told.alias("told"))
        ranked = F.sort_array(F.collect_list(F.when(F.col(schema.ASPECT) == aspect, entry)))
        best = F.slice(ranked, 1, most)
        return F.map_from_entries(F.transform(best, lambda one: F.struct(one["key"], one["told"])))

    return summed.groupBy(*keys).agg(*(of(aspect).alias(memory(aspect)) for aspect in aspects), *beside)
