"""Calibration: what a model learned on the sample, told for the world the sample was drawn from.

The sampling is undone once: on the scores, with the rates of the row's stratum, or in training, by weights 1 / rate.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from winnow import schema
from winnow.contracts import Step, json_of, named
from winnow.errors import CalibrationError, ContractError

#: How a model, or a column of scores, has undone the sampling; a model's record says which.
Correction = Literal["none", "on_scores", "by_weights"]

_METADATA_KEY = "winnow.correction"


def correct_probability(probability: float, positive_rate: float, negative_rate: float) -> float:
    """Return P(engaged) in the world of a probability learned on the sample: logit q = logit p + ln r- - ln r+.

    With r+ = 1 this is q = p / (p + (1 - p) / r-) (He et al., ADKDD 2014, "Practical Lessons from Predicting Clicks on
    Ads at Facebook", section 6.3). Raises CalibrationError for rates outside (0, 1] or a p outside [0, 1].
    """
    _check_rates(positive_rate, negative_rate)
    if not 0.0 <= probability <= 1.0:
        raise CalibrationError(f"probability: expected a number in [0, 1], found {probability!r}")
    positive, negative = probability * negative_rate, (1.0 - probability) * positive_rate
    return positive / (positive + negative)


def correct_margin(margin: float, positive_rate: float, negative_rate: float, scale: float = 1.0) -> float:
    """Return the raw score with the sampling undone, for a model whose probability is sigmoid(scale * margin).

    ``scale``: 1 for logistic regression, 2 for Spark's GBTClassifier (p = sigmoid(2F)), so that its shift is half.
    """
    _check_rates(positive_rate, negative_rate)
    return margin + (math.log(negative_rate) - math.log(positive_rate)) / scale


def expected_watch_s(
    weighted_odds: float, probability: float, positive_rate: float = 1.0, negative_rate: float = 1.0
) -> float:
    """Return E[T | x] in seconds, from the odds of a model trained with w+ = T seconds and w- = 1 on the sample.

    E[T | x] = (r- / r+) (1 - P(x)) odds(x), where P(x) is the corrected probability of an unweighted model; T counts
    the positives' seconds (Covington et al., RecSys 2016, "Deep Neural Networks for YouTube Recommendations", takes
    1 - P for 1).
    """
    _check_rates(positive_rate, negative_rate)
    return negative_rate / positive_rate * (1.0 - probability) * weighted_odds


def pooled_rates(ledger: DataFrame, label: str) -> DataFrame:
    """Return one row a stratum: stratum, positive_rate, negative_rate of one label over all days of the ledger rows.

    A stratum's rate over days is the expected share kept: the sum of rate * rows over the sum of rows.
    """

    def pooled(rate: str, rows: str) -> Column:
        return (F.sum(F.col(rate) * F.col(rows)) / F.nullif(F.sum(rows), F.lit(0))).alias(rate)

    return (
        ledger.where(F.col(schema.LABEL) == label)
        .groupBy(schema.STRATUM)
        .agg(pooled(schema.POSITIVE_RATE, schema.POSITIVES), pooled(schema.NEGATIVE_RATE, schema.NEGATIVES))
    )


def rates_of_rows(strata: Sequence[str]) -> Step:
    """Return the step from sampled rows to one row a stratum: stratum, positive_rate, negative_rate; and all, stratum null.

    Rows in: label (1 or 0), rate in (0, 1] and the columns of ``strata``. A row that was kept at rate r stands for 1 / r, so
    the rate of several is their number over the sum of 1 / r (Horvitz, Thompson, JASA 1952). A class without rows has null.
    """

    def step(rows: DataFrame) -> DataFrame:
        stratum = F.explode(F.array(json_of({name: named(name) for name in strata}), F.lit(None).cast("string")))
        own = rows.select(stratum.alias(schema.STRATUM), F.col(schema.CLASS), F.col(schema.RATE))
        rates = {
            name: F.count(F.when(is_of, 1)) / F.nullif(F.sum(F.when(is_of, 1.0 / F.col(schema.RATE))), F.lit(0.0))
            for name, is_of in (
                (schema.POSITIVE_RATE, F.col(schema.CLASS) == 1),
                (schema.NEGATIVE_RATE, F.col(schema.CLASS) == 0),
            )
        }
        return own.groupBy(schema.STRATUM).agg(*(rate.alias(name) for name, rate in rates.items()))

    return step


def correct_scores(score: str, trained: Correction = "none") -> Step:
    """Return the step that replaces the probabilities in ``score`` by corrected ones.

    Rows in: ``score`` in [0, 1], positive_rate and negative_rate of the row's stratum (join ``pooled_rates``). Rows out:
    the same columns; a score is null where a rate is null or 0, since nothing was learned there. ``trained``: the
    correction that the model's record names.

    Raises CalibrationError when the model, or this very column, was corrected before.
    """

    def corrected() -> Column:
        positive_rate, negative_rate = F.col(schema.POSITIVE_RATE), F.col(schema.NEGATIVE_RATE)
        positive, negative = F.col(score) * negative_rate, (1.0 - F.col(score)) * positive_rate
        return F.when((positive_rate > 0) & (negative_rate > 0), positive / (positive + negative))

    return _once(score, trained, corrected)


def correct_margins(score: str, scale: float, trained: Correction = "none") -> Step:
    """Return the step that shifts the raw scores in ``score``: by (ln r- - ln r+) / scale, as ``correct_margin`` does.

    Rows in and out, and errors: as ``correct_scores``, with raw scores in place of probabilities.
    """

    def corrected() -> Column:
        positive_rate, negative_rate = F.col(schema.POSITIVE_RATE), F.col(schema.NEGATIVE_RATE)
        shift = (F.log(negative_rate) - F.log(positive_rate)) / F.lit(scale)
        return F.when((positive_rate > 0) & (negative_rate > 0), F.col(score) + shift)

    return _once(score, trained, corrected)


def inverse_rate_weights(label: str, weight: str | None = None) -> Step:
    """Return the step that makes ``weight`` (by default L_weight) stand for the whole log: divided by L_rate.

    A model trained with it needs no correction; its record says ``by_weights``. Rows in: examples of the label.

    Raises CalibrationError when the weights were divided before.
    """
    column = weight or schema.weight_column(label)
    return _once(column, "none", lambda: F.col(column) / F.col(schema.rate_column(label)), marks="by_weights")


def _once(column: str, trained: Correction, corrected: Callable[[], Column], marks: Correction = "on_scores") -> Step:
    """Return the step that replaces ``column`` by what ``corrected`` makes, and marks it so that no step does it again."""

    def step(rows: DataFrame) -> DataFrame:
        if column not in rows.columns:
            raise ContractError(f"calibration: missing {column}. It has: {', '.join(rows.columns)}")
        done = trained if trained != "none" else rows.schema[column].metadata.get(_METADATA_KEY, "none")
        if done != "none":
            raise CalibrationError(
                f"{column}: the sampling was already undone ({done}); a second correction would be wrong by the rates "
                "again. Use the scores as they are, or a model trained without weights 1 / rate."
            )
        others = [named(name) for name in rows.columns if name != column]
        made = corrected().alias(column, metadata={_METADATA_KEY: marks})
        return rows.select(*others, made).select(*map(named, rows.columns))

    return step


def _check_rates(positive_rate: float, negative_rate: float) -> None:
    for name, rate in ((schema.POSITIVE_RATE, positive_rate), (schema.NEGATIVE_RATE, negative_rate)):
        if not 0.0 < rate <= 1.0:
            raise CalibrationError(f"{name}: expected a rate in (0, 1], found {rate!r}")
