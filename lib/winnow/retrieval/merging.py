"""The lists of all sources as one: each media once, with every source that found it, its rank and score there."""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from winnow import schema
from winnow.contracts import Step
from winnow.retrieval.settings import MergingSettings

#: The name under which the merged lists are stored.
MERGED = "merged"
_FIRST, _IS_RESERVED = "first_reason", "is_reserved"


def merge(settings: MergingSettings, length: int) -> Step:
    """Return the step from the lists of all sources to merged lists of at most ``length`` media a user.

    Rows in: source, user_id, media_id, rank, score, reason. Of a source only ranks up to its quota count. Rows out: user_id,
    media_id, rank, score, reason (of the source that has the media highest and tells one), found_by (best rank first).

    The score is reciprocal rank fusion: the sum over sources of weight / (k + rank), which needs no scores that compare
    (Cormack, Clarke, Buettcher, SIGIR 2009; k = 60 there). Ties go to the smaller media_id. A user whom one source alone
    serves, such as popularity a new user, has that source's list. Where there are more media than places, those that a
    source has reserved places for stay.
    """

    def step(rows: DataFrame) -> DataFrame:
        weight = _by_source(settings.weights, 1.0)
        counted = rows.where(F.col(schema.RANK) <= _by_source(settings.quotas, float(length)))
        # In billionths, so that a sum is the same in any order; a place is worth some ten thousands of them.
        worth = F.rint(weight / (settings.k + F.col(schema.RANK)) * 1e9).cast("bigint")
        found = F.struct(
            F.col(schema.RANK).cast("int").alias(schema.RANK),
            F.col(schema.CANDIDATE_SOURCE),
            F.col(schema.SCORE).cast("double").alias(schema.SCORE),
        )
        has_reason = F.col(schema.REASON).isNotNull()
        merged = counted.groupBy(schema.USER_ID, schema.MEDIA_ID).agg(
            (F.sum(worth) / 1e9).alias(schema.SCORE),
            F.sort_array(F.collect_list(found)).alias(schema.FOUND_BY),
            F.max(F.col(schema.RANK) <= _by_source(settings.reserved, 0.0)).alias(_IS_RESERVED),
            F.min(F.when(has_reason, F.struct(schema.RANK, schema.CANDIDATE_SOURCE, schema.REASON))).alias(_FIRST),
        )
        of_user, best_first = Window.partitionBy(schema.USER_ID), (F.col(schema.SCORE).desc(), F.col(schema.MEDIA_ID))
        place = F.row_number().over(of_user.orderBy(F.col(_IS_RESERVED).desc(), *best_first))
        chosen = merged.withColumn(schema.RANK, place).where(F.col(schema.RANK) <= length)
        ranked = chosen.withColumn(schema.RANK, F.row_number().over(of_user.orderBy(*best_first)))
        in_order = F.transform(
            schema.FOUND_BY,
            lambda of: F.struct(of[schema.CANDIDATE_SOURCE], of[schema.RANK], of[schema.SCORE]),
        )
        return ranked.select(
            schema.USER_ID,
            schema.MEDIA_ID,
            schema.RANK,
            schema.SCORE,
            F.col(_FIRST)[schema.REASON].alias(schema.REASON),
            in_order.cast(schema.FOUND_BY.type).alias(schema.FOUND_BY),
        )

    return step


def _by_source(values: Mapping[str, float], default: float) -> Column:
    """Return the value that the row's source has, or the default."""
    found = F.lit(float(default))
    for source, value in values.items():
        found = F.when(F.col(schema.CANDIDATE_SOURCE) == source, F.lit(float(value))).otherwise(found)
    return found
