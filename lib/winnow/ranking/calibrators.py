"""What is left to correct when the sampling is undone: fitted to days of natural balance, kept as a few numbers.

A learner's probabilities may be off for reasons other than the sample's rates: weights by watch time move them, and so does
a learner that is too sure of itself. Rows are first summed in cells of neighbouring log odds x = ln(p / (1 - p)), a few
hundred of them, so that the fit itself is the driver's:

    platt      P = sigmoid(a x + b), by Newton's method on the likelihood (Platt 1999)
    isotonic   P rises with x, by pooling neighbours that do not (Zadrozny and Elkan, KDD 2002); between knots a line
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from winnow import schema
from winnow.contracts import HELPER, Step
from winnow.errors import CalibrationError

#: Log odds are looked at within these, in cells of this width: at most 6 % of the odds apart.
_EDGE, _PER_UNIT = 15.0, 16
_CELLS = round(2 * _EDGE * _PER_UNIT)
_CELL, _LOG_ODDS = "cell", "log_odds"
_STEPS = 100

_Array = npt.NDArray[np.float64]


class Calibrator(Protocol):
    """From a probability to the one that it stands for."""

    def calibrated(self, probability: Column) -> Column:
        """Return the calibrated probability."""

    def as_record(self) -> dict[str, Any]:
        """Return the calibrator as plain values."""


@dataclass(frozen=True)
class Platt:
    """P = sigmoid(slope * x + shift)."""

    slope: float
    shift: float

    def calibrated(self, probability: Column) -> Column:
        """Return the calibrated probability; the order of the rows stays where the slope is above 0."""
        return 1.0 / (1.0 + F.exp(-(F.lit(self.slope) * log_odds(probability) + F.lit(self.shift))))

    def as_record(self) -> dict[str, Any]:
        """Return the two numbers."""
        return {"kind": "platt", "slope": self.slope, "shift": self.shift}


@dataclass(frozen=True)
class Isotonic:
    """P at evenly spaced log odds, from -_EDGE to _EDGE; a line in between."""

    values: tuple[float, ...]

    def calibrated(self, probability: Column) -> Column:
        """Return the calibrated probability; rows may become equal that were not."""
        place = (log_odds(probability) + _EDGE) * _PER_UNIT
        below = F.least(F.floor(place), F.lit(_CELLS - 1)).cast("int")
        knots = F.array(*map(F.lit, self.values))
        low, high = F.element_at(knots, below + 1), F.element_at(knots, below + 2)
        return low + (high - low) * (place - below)

    def as_record(self) -> dict[str, Any]:
        """Return the knots."""
        return {"kind": "isotonic", "values": list(self.values)}


def log_odds(probability: Column) -> Column:
    """Return ln(p / (1 - p)), cut at +-15."""
    odds = F.log(probability) - F.log1p(-probability)
    # ln 0 is null in Spark, and greatest() passes over nulls: the ends are asked for by name, and null stays null.
    least, most = (1.0 / (1.0 + math.exp(-edge)) for edge in (-_EDGE, _EDGE))
    return F.when(probability <= least, -_EDGE).when(probability >= most, _EDGE).otherwise(odds)


def cells() -> Step:
    """Return the step from scored rows to one row a cell: log_odds (mean), positives, rows_weight.

    Rows in: score (a probability), label and weight (1 / rate). Rows without a score are left out.
    """

    def step(rows: DataFrame) -> DataFrame:
        weight, positive = F.col(schema.WEIGHT), F.col(schema.CLASS) == 1
        odds = f"{HELPER}{_LOG_ODDS}"
        known = rows.where(F.col(schema.SCORE).isNotNull()).withColumn(odds, log_odds(F.col(schema.SCORE)))
        return known.groupBy(F.floor((F.col(odds) + _EDGE) * _PER_UNIT).alias(_CELL)).agg(
            (F.sum(F.col(odds) * weight) / F.sum(weight)).alias(_LOG_ODDS),
            F.sum(F.when(positive, weight).otherwise(0.0)).alias(schema.POSITIVES),
            F.sum(weight).alias(schema.ROWS_WEIGHT),
        )

    return step


def fit(kind: str, found: Sequence[Mapping[str, Any]]) -> Calibrator | None:
    """Return the calibrator that fits what ``cells`` found; None for the kind ``none``.

    Raises CalibrationError without a positive or without a negative.
    """
    if kind == "none":
        return None
    ordered = sorted(found, key=lambda row: float(row[_LOG_ODDS]))
    x, positives, rows = (
        np.array([row[name] for row in ordered], dtype=float)
        for name in (_LOG_ODDS, schema.POSITIVES, schema.ROWS_WEIGHT)
    )
    if not 0 < positives.sum() < rows.sum():
        raise CalibrationError(
            f"ranking.calibration: expected positives and negatives among the validation days, found {positives.sum():g} "
            f'of {rows.sum():g} positive. Choose other validation days, or ranking.calibration = "none".'
        )
    return _platt(x, positives, rows) if kind == "platt" else _isotonic(x, positives, rows)


def from_record(record: Mapping[str, Any] | None) -> Calibrator | None:
    """Return the calibrator that ``as_record`` told of."""
    if record is None:
        return None
    if record["kind"] == "platt":
        return Platt(float(record["slope"]), float(record["shift"]))
    return Isotonic(tuple(map(float, record["values"])))


def _platt(x: _Array, positives: _Array, rows: _Array) -> Platt:
    # One positive and one negative more, spread over all rows: what is separable keeps a finite slope (Platt 1999).
    total, won = rows.sum(), positives.sum()
    high, low = (won + 1) / (won + 2), 1 / (total - won + 2)
    wanted = positives * high + (rows - positives) * low
    design = np.stack([x, np.ones_like(x)], axis=1)
    found = np.array([1.0, 0.0])

    def loss(at: _Array) -> float:
        margin = design @ at
        return float((rows * np.logaddexp(0.0, margin) - wanted * margin).sum())

    for _ in range(_STEPS):
        share = 1.0 / (1.0 + np.exp(-(design @ found)))
        gradient = design.T @ (rows * share - wanted)
        curvature = (design * (rows * share * (1 - share))[:, None]).T @ design + 1e-9 * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        # A whole step may overshoot far from the end; half of it often enough does not.
        size = next((half for half in 0.5 ** np.arange(30) if loss(found - half * step) <= loss(found)), 0.0)
        found = found - size * step
        if float(np.abs(size * step).max()) < 1e-10:
            break
    return Platt(float(found[0]), float(found[1]))


def _isotonic(x: _Array, positives: _Array, rows: _Array) -> Isotonic:
    pools: list[list[float]] = []  # positives, rows, cells of each pool
    for own_positives, own_rows in zip(positives, rows, strict=True):
        pools.append([float(own_positives), float(own_rows), 1])
        while len(pools) > 1 and pools[-2][0] / pools[-2][1] >= pools[-1][0] / pools[-1][1]:
            last = pools.pop()
            pools[-1] = [own + more for own, more in zip(pools[-1], last, strict=True)]
    values = [won / there for won, there, _ in pools]
    # Nothing is certain: half a row of the other class more, but no more than the neighbour says.
    if values[0] == 0:
        values[0] = min(0.5 / pools[0][1], values[1])
    if values[-1] == 1:
        values[-1] = max(1 - 0.5 / pools[-1][1], values[-2])
    by_cell = np.repeat(values, [int(pool[2]) for pool in pools])
    grid = np.linspace(-_EDGE, _EDGE, _CELLS + 1)
    return Isotonic(tuple(float(value) for value in np.interp(grid, x, by_cell)))
