"""Lists and scores held against what users went on to do: metrics with intervals, whole and by slices."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from winnow import pipeline, schema, splitting
from winnow.errors import ContractError, InputNotReadyError
from winnow.evaluation import intervals, lists, ranking
from winnow.evaluation.intervals import Array, Interval
from winnow.evaluation.settings import EvaluationSettings
from winnow.publishing.score_metrics import measure_scores
from winnow.run import Run
from winnow.slices import Slice

#: How what is known is parted from what is asked: lists as of a day against the days from it on.
BY_TIME = "by_time"
#: Sums of each group of users, by slice.
_Sums = Mapping[str, Array]


def publish_metrics(run: Run) -> None:
    """Measure lists as of the first day, and scores of all the days, against the examples; replace the period's metrics.

    Lists are those of the tables candidates (each source a model) and recommendations. Relevant is a media that is positive
    for a label of ``evaluation.relevance``. Rows shown before the first day are left out even where they were logged on it.

    Raises InputNotReadyError without lists and scores or without positives, ContractError where the examples lack a
    label or a slice's column.
    """
    tables = run.tables
    start, end = run.days[0], run.days[-1]
    held_out = _held_out(run, start, end)
    found, curves = measure_scores(run, held_out)
    listed = _listed(run, start)
    if not listed and not found:
        raise InputNotReadyError(
            f"{start}: expected lists as of this day in {tables.location(schema.CANDIDATES)} or "
            f"{tables.location(schema.RECOMMENDATIONS)}, or scores, found none. Run generate_candidates.py --date {start}."
        )
    if listed:
        found += _measure_lists(run, _wanted(run, held_out), listed)
    where: Slice = {schema.END_DATE: end, schema.PROTOCOL: BY_TIME}
    common = {schema.START_DATE: start, **where, schema.RUN_ID: run.run_id}
    for table, records in ((schema.METRICS, found), (schema.RELIABILITY, curves)):
        rows = tables.local(table, [{**dict.fromkeys(table.columns), **common, **record} for record in records])
        tables.replace(table, rows, where, record=run.metadata(), files=1)
    run.say(_screen(found))


def _measure_lists(run: Run, wanted: DataFrame, listed: Mapping[str, DataFrame]) -> list[dict[str, Any]]:
    """Return the records of METRICS for the lists of each model."""
    settings = run.settings.evaluation
    sums: dict[str, _Sums] = {}
    for model, rows in listed.items():
        run.tables.describe(f"lists of {model}")
        joined = wanted.join(rows.transform(lists.lists(settings.longest)), on=schema.USER_ID, how="left")
        summed = ranking.sum_hits(joined, settings.at, groups=settings.groups, seed=settings.seed)
        sums[model] = _by_slice(pipeline.fetch(summed), settings)
    if settings.baseline is not None and settings.baseline not in sums:
        run.warn(
            f"evaluation.baseline: expected one of {', '.join(sums)}, found {settings.baseline}: nothing is compared"
        )
    return [record for model in sums for record in _measured(model, sums, settings)]


def _wanted(run: Run, held_out: DataFrame) -> DataFrame:
    """Return what users engaged with in the period, as ``lists.relevant`` makes it."""
    settings, tables = run.settings.evaluation, run.tables
    period = f"{run.days[0]} to {run.days[-1]}"
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
    tables.describe(f"{period}: positives")
    (found,) = pipeline.fetch(graded.agg(F.count(F.lit(1)).alias(schema.ROWS), F.min(schema.RATE).alias(schema.RATE)))
    if not found[schema.ROWS]:
        raise InputNotReadyError(
            f"{period}: expected positives of {', '.join(settings.relevance)} in the examples, found none. "
            "Run prepare_examples on those days."
        )
    if found[schema.RATE] < 1:
        run.warn(
            f"{period}: positives were downsampled (rate {found[schema.RATE]:.3g}): recall, map and ndcg are those "
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
        alone = intervals.Resampled(mine, asked)
        paired = intervals.Paired(mine, sums[baseline][where], asked) if baseline is not None else None
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
                yield record | _of(alone.interval(mean))
                if paired is not None:
                    found = paired.difference(mean)
                    against = {schema.BASELINE: baseline, schema.P_VALUE: found.p_value}
                    yield record | _of(found.interval) | against


def _of(interval: Interval) -> dict[str, Any]:
    columns = (schema.VALUE, schema.STANDARD_ERROR, schema.LOW, schema.HIGH)
    return {column: None if math.isnan(value) else value for column, value in zip(columns, interval, strict=True)}


def _screen(records: Sequence[Mapping[str, Any]]) -> str:
    """Return the metrics of all users and rows at the longest N: a line a model and metric, with its interval."""
    longest = max((row[schema.K] for row in records if row.get(schema.K)), default=None)
    shown = [
        row
        for row in records
        if row[schema.SLICE] == lists.ALL and not row.get(schema.BASELINE) and row.get(schema.K) in (None, longest)
    ]
    names = [row[schema.METRIC] + (f"@{row[schema.K]}" if row.get(schema.K) else "") for row in shown]
    width = max(len(row[schema.MODEL]) for row in shown)
    return "\n".join(
        ["metrics, with their intervals:"]
        + [
            f"  {row[schema.MODEL]:<{width}}  {name:<18}{_cell(row)}   of {row[schema.UNITS]:,}"
            for row, name in zip(shown, names, strict=True)
        ]
    )


def _cell(row: Mapping[str, Any]) -> str:
    value = "     -" if row[schema.VALUE] is None else f"{row[schema.VALUE]:.4f}"
    known = row.get(schema.LOW) is not None
    return f"{value}  {f'[{row[schema.LOW]:.4f}, {row[schema.HIGH]:.4f}]' if known else '':<16}"
