"""Which days are due: those never published, and those whose impressions have changed since they were."""

from __future__ import annotations

import datetime as dt

from winnow import schema
from winnow.publishing.past_runs import past_runs
from winnow.run import Run


def changed_days(run: Run) -> list[dt.date]:
    """Return, of the days asked for, those that have no run in the ledger or whose impressions changed after it read them.

    What changed is told by the log of the impressions' table, without a look at its rows; a file that was only written anew,
    as OPTIMIZE does, is no change. Where that log has expired, or the table is not partitioned by event_date, any newer
    version counts as a change of every day.
    """
    asked = run.days
    published = past_runs(run, asked)
    current = run.tables.pin(schema.IMPRESSIONS)
    oldest = min((past.version for past in published.values()), default=current)
    last_changes = run.tables.last_changes(schema.IMPRESSIONS, oldest)
    if last_changes is None:
        run.warn(
            f"{schema.IMPRESSIONS}: its log does not tell which days changed after version {oldest}: each day that was read "
            "at an older version than the newest is prepared again"
        )
        last_changes = dict.fromkeys(asked, current)
    due = [day for day in asked if day not in published or last_changes.get(day, -1) > published[day].version]
    run.say(f"{len(due)} of {len(asked)} days are new or have changed: {', '.join(map(str, due)) or 'nothing to do'}")
    return due
