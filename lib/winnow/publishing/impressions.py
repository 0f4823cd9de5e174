"""A foreign log's days: counted, inspected, and put in the place of the days that were there."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from winnow import guards, schema
from winnow.contracts import HELPER, all_refusals, conform
from winnow.errors import InputNotReadyError
from winnow.funnel import Funnel
from winnow.importing import CAST_FAULTS, SOURCE_ROW
from winnow.pipeline import fetch
from winnow.publishing.quarantine import replace_quarantine
from winnow.run import Run
from winnow.slices import Slice

#: Helper columns: every reason to refuse a row, and the first of them.
_REASONS = f"{HELPER}reasons"
_REASON = f"{HELPER}reason"


def publish_impressions(run: Run, log: DataFrame, source: str) -> None:
    """Replace the days that a foreign log holds by its rows; refused rows go to quarantine.

    ``log``: rows as ``map_columns`` makes them; ``source``: what they came from, a plain word. Where the run was asked for
    days, the log's other days are left alone. A day is replaced whole: give all its files in one run.

    Raises ContractError for missing columns (all at once), InputNotReadyError where none of the days has a row, GuardError
    for a day that looks like nonsense.
    """
    rows = log.transform(conform(schema.IMPRESSIONS))
    if run.days:
        rows = rows.where(F.col(schema.EVENT_DATE).isin(run.days) | F.col(schema.EVENT_DATE).isNull())
    # Users with too many rows are for the main job to find: what is imported is the log as it is.
    contracts = replace(run.settings.contracts, most_rows_per_user=None)
    told = rows.withColumn(_REASONS, F.concat(CAST_FAULTS, all_refusals(contracts)))
    run.tables.describe("count the rows of each day")
    first = F.try_element_at(F.col(_REASONS), F.lit(1)).alias(_REASON)
    counts = fetch(told.groupBy(schema.EVENT_DATE, first).agg(F.count(F.lit(1)).alias(schema.ROWS)))
    if not counts:
        raise InputNotReadyError(
            "--input: expected rows of the days asked for, found none. Check the files and the days."
        )
    funnels = _funnels(counts)
    for funnel in funnels:
        run.tell(funnel)
    _inspect(run, funnels)
    _quarantine(run, told, funnels, source)
    days = [funnel.day for funnel in funnels if funnel.day is not None and funnel.valid_rows]
    run.tables.describe("write the impressions")
    valid = told.where(F.size(_REASONS) == 0).drop(CAST_FAULTS, SOURCE_ROW, _REASONS)
    # Each day in files of a good size, however many files it came in.
    balanced = valid.hint("rebalance", schema.EVENT_DATE)
    run.tables.replace(schema.IMPRESSIONS, balanced, {schema.EVENT_DATE: days}, record=run.metadata())


def _funnels(counts: Sequence[Mapping[str, Any]]) -> list[Funnel]:
    """Return a funnel a day, the rows without a day last."""
    days = sorted({row[schema.EVENT_DATE] for row in counts}, key=lambda day: day or dt.date.max)
    return [
        Funnel(
            day,
            sum(row[schema.ROWS] for row in counts if row[schema.EVENT_DATE] == day),
            0,
            {
                row[_REASON]: row[schema.ROWS]
                for row in counts
                if row[schema.EVENT_DATE] == day and row[_REASON] is not None
            },
        )
        for day in days
    ]


def _inspect(run: Run, funnels: Sequence[Funnel]) -> None:
    """Hold each day against the guards: too much quarantine, or a row count far off the days stored before it."""
    stored = _stored_rows(run)
    back = dt.timedelta(days=run.settings.guards.history_days)
    findings = []
    for funnel in (funnel for funnel in funnels if funnel.day is not None):
        day: dt.date = funnel.day  # type: ignore[assignment]
        history = [guards.Day(past, rows) for past, rows in stored.items() if day - back <= past < day]
        findings += guards.inspect(funnel, guards.Day(day, funnel.valid_rows), history, run.settings.guards)
    run.heed(findings)


def _stored_rows(run: Run) -> dict[dt.date, int]:
    stored = run.tables.read_latest(schema.IMPRESSIONS)
    if stored is None:
        return {}
    run.tables.describe("the days before")
    counted = stored.groupBy(schema.EVENT_DATE).agg(F.count(F.lit(1)).alias(schema.ROWS))
    return {row[schema.EVENT_DATE]: row[schema.ROWS] for row in fetch(counted)}


def _quarantine(run: Run, told: DataFrame, funnels: Sequence[Funnel], source: str) -> None:
    """Replace the refused rows of the days; rows without a day are known by what they came from."""
    refused = told.where(F.size(_REASONS) > 0).select(
        schema.EVENT_DATE, F.col(_REASONS).alias(schema.REASONS), F.col(SOURCE_ROW).alias(schema.ROW)
    )
    has_day = F.col(schema.EVENT_DATE).isNotNull()
    dated = [funnel for funnel in funnels if funnel.day is not None]
    undated = [funnel for funnel in funnels if funnel.day is None]
    days = [funnel.day for funnel in dated if funnel.day is not None]
    slices: tuple[tuple[list[Funnel], DataFrame, Slice], ...] = (
        (dated, refused.where(has_day), {schema.EVENT_DATE: days}),
        (undated, refused.where(~has_day), {schema.EVENT_DATE: None, schema.SOURCE: source}),
    )
    for mine, rows, where in slices:
        if mine:
            has_refused = any(sum(funnel.quarantined.values()) for funnel in mine)
            replace_quarantine(run, rows if has_refused else None, where, source)
