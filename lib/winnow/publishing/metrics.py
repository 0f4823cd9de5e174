"""Stored lists held against what users went on to engage with: metrics with intervals, whole and by slices."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator, Mapping
from functools import reduce
from typing import Any

import numpy as np
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from winnow import pipeline, schema, splitting
from winnow.errors import ContractError, InputNotReadyError
from winnow.evaluation import intervals, lists, ranking
from winnow.evaluation.intervals import Array, Interval
from winnow.evaluation.settings import EvaluationSettings
from winnow.run import Run
from winnow.slices import Slice

#: How what is known is parted from what is asked: lists as of a day against the days from it on.
BY_TIME = "by_time"
#: Sums of each group of users, by slice.
_Sums = Mapping[str, Array]


def publish_metrics(run: Run) -> None:
    """Measure the lists as of the first day against the positives of all the days, and replace the period's metrics.

    Models are the sources of the table candidates and the models of the table recommendations. Relevant is a media that
    is positive, in the examples of those days, for a label of ``evaluation.relevance``; rows shown before the first day
    are left out even where they were logged on it.

    Raises InputNotReadyError without lists as of the first day or without positives, ContractError where the examples
    lack a label or a slice's column.
    """
    settings, tables = run.settings.evaluation, run.tables
    start, end = run.days[0], run.days[-1]
    wanted = _wanted(run, start, end)
    sums: dict[str, _Sums] = {}
    for model, rows in _listed(run, start).items():
        tables.describe(f"{start} to {end}: lists of {model}")
        joined = wanted.join(rows.transform(lists.lists(settings.longest)), on=schema.USER_ID, how="left")
        summed = ranking.sum_hits(joined, settings.at, groups=settings.groups, seed=settings.seed)
        sums[model] = _by_slice(pipeline.fetch(summed), settings)
    records = [
        {
            **dict.fromkeys(schema.METRICS.columns),
            schema.END_DATE: end,
            schema.START_DATE: start,
            schema.PROTOCOL: BY_TIME,
            schema.RUN_ID: run.run_id,
            **record,
        }
        for model in sums
        for record in _measured(model, sums, settings)
    ]
    where: Slice = {schema.END_DATE: end, schema.PROTOCOL: BY_TIME}
    tables.replace(schema.METRICS, tables.local(schema.METRICS, records), where, record=run.metadata(), files=1)
    run.say(_screen(records, settings))


def _wanted(run: Run, start: dt.date, end: dt.date) -> DataFrame:
    """Return what users engaged with in the period, as ``lists.relevant`` makes it."""
    settings, tables = run.settings.evaluation, run.tables
    held_out = _held_out(run, start, end)
    missing = [name for label in settings.relevance if (name := schema.label_column(label)) not in held_out.columns]
    if missing:
        raise ContractError(
            f"evaluation.relevance: expected labels of the examples, found no {', '.join(missing)}. "
            f"They have: {', '.join(held_out.columns)}"
        )
    grades = [F.when(_is_positive(label), F.lit(grade)) for label, grade in settings.relevance.items()]
    rates = [F.when(_is_positive(label), F.col(schema.rate_column(label))) for label in settings.relevance]
    grade = grades[0] if len(grades) == 1 else F.greatest(*grades)
    rate = rates[0] if len(rates) == 1 else F.least(*rates)
    graded = held_out.withColumns({lists.GRADE: grade.cast("int"), schema.RATE: rate})
    graded = graded.where(F.col(lists.GRADE).isNotNull())
    tables.describe(f"{start} to {end}: positives")
    (found,) = pipeline.fetch(graded.agg(F.count(F.lit(1)).alias(schema.ROWS), F.min(schema.RATE).alias(schema.RATE)))
    if not found[schema.ROWS]:
        raise InputNotReadyError(
            f"{start} to {end}: expected positives of {', '.join(settings.relevance)} in the examples, found none. "
            "Run prepare_examples on those days."
        )
    if found[schema.RATE] < 1:
        run.warn(
            f"{start} to {end}: positives were downsampled (rate {found[schema.RATE]:.3g}): recall, map and ndcg are those "
            "of the sample. Keep every positive of these days ([splitting] validation_start or test_start)."
        )
    return graded.transform(lists.relevant(settings.slices))


def _held_out(run: Run, start: dt.date, end: dt.date) -> DataFrame:
    """Return the examples that were shown in the period and logged on its days."""
    asked = splitting.Period(start, end + dt.timedelta(days=1))
    split = splitting.Split(splitting.Period(dt.date.min, start), test=asked)
    parted = run.tables.read(schema.EXAMPLES).transform(splitting.assign(split, run.settings.splitting.utc_offset_h))
    return parted.where(F.col(schema.SPLIT) == splitting.TEST).drop(schema.SPLIT)


def _is_positive(label: str) -> Column:
    return F.coalesce(F.col(schema.label_column(label)) == 1, F.lit(False))


def _listed(run: Run, as_of: dt.date) -> dict[str, DataFrame]:
    """Return the stored lists as of the day, by model."""
    found = {}
    for table, model in ((schema.CANDIDATES, schema.CANDIDATE_SOURCE), (schema.RECOMMENDATIONS, schema.MODEL)):
        if not run.tables.exists(table):
            continue
        rows = run.tables.read(table).where(F.col(schema.AS_OF_DATE) == F.lit(as_of))
        run.tables.describe(f"{as_of}: models of {table}")
        for name in sorted(row[model] for row in pipeline.fetch(rows.select(model).distinct())):
            found[name] = rows.where(F.col(model) == name)
    if not found:
        raise InputNotReadyError(
            f"{as_of}: expected lists as of this day in {run.tables.location(schema.CANDIDATES)} or "
            f"{run.tables.location(schema.RECOMMENDATIONS)}, found none. Run generate_candidates.py --date {as_of}."
        )
    return found


def _columns(settings: EvaluationSettings) -> list[str]:
    metrics = [ranking.column_of(metric, k) for k in settings.at for metric in ranking.METRICS_OF_LISTS]
    return [ranking.USERS, *metrics]


def _by_slice(rows: list[dict[str, Any]], settings: EvaluationSettings) -> _Sums:
    """Return for each slice the sums of its groups that have users, in the order of the groups."""
    names, by_slice = _columns(settings), dict[str, list[list[float]]]()
    for row in sorted(rows, key=lambda row: (row[schema.SLICE], row[lists.GROUP])):
        by_slice.setdefault(row[schema.SLICE], []).append([row[name] for name in names])
    return {name: np.array(groups, dtype=float) for name, groups in by_slice.items()}


def _measured(model: str, sums: Mapping[str, _Sums], settings: EvaluationSettings) -> Iterator[dict[str, Any]]:
    """Return a record for each metric and slice of the model, and one for each difference from the baseline."""
    names = _columns(settings)
    asked = intervals.Asked(settings.resamples, settings.confidence, settings.seed)
    baseline = settings.baseline if settings.baseline in sums and settings.baseline != model else None
    for where, mine in sums[model].items():
        for k in settings.at:
            for metric in ranking.METRICS_OF_LISTS:
                mean = intervals.ratio_of(names.index(ranking.column_of(metric, k)), 0)
                record: dict[str, Any] = {
                    schema.MODEL: model,
                    schema.METRIC: metric,
                    schema.K: k,
                    schema.SLICE: where,
                    schema.UNITS: int(mine[:, 0].sum()),
                }
                yield record | _of(intervals.bootstrap(mine, mean, asked))
                if baseline is not None:
                    found = intervals.compare(mine, sums[baseline][where], mean, asked)
                    against = {schema.BASELINE: baseline, schema.P_VALUE: found.p_value}
                    yield record | _of(found.interval) | against


def _of(interval: Interval) -> dict[str, Any]:
    columns = (schema.VALUE, schema.STANDARD_ERROR, schema.LOW, schema.HIGH)
    return {column: None if math.isnan(value) else value for column, value in zip(columns, interval, strict=True)}


def _screen(records: list[dict[str, Any]], settings: EvaluationSettings) -> str:
    """Return the metrics of all users at the longest N, a line a model."""
    shown = [
        row
        for row in records
        if row[schema.SLICE] == lists.ALL and row[schema.K] == settings.longest and row[schema.BASELINE] is None
    ]
    lines: dict[str, str] = reduce(
        lambda told, row: told | {row[schema.MODEL]: told.get(row[schema.MODEL], "") + _cell(row)}, shown, {}
    )
    heads = "".join(f"{f'{metric}@{settings.longest}':>16}" for metric in ranking.METRICS_OF_LISTS)
    width = max(map(len, lines))
    return "\n".join(
        [f"metrics of {shown[0][schema.UNITS]:,} users, with half of their intervals' width:", " " * width + heads]
        + [f"{model:<{width}}{cells}" for model, cells in lines.items()]
    )


def _cell(row: Mapping[str, Any]) -> str:
    half = (row[schema.HIGH] - row[schema.LOW]) / 2 if row[schema.HIGH] is not None else float("nan")
    return f"{f'{row[schema.VALUE]:.4f} +-{half:.4f}':>16}"
