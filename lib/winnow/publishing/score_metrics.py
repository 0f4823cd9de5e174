"""Scores of impressions held against what happened: each ranker's metrics and reliability curve."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from winnow import pipeline, schema
from winnow.errors import ContractError
from winnow.evaluation import lists, scores
from winnow.run import Run

_Record = dict[str, Any]
_LEAST, _MOST = "least", "most"


def measure_scores(run: Run, held_out: DataFrame) -> tuple[list[_Record], list[_Record]]:
    """Return the records of METRICS and of RELIABILITY for each model that scored the held-out examples.

    Models are those of the table scores, and the columns of ``evaluation.score_columns``. Every row counts 1 / rate, so that
    the metrics are estimates for the whole log.

    Raises ContractError for a score outside [0, 1] or a column that is not there.
    """
    settings = run.settings.evaluation
    metrics: list[_Record] = []
    curves: list[_Record] = []
    for model, label, rows in _scored(run, held_out):
        run.tables.describe(f"scores of {model}")
        _check(run, model, rows)
        weighed = rows.withColumn(schema.WEIGHT, 1.0 / F.col(schema.RATE)).transform(lists.sliced(settings.slices))
        by_score = weighed.transform(scores.by_score())
        known = {schema.MODEL: model}
        for row in pipeline.fetch(by_score.transform(scores.measure(settings.bins))):
            common = known | {schema.SLICE: row[schema.SLICE], schema.UNITS: row[schema.ROWS]}
            metrics += [
                common | {schema.METRIC: metric, schema.VALUE: row[metric]} for metric in scores.METRICS_OF_SCORES
            ]
        curves += [
            known | {schema.LABEL: label} | row
            for row in pipeline.fetch(by_score.transform(scores.reliability(settings.bins)))
        ]
    return metrics, curves


def _scored(run: Run, held_out: DataFrame) -> Iterator[tuple[str, str, DataFrame]]:
    """Yield each model, the label that it scores, and the label's held-out rows with their scores."""
    for column, label in run.settings.evaluation.score_columns.items():
        rows = held_out.transform(pipeline.training_view(label))
        if column not in rows.columns:
            raise ContractError(
                f"evaluation.score_columns: expected a column of the examples, found no {column}. "
                f"They have: {', '.join(rows.columns)}"
            )
        yield column, label, rows.withColumn(schema.SCORE, F.col(column).cast("double"))
    if not run.tables.exists(schema.SCORES):
        return
    first, last = run.days[0], run.days[-1]
    stored = run.tables.read(schema.SCORES).where(F.col(schema.EVENT_DATE).between(F.lit(first), F.lit(last)))
    models = pipeline.fetch(stored.select(schema.MODEL, schema.LABEL).distinct())
    for model, label in sorted((row[schema.MODEL], row[schema.LABEL]) for row in models):
        mine = stored.where((F.col(schema.MODEL) == model) & (F.col(schema.LABEL) == label))
        rows = held_out.transform(pipeline.training_view(label))
        yield model, label, rows.join(mine.select(schema.IMPRESSION_ID, schema.SCORE), schema.IMPRESSION_ID, how="left")


def _check(run: Run, model: str, rows: DataFrame) -> None:
    """Tell of rows without a score, and refuse what is no probability."""
    score = F.col(schema.SCORE)
    (found,) = pipeline.fetch(
        rows.agg(
            F.count(F.lit(1)).alias(schema.ROWS),
            F.count(score).alias(schema.UNITS),
            F.min(score).alias(_LEAST),
            F.max(score).alias(_MOST),
        )
    )
    if found[schema.UNITS] and not 0.0 <= found[_LEAST] <= found[_MOST] <= 1.0:  # NaN is the largest double
        raise ContractError(
            f"{model}: expected probabilities in [0, 1], found scores from {found[_LEAST]:g} to {found[_MOST]:g}. "
            "Correct the margins into probabilities first (winnow.calibration)."
        )
    if found[schema.UNITS] < found[schema.ROWS]:
        missing = found[schema.ROWS] - found[schema.UNITS]
        run.warn(f"{model}: {missing:,} of {found[schema.ROWS]:,} rows have no score, and are left out of its metrics")
