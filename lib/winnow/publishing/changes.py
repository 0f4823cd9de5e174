"""The days that are due, those never published and those whose impressions have changed since they were, and all of them tried."""

from __future__ import annotations

import datetime as dt
import logging

from pyspark.sql import functions as F

from winnow import schema
from winnow.contracts import named
from winnow.errors import told_of
from winnow.pipeline import fetch
from winnow.publishing.examples import publish_examples
from winnow.publishing.past_runs import past_runs
from winnow.run import Run

_LOG = logging.getLogger("winnow")


def publish_changes(run: Run, *, force: bool = False) -> None:
    """Prepare each of the days that is due, as ``publish_examples`` does; one that fails does not stop those after it.

    Raises, once all were tried, what the day that failed raised; of several days, all of it as an ExceptionGroup.
    """
    faults = []
    for day in changed_days(run):
        try:
            publish_examples(run, day, force=force)
        except Exception as fault:
            _LOG.error("%s: failed, later days are tried all the same: %s", day, told_of(fault))
            faults.append(fault)
    if len(faults) > 1:
        raise ExceptionGroup(f"{len(faults)} days failed", faults)
    if faults:
        raise faults[0]


def changed_days(run: Run) -> list[dt.date]:
    """Return, of the days asked for, those that have no run in the ledger or whose impressions changed after it read them.

    A day of the lookback that was never published and has no row, as before a service began, is not due. What changed is told
    by the log of the impressions' table, without a look at its rows; a file that was only written anew, as OPTIMIZE does, is no
    change. Where that log has expired, or the table is not partitioned by event_date, any newer version counts as a change of
    every day; and where a day was read at a version that there is not yet, the table was made anew, and every day is due.
    """
    asked = run.days
    published = past_runs(run, asked)
    read = {day: past.version for day, past in published.items()}
    current = run.tables.pin(schema.IMPRESSIONS)
    if max(read.values(), default=current) > current:
        run.warn(
            f"{schema.IMPRESSIONS}: expected version {max(read.values())} or later, which was read before, found {current}: "
            "the table was made anew, and each day is prepared again"
        )
        read = {}
    oldest = min(read.values(), default=current)
    last_changes = run.tables.last_changes(schema.IMPRESSIONS, oldest)
    if last_changes is None:
        run.warn(
            f"{schema.IMPRESSIONS}: its log does not tell which days changed after version {oldest}: each day that was read "
            "at an older version than the newest is prepared again"
        )
        last_changes = dict.fromkeys(asked, current)
    empty = _without_rows(run, [day for day in run.days_before if day not in published])
    if empty:
        run.say(
            f"skipped, since they were never published and the log has no row of them: {', '.join(map(str, empty))}"
        )
    is_due = {day: day not in read or last_changes.get(day, -1) > read[day] for day in asked if day not in empty}
    due = [day for day, is_new in is_due.items() if is_new]
    run.say(f"{len(due)} of {len(asked)} days are new or have changed: {', '.join(map(str, due)) or 'nothing to do'}")
    return due


def _without_rows(run: Run, days: list[dt.date]) -> list[dt.date]:
    """Return those of the days that have no row in the log."""
    if not days:
        return []
    day = named(run.settings.columns.get(schema.EVENT_DATE, schema.EVENT_DATE)).alias(schema.EVENT_DATE)
    found = fetch(run.tables.read(schema.IMPRESSIONS).select(day).where(F.col(schema.EVENT_DATE).isin(days)).distinct())
    there = {row[schema.EVENT_DATE] for row in found}
    return [one for one in days if one not in there]
