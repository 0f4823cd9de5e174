"""A simulated experiment on the generated log: an arm whose users engage more, by a known share."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from winnow import schema
from winnow.contracts import Step
from winnow.synthetic.settings import SyntheticSettings


def treat(is_treated: Column, lift: float, settings: SyntheticSettings) -> Step:
    """Return the step that makes treated users engage ``lift`` more: P becomes (1 + lift) P.

    Rows in: generated impressions, clean. A row that passed is watched to its end with probability lift P / (1 - P), drawn by a
    hash of its id; so the share of engaged rows among those not in the middle rises by the factor 1 + lift, exactly in
    expectation, as long as (1 + lift) P <= 1.
    """
    probability = F.col(schema.TRUE_PROBABILITY)
    drawn = F.pmod(F.xxhash64(F.lit(settings.seed), F.lit("lift"), schema.IMPRESSION_ID), F.lit(1 << 53)) / float(
        1 << 53
    )
    passed = F.col(schema.WATCH_S) <= settings.negative_at_most * F.col(schema.MEDIA_DURATION_S)
    gained = is_treated & passed & (drawn < lift * probability / F.greatest(1.0 - probability, F.lit(1e-9)))

    def step(rows: DataFrame) -> DataFrame:
        watch = F.when(gained, F.col(schema.MEDIA_DURATION_S)).otherwise(F.col(schema.WATCH_S))
        return rows.withColumn(schema.WATCH_S, watch)

    return step
