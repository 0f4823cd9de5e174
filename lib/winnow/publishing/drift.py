"""Drift: the stored days of the ledger held against the days before each, as the guards did when the day was made."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from winnow import guards, ledger, schema
from winnow.funnel import Funnel
from winnow.guards import Finding, GuardSettings

_Rows = Sequence[Mapping[str, Any]]


def drift(
    rows: _Rows, totals: _Rows, funnels: Sequence[Funnel], natural_days: Collection[dt.date], settings: GuardSettings
) -> Iterator[tuple[dt.date, Finding]]:
    """Yield what the guards find odd on each stored day, in the order of days.

    ``rows``: of the ledger; ``totals``: the same by day and label (``ledger.totals``); ``funnels``: of those days whose runs
    are known, the others are left out. Days of training are held against such days only, and so are the others.
    """
    by_day: dict[dt.date, list[Mapping[str, Any]]] = {}
    for row in rows:
        by_day.setdefault(row[schema.EVENT_DATE], []).append(row)
    past = ledger.past_days(totals)
    of_day = {funnel.day: funnel for funnel in funnels}
    for day in sorted(by_day):
        if day not in of_day:
            continue
        first = day - dt.timedelta(days=settings.history_days)
        before = [
            one
            for one in past
            if first <= one.day < day and one.valid_rows and (one.day in natural_days) == (day in natural_days)
        ]
        known = _strata(by_day, [one.day for one in before])
        labels = ledger.stored_label_days(by_day[day], known)
        for finding in guards.inspect(of_day[day], labels, before, settings):
            yield day, finding


def _strata(by_day: Mapping[dt.date, _Rows], days: Sequence[dt.date]) -> dict[str, set[str]]:
    """Return the strata of each label that had rows on the days."""
    known: dict[str, set[str]] = {}
    for day in days:
        for row in by_day.get(day, ()):
            if row[schema.IMPRESSION_ROWS]:
                known.setdefault(row[schema.LABEL], set()).add(row[schema.STRATUM])
    return known
