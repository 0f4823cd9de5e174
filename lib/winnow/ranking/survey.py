"""What training rows are like: counted in one pass, and refused where no ranker can be learnt from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from winnow import schema
from winnow.contracts import Step
from winnow.errors import DataError
from winnow.moments import Moments, moments, read_moments
from winnow.ranking.learners import LEARNERS
from winnow.ranking.settings import RankingSettings
from winnow.ranking.vectors import FEATURES, Vector

_LEAST, _MOST = "least_weight", "most_weight"


@dataclass(frozen=True)
class Survey:
    """What the training rows of a label are like."""

    label: str
    rows: int
    positives: int
    #: Smallest and largest weight.
    weights: tuple[float, float]
    #: Column -> rows without a usable value, where learners see a default; columns without any left out.
    missing: Mapping[str, int]
    #: Number of the vector -> its mean and standard deviation.
    moments: Mapping[str, Moments]

    @property
    def is_weighted(self) -> bool:
        """Whether some rows count more than others."""
        return self.weights[0] != self.weights[1]


def survey(vector: Vector, defaults: Mapping[str, Column] | None = None) -> Step:
    """Return the step from training rows (assembled, with label and weight) to the one row that ``read_survey`` reads.

    ``defaults``: as ``Vector.unusable`` takes them.
    """

    def step(rows: DataFrame) -> DataFrame:
        return rows.agg(
            F.count(F.lit(1)).alias(schema.ROWS),
            F.count_if(F.col(schema.CLASS) == 1).alias(schema.POSITIVES),
            F.min(schema.WEIGHT).alias(_LEAST),
            F.max(schema.WEIGHT).alias(_MOST),
            *moments(F.col(FEATURES)),
            *(F.count_if(is_unusable).alias(_missing(name)) for name, is_unusable in vector.unusable(defaults).items()),
        )

    return step


def read_survey(row: Mapping[str, Any], label: str, vector: Vector, settings: RankingSettings) -> Survey:
    """Return what ``survey`` counted.

    Raises DataError where a class has no row, a weight is not above 0, or rows count unlike for a learner without weights.
    """
    rows, positives = row[schema.ROWS], row[schema.POSITIVES]
    if not 0 < positives < rows:
        raise DataError(
            f"{label}: expected positives and negatives among the training rows, found {positives:,} positives and "
            f"{rows - positives:,} negatives. Prepare examples of more days, or choose other training days ([splitting])."
        )
    missing = {name: row[_missing(name)] for name in vector.columns if row[_missing(name)]}
    found = Survey(label, rows, positives, (row[_LEAST], row[_MOST]), missing, read_moments(row, vector.names))
    if not found.weights[0] > 0:
        raise DataError(
            f"{label}: expected weights above 0, found {found.weights[0]:g}. Set weighting.balance below 1."
        )
    if found.is_weighted and not LEARNERS[settings.model].takes_weights:
        raise DataError(
            f"ranking.model: {settings.model} takes no weights, found rows of {label} that weigh from {found.weights[0]:g} to "
            f"{found.weights[1]:g}. Set ranking.weighted = false, prepare examples with weighting.balance = 0, or use "
            'another learner such as "gbt".'
        )
    return found


def _missing(name: str) -> str:
    return f"missing {name}"
