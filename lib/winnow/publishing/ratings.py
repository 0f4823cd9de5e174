"""Ratings of others: refused rows told and kept aside, the rest put beside what is there; of each pair the last word holds."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from winnow import schema
from winnow.contracts import HELPER, conform
from winnow.errors import DataError, InputNotReadyError
from winnow.importing import CAST_FAULTS, SOURCE_ROW
from winnow.pipeline import fetch
from winnow.publishing.quarantine import replace_quarantine
from winnow.run import Run

_REASONS, _LAST = f"{HELPER}reasons", f"{HELPER}last"
_PAIR = (schema.USER_ID, schema.MEDIA_ID)


def publish_ratings(run: Run, ratings: DataFrame, source: str) -> None:
    """Put ratings beside those that are stored; refused rows go to quarantine.

    ``ratings``: rows as ``map_columns`` makes them for schema.RATINGS; ``source``: what they came from, a plain word. Of each
    pair the rating of the latest rated_ts holds (null is the earliest; of equal times the larger): files may come in any order
    and more than once. The table is written whole.

    Raises ContractError for missing columns, InputNotReadyError without rows, DataError where every row is refused.
    """
    rows = ratings.transform(conform(schema.RATINGS))
    missing = [F.when(F.col(name).isNull(), F.lit(f"{name}_missing")) for name in (*_PAIR, schema.RATING)]
    is_finite = F.abs(schema.RATING) < float("inf")  # NaN is the largest double
    odd = F.when(F.col(schema.RATING).isNotNull() & ~is_finite, F.lit(f"{schema.RATING}_not_finite"))
    told = rows.withColumn(_REASONS, F.concat(CAST_FAULTS, F.array_compact(F.array(*missing, odd))))
    is_refused = F.size(_REASONS) > 0
    run.tables.describe("count the ratings")
    counts = F.count(F.lit(1)).alias(schema.ROWS), F.count(F.when(is_refused, 1)).alias(schema.UNITS)
    (found,) = fetch(told.agg(*counts))
    read, refused = found[schema.ROWS], found[schema.UNITS]
    if not read:
        raise InputNotReadyError("--input: expected ratings, found no row. Check the files.")
    aside = told.where(is_refused).select(
        F.lit(None).cast("date").alias(schema.EVENT_DATE),
        F.col(_REASONS).alias(schema.REASONS),
        F.col(SOURCE_ROW).alias(schema.ROW),
    )
    replace_quarantine(run, aside if refused else None, {schema.EVENT_DATE: None, schema.SOURCE: source}, source)
    if refused == read:
        raise DataError(
            f"--input: expected ratings, found all {read:,} rows refused. Their reasons are in the quarantine."
        )
    valid = told.where(~is_refused).select(*schema.RATINGS.columns)
    stored = run.tables.read_latest(schema.RATINGS)
    both = valid if stored is None else stored.select(*schema.RATINGS.columns).unionByName(valid)
    run.tables.describe("write the ratings")
    run.tables.replace(schema.RATINGS, _last_words(both), {}, record=run.metadata(), files=run.tables.parallelism())
    if refused:
        run.warn(f"--input: {refused:,} of {read:,} rows were refused; they are in the quarantine, with their reasons")
    run.say(f"--input: {read - refused:,} ratings read")


def _last_words(ratings: DataFrame) -> DataFrame:
    """Return one row a pair: its latest rating."""
    last = F.max(F.struct(schema.RATED_TS, schema.RATING)).alias(_LAST)
    grouped = ratings.groupBy(*_PAIR).agg(last)
    return grouped.select(*_PAIR, f"{_LAST}.{schema.RATING}", f"{_LAST}.{schema.RATED_TS}")
