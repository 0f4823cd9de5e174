"""Rows scored by a ranker: its model's numbers, the sampling undone once, and calibrated."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from winnow import calibration, schema
from winnow.contracts import json_of, named
from winnow.local import local_rows
from winnow.ranking import Ranker

_RATES = f"{schema.STRATUM} string, {schema.POSITIVE_RATE} double, {schema.NEGATIVE_RATE} double"


def scored(ranker: Ranker, rows: DataFrame) -> DataFrame:
    """Return the rows with NUMBERS, FEATURES and score: the probability of the ranker's label in the world.

    ``rows``: the columns that the ranker learnt from, and those of the strata where its scores are corrected. A score is
    null where the row's stratum was not in training, for nothing was learnt there.
    """
    assembled = rows.transform(ranker.vector.assemble())
    found = ranker.model.transform(assembled)
    if ranker.correction == "on_scores":
        found = found.transform(lambda given: _with_rates(ranker, given))
        found = found.transform(calibration.correct_scores(str(schema.SCORE)))
        found = found.drop(schema.STRATUM, schema.POSITIVE_RATE, schema.NEGATIVE_RATE)
    if ranker.calibrator is not None:
        found = found.withColumn(schema.SCORE, ranker.calibrator.calibrated(F.col(schema.SCORE)))
    return found


def _with_rates(ranker: Ranker, rows: DataFrame) -> DataFrame:
    stratum = json_of({name: named(name) for name in ranker.strata})
    rates = local_rows(rows.sparkSession, ranker.rates, _RATES)
    return rows.withColumn(schema.STRATUM, stratum).join(F.broadcast(rates), schema.STRATUM, how="left")
