"""Predicted ratings held against given ones: RMSE and MAE, with how many were predicted at all.

    rmse = sqrt(mean of (p - r)^2)      mae = mean of |p - r|      coverage = predicted / given

over the rows that have a prediction. A model that predicts only what is easy has a low RMSE and a low coverage: one without
the other says nothing (Herlocker, Konstan, Terveen, Riedl, TOIS 2004, section 4.2).
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from winnow import schema
from winnow.contracts import Step, quotient
from winnow.evaluation.lists import GROUP, grouped

RMSE, MAE, COVERAGE, GIVEN, PREDICTED, DROPPED = "rmse", "mae", "coverage", "given", "predicted", "dropped"


def measure_ratings(prediction: str) -> Step:
    """Return the step from rows with ``rating`` and the column ``prediction`` to one row of the metrics.

    A prediction that is null or NaN is none: its row counts as dropped. Rows out: rmse, mae (null without a prediction),
    coverage, given, predicted, dropped.
    """

    def step(rows: DataFrame) -> DataFrame:
        given, error = rows.where(F.col(schema.RATING).isNotNull()), _error(prediction)
        counts = [F.count(F.lit(1)).alias(GIVEN), F.count(error).alias(PREDICTED)]
        summed = given.agg(F.sqrt(F.avg(error * error)).alias(RMSE), F.avg(F.abs(error)).alias(MAE), *counts)
        coverage = quotient(F.col(PREDICTED), F.col(GIVEN))
        return summed.withColumns({COVERAGE: coverage, DROPPED: F.col(GIVEN) - F.col(PREDICTED)})

    return step


def sum_ratings(prediction: str, groups: int, seed: int) -> Step:
    """Return the step from rows with ``rating`` and the column ``prediction`` to their sums: one row a group of users.

    Rows out: GROUP, given, predicted, and over the predicted the sums of |p - r| (mae) and (p - r)^2 (rmse).
    """

    def step(rows: DataFrame) -> DataFrame:
        error = _error(prediction)
        given = rows.where(F.col(schema.RATING).isNotNull()).groupBy(grouped(groups, seed).alias(GROUP))
        return given.agg(
            F.count(F.lit(1)).alias(GIVEN),
            F.count(error).alias(PREDICTED),
            F.coalesce(F.sum(F.abs(error)), F.lit(0.0)).alias(MAE),
            F.coalesce(F.sum(error * error), F.lit(0.0)).alias(RMSE),
        )

    return step


def _error(prediction: str) -> Column:
    """Return p - r, null where nothing is predicted."""
    is_there = F.col(prediction).isNotNull() & ~F.isnan(prediction)
    return F.when(is_there, F.col(prediction) - F.col(schema.RATING))


def hold_out(share: float, seed: int) -> Step:
    """Return the step that adds ``is_held_out``: of each user's ratings the ``share`` with the smallest draws, rounded down.

    Drawn by a hash of the pair: the same ratings on any cluster.
    """
    from pyspark.sql import Window

    draw = F.xxhash64(F.lit(seed), F.lit("hold out"), schema.USER_ID, schema.MEDIA_ID)
    in_order = Window.partitionBy(schema.USER_ID).orderBy(draw, schema.MEDIA_ID)
    whole = Window.partitionBy(schema.USER_ID)

    def step(ratings: DataFrame) -> DataFrame:
        is_among = F.row_number().over(in_order) <= F.floor(F.count(F.lit(1)).over(whole) * share)
        return ratings.withColumn(HELD_OUT, is_among)

    return step


#: Column that says whether a rating is kept from the fit.
HELD_OUT = "is_held_out"
