"""Lists and scores held against what users went on to do: metrics with intervals, whole and by slices."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from winnow import pipeline, schema, splitting
from winnow.contracts import Step
from winnow.errors import InputNotReadyError
from winnow.evaluation import cohorts, lists
from winnow.publishing.list_metrics import HeldOut, measure_lists
from winnow.publishing.measured import Model
from winnow.publishing.score_metrics import measure_scores
from winnow.run import Run
from winnow.slices import Slice
from winnow.splitting import Period

#: How what is known is parted from what is asked: lists as of a day against the days from it on.
BY_TIME = "by_time"


def publish_metrics(run: Run) -> None:
    """Measure lists as of the first day, and scores of all the days, against the examples; replace the period's metrics.

    Lists are those of the tables candidates (each source a model) and recommendations. Rows shown before the first day are
    left out even where they were logged on it.

    Raises InputNotReadyError without lists and scores or without positives, ContractError where the examples lack a
    label or a slice's column.
    """
    tables = run.tables
    start = run.days[0]
    before, held_out = _parted(run)
    held_out = held_out.transform(with_cohorts(run, before, run.days[0]))
    found, curves = measure_scores(run, held_out)
    listed = _listed(run, start)
    if not listed and not found:
        raise InputNotReadyError(
            f"{start}: expected lists as of this day in {tables.location(schema.CANDIDATES)} or "
            f"{tables.location(schema.RECOMMENDATIONS)}, or scores, found none. Run generate_candidates.py --date {start}."
        )
    if listed:
        asked = HeldOut(start, before, held_out, f"{start} to {run.days[-1]}")
        found += measure_lists(run, asked, listed)
    replace_metrics(run, BY_TIME, {schema.METRICS: found, schema.RELIABILITY: curves}, days_of(run))


def days_of(run: Run) -> Period:
    """Return the run's days as a period."""
    return Period(run.days[0], run.days[-1] + dt.timedelta(days=1))


def replace_metrics(
    run: Run, protocol: str, found: Mapping[schema.Table, Sequence[Mapping[str, Any]]], days: Period
) -> None:
    """Put the records of the days in the place of those of the same last day and protocol, and show them."""
    where: Slice = {schema.END_DATE: days.end - dt.timedelta(days=1), schema.PROTOCOL: protocol}
    common = {schema.START_DATE: days.start, **where, schema.RUN_ID: run.run_id}
    for table, records in found.items():
        rows = run.tables.local(table, [{**dict.fromkeys(table.columns), **common, **record} for record in records])
        run.tables.replace(table, rows, where, record=run.metadata(), files=1)
    shown = _shown(found[schema.METRICS])
    for row, name in shown:
        run.measure(f"{row[schema.MODEL]}/{name}", row[schema.VALUE])
    run.say(_screen(shown))


def _parted(run: Run) -> tuple[DataFrame, DataFrame]:
    """Return the examples of the time before the run's days, and those that were shown and logged on them."""
    asked = days_of(run)
    split = splitting.Split(Period(dt.date.min, asked.start), test=asked)
    parted = run.tables.read(schema.EXAMPLES).transform(splitting.assign(split, run.settings.splitting.utc_offset_h))
    return parted.transform(splitting.only(splitting.TRAIN)), parted.transform(splitting.only(splitting.TEST))


def with_cohorts(run: Run, before: DataFrame, as_of: dt.date) -> Step:
    """Return the step that adds the slices that are worked out, where they are asked for.

    Raises ContractError where the examples lack a label of ``evaluation.relevance``.
    """
    settings = run.settings.evaluation
    lists.check_relevance(before.columns, settings.relevance)
    users, media = map(run.tables.read_if_there, (schema.USERS, schema.MEDIA))
    is_engaged = lists.is_engaged(settings.relevance)
    return cohorts.with_cohorts(settings.slices, before, is_engaged, as_of, settings, users=users, media=media)


def _listed(run: Run, as_of: dt.date) -> dict[Model, DataFrame]:
    """Return the stored lists as of the day, by model."""
    found = {}
    for table, column in ((schema.CANDIDATES, schema.CANDIDATE_SOURCE), (schema.RECOMMENDATIONS, schema.MODEL)):
        if not run.tables.exists(table):
            continue
        rows = run.tables.read(table).where(F.col(schema.AS_OF_DATE) == F.lit(as_of))
        run.tables.describe(f"{as_of}: models of {table}")
        for name in sorted(row[column] for row in pipeline.fetch(rows.select(column).distinct())):
            found[Model(table, name)] = rows.where(F.col(column) == name)
    return found


def _shown(records: Sequence[Mapping[str, Any]]) -> list[tuple[Mapping[str, Any], str]]:
    """Return the metrics of all users and rows at the longest N, each with its name, such as recall@20."""
    longest = max((row[schema.K] for row in records if row.get(schema.K)), default=None)
    shown = [
        row
        for row in records
        if row[schema.SLICE] == lists.ALL and not row.get(schema.BASELINE) and row.get(schema.K) in (None, longest)
    ]
    return [(row, row[schema.METRIC] + (f"@{row[schema.K]}" if row.get(schema.K) else "")) for row in shown]


def _screen(shown: Sequence[tuple[Mapping[str, Any], str]]) -> str:
    """Return a line a model and metric, with its interval."""
    width, name_width = (
        max(map(len, texts)) for texts in ([row[schema.MODEL] for row, _ in shown], [name for _, name in shown])
    )
    return "\n".join(
        ["metrics, with their intervals:"]
        + [
            f"  {row[schema.MODEL]:<{width}}  {name:<{name_width}}  {_cell(row)}   of {row[schema.UNITS]:,}"
            for row, name in shown
        ]
    )


def _cell(row: Mapping[str, Any]) -> str:
    value = "     -" if row[schema.VALUE] is None else f"{row[schema.VALUE]:.4f}"
    known = row.get(schema.LOW) is not None
    return f"{value}  {f'[{row[schema.LOW]:.4f}, {row[schema.HIGH]:.4f}]' if known else '':<16}"
