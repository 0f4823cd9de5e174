"""Scores of impressions held against what happened: each ranker's metrics and reliability curve."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from winnow import pipeline, schema
from winnow.contracts import HELPER, Step
from winnow.errors import ContractError
from winnow.evaluation import lists, score_estimates, scores
from winnow.evaluation.linear import Estimate, paired
from winnow.evaluation.settings import EvaluationSettings
from winnow.publishing.measured import Model, Record, Sums, told, told_difference
from winnow.run import Run

#: Helper column: the value by which sums are told apart.
_VALUE = f"{HELPER}value"


class _Ranker(NamedTuple):
    """What scored the impressions of a label, and what became of them."""

    model: Model
    label: str
    sums: Sums
    curves: Mapping[str, list[Record]]


def measure_scores(run: Run, held_out: DataFrame) -> tuple[list[Record], list[Record]]:
    """Return the records of METRICS and of RELIABILITY for each model that scored the held-out examples.

    Models are those of the table scores, and the columns of ``evaluation.score_columns``. Every row counts 1 / rate, so that
    the metrics are estimates for the whole log, and their standard errors those of estimates from the sample. Each is
    compared with the baseline where that scored the same label.

    Raises ContractError for a score outside [0, 1] or a column that is not there.
    """
    settings = run.settings.evaluation
    rankers = [_summed(run, model, label, rows) for model, label, rows in _scored(run, held_out)]
    metrics: list[Record] = []
    curves: list[Record] = []
    for ranker in rankers:
        others = (other for other in rankers if other.label == ranker.label and other.model != ranker.model)
        baseline = next((other for other in others if other.model.name == settings.baseline), None)
        metrics += _measured(ranker, baseline, settings)
        common = {**ranker.model.record, schema.LABEL: ranker.label}
        curves += [common | {schema.SLICE: where} | row for where, curve in ranker.curves.items() for row in curve]
    return metrics, curves


def _scored(run: Run, held_out: DataFrame) -> Iterator[tuple[Model, str, DataFrame]]:
    """Yield each model, the label that it scores, and the label's held-out rows with their scores."""
    for column, label in run.settings.evaluation.score_columns.items():
        rows = held_out.transform(pipeline.training_view(label))
        if column not in rows.columns:
            raise ContractError(
                f"evaluation.score_columns: expected a column of the examples, found no {column}. "
                f"They have: {', '.join(rows.columns)}"
            )
        yield Model(schema.EXAMPLES, column), label, rows.withColumn(schema.SCORE, F.col(column).cast("double"))
    if not run.tables.exists(schema.SCORES):
        return
    first, last = run.days[0], run.days[-1]
    stored = run.tables.read(schema.SCORES).where(F.col(schema.EVENT_DATE).between(F.lit(first), F.lit(last)))
    models = pipeline.fetch(stored.select(schema.MODEL, schema.LABEL).distinct())
    for name, label in sorted((row[schema.MODEL], row[schema.LABEL]) for row in models):
        mine = stored.where((F.col(schema.MODEL) == name) & (F.col(schema.LABEL) == label))
        rows = held_out.transform(pipeline.training_view(label))
        scored = rows.join(mine.select(schema.IMPRESSION_ID, schema.SCORE), schema.IMPRESSION_ID, how="left")
        yield Model(schema.SCORES, name), label, scored


def _summed(run: Run, model: Model, label: str, rows: DataFrame) -> _Ranker:
    """Return the sums of the ranker's rows; tell of rows without a score, and refuse what is no probability."""
    settings = run.settings.evaluation
    run.tables.describe(f"scores of {model.name}")
    summed = sums_of(rows, settings.slices, settings)
    _check(run, model.name, [row for row in summed if row[schema.SLICE] == lists.ALL and row[lists.GROUP] is not None])
    return _Ranker(model, label, *_parted(summed))


def _parted(summed: Sequence[Record]) -> tuple[Sums, dict[str, list[Record]]]:
    """Return what ``scores.sum_scores`` made: the sums of groups, and the curve of each slice."""
    bins: dict[str, list[Record]] = {}
    for row in summed:
        if row[schema.BIN] is not None:
            bins.setdefault(row[schema.SLICE], []).append(row)
    groups = [row for row in summed if row[lists.GROUP] is not None]
    curves = {where: score_estimates.curve_of(own) for where, own in sorted(bins.items())}
    return Sums(groups, [schema.ROWS, *scores.SUMS]), curves


