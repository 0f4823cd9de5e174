"""Rows scored by a ranker: its model's numbers, the sampling undone once, and calibrated."""

from __future__ import annotations

from typing import Literal

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from winnow import calibration, schema
from winnow.contracts import json_of, named
from winnow.local import local_rows
from winnow.ranking import Ranker

_RATES = f"{schema.STRATUM} string, {schema.POSITIVE_RATE} double, {schema.NEGATIVE_RATE} double"


#: The stratum under which a ranker keeps the rates of all strata together; none is called so, for strata are JSON objects.
OVERALL = "*"


def scored(ranker: Ranker, rows: DataFrame, *, unseen: Literal["null", "overall"] = "null") -> DataFrame:
    """Return the rows with NUMBERS, FEATURES and score: the probability of the ranker's label in the world.

    ``rows``: the columns that the ranker learnt from, and those of the strata where its scores are corrected. A score is
    null where the row's stratum was not in training, for nothing was learnt there; ``unseen = "overall"``: it is corrected by
    the rates of all strata together, which is what is known of a row whose stratum is told only when it is shown.
    """
    assembled = rows.transform(ranker.vector.assemble())
    found = ranker.model.transform(assembled)
    if ranker.correction == "on_scores":
        found = found.transform(lambda given: _with_rates(ranker, given, unseen))
        found = found.transform(calibration.correct_scores(str(schema.SCORE)))
        found = found.drop(schema.STRATUM, schema.POSITIVE_RATE, schema.NEGATIVE_RATE)
    if ranker.calibrator is not None:
        found = found.withColumn(schema.SCORE, ranker.calibrator.calibrated(F.col(schema.SCORE)))
    return found


def _with_rates(ranker: Ranker, rows: DataFrame, unseen: str) -> DataFrame:
    stratum = json_of({name: named(name) for name in ranker.strata})
    rates = local_rows(rows.sparkSession, [rate for rate in ranker.rates if rate[0] != OVERALL], _RATES)
    joined = rows.withColumn(schema.STRATUM, stratum).join(F.broadcast(rates), schema.STRATUM, how="left")
    if unseen == "null":
        return joined
    (overall,) = (rate[1:] for rate in ranker.rates if rate[0] == OVERALL)
    columns = (schema.POSITIVE_RATE, schema.NEGATIVE_RATE)
    return joined.withColumns(
        {name: F.coalesce(F.col(name), F.lit(rate)) for name, rate in zip(columns, overall, strict=True)}
    )