def sums_of(rows: DataFrame, slices: Sequence[str], settings: EvaluationSettings) -> list[Record]:
    """Return what ``scores.sum_scores`` makes of scored rows of a label, each standing for 1 / rate, whole and by slices."""
    return pipeline.fetch(_sliced(rows, slices).transform(_summing(settings)))


def sums_by(
    column: str, rows: DataFrame, slices: Sequence[str], settings: EvaluationSettings
) -> dict[str, list[Record]]:
    """Return by value of the column, words without a space, what ``sums_of`` returns of its rows: in one pass over all."""
    sliced = _sliced(rows.withColumn(_VALUE, F.col(column)), slices)
    by_value = sliced.withColumn(schema.SLICE, F.concat_ws(" ", _VALUE, schema.SLICE))
    found: dict[str, list[Record]] = {}
    for row in pipeline.fetch(by_value.transform(_summing(settings))):
        value, _, where = row[schema.SLICE].partition(" ")
        found.setdefault(value, []).append(row | {schema.SLICE: where})
    return found


def _sliced(rows: DataFrame, slices: Sequence[str]) -> DataFrame:
    return rows.withColumn(schema.WEIGHT, 1.0 / F.col(schema.RATE)).transform(lists.sliced(slices))


def _summing(settings: EvaluationSettings) -> Step:
    return scores.sum_scores(settings.bins, settings.groups, settings.seed)


def values_of(summed: Sequence[Record]) -> list[Record]:
    """Return slice, rows and each metric (None where it is not defined) of what ``scores.sum_scores`` made, whole first."""
    sums, curves = _parted(summed)
    found = []
    for where in sorted(sums.slices, key=lambda name: (name != lists.ALL, name)):
        rows, mine = _estimates(sums, where, sorted(sums.groups(where)))
        values = {name: estimate.value for name, estimate in mine.items()}
        values[scores.ECE] = score_estimates.ece(curves.get(where, ()))
        known = {name: None if math.isnan(value) else value for name, value in values.items()}
        found.append({schema.SLICE: where, schema.ROWS: rows, **known})
    return found


def _measured(ranker: _Ranker, baseline: _Ranker | None, settings: EvaluationSettings) -> Iterator[Record]:
    """Yield a record for each slice and metric of the ranker, and one for each difference from the baseline."""
    for where in ranker.sums.slices:
        groups = ranker.sums.groups(where) | (baseline.sums.groups(where) if baseline else set())
        rows, mine = _estimates(ranker.sums, where, sorted(groups))
        theirs = _estimates(baseline.sums, where, sorted(groups))[1] if baseline else {}
        common = {**ranker.model.record, schema.SLICE: where, schema.UNITS: rows}
        for metric, estimate in mine.items():
            record = common | {schema.METRIC: metric}
            yield record | told(estimate.interval(settings.confidence))
            if metric in theirs and baseline is not None:
                found = paired(estimate, theirs[metric], settings.confidence)
                yield record | told_difference(found, baseline.model.name)
        gap = score_estimates.ece(ranker.curves.get(where, ()))
        yield common | {schema.METRIC: scores.ECE, schema.VALUE: None if math.isnan(gap) else gap}


def _estimates(of: Sums, where: str, groups: Sequence[int]) -> tuple[int, dict[str, Estimate]]:
    """Return the number of the slice's rows, and its metrics."""
    sums = dict(zip(of.names, of.of(where, groups).T, strict=True))
    return int(sums[schema.ROWS].sum()), score_estimates.estimates(sums)


def _check(run: Run, model: str, groups: Sequence[Mapping[str, Any]]) -> None:
    """Tell of rows without a score, and refuse what is no probability."""
    found, missing = (sum(row[name] for row in groups) for name in (schema.ROWS, scores.UNSCORED))
    least = min((row[scores.LEAST] for row in groups if row[scores.LEAST] is not None), default=0.0)
    most = max((row[scores.MOST] for row in groups if row[scores.MOST] is not None), default=0.0)
    odd = next((row[scores.MOST] for row in groups if math.isnan(row[scores.MOST] or 0.0)), most)  # NaN is no maximum
    if not 0.0 <= least <= odd <= 1.0:
        raise ContractError(
            f"{model}: expected probabilities in [0, 1], found scores from {least:g} to {odd:g}. "
            "Correct the margins into probabilities first (winnow.calibration)."
        )
    if missing:
        run.warn(f"{model}: {missing:,} of {found + missing:,} rows have no score, and are left out of its metrics")
