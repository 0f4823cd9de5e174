"""Drift: the stored days of the ledger held against the days before each, as the guards did when the day was made."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from winnow import guards, ledger
from winnow.funnel import Funnel
from winnow.guards import Finding, GuardSettings


def drift(
    rows: Sequence[Mapping[str, Any]],
    funnels: Sequence[Funnel],
    natural_days: Collection[dt.date],
    settings: GuardSettings,
) -> Iterator[tuple[dt.date, Finding]]:
    """Yield what the guards find odd on each stored day, in the order of days; that a day has none before it is not odd.

    ``rows``: of the ledger; ``funnels``: of those days whose runs are known, the others are left out; ``natural_days``: those
    that were sampled as validation or test.
    """
    days = ledger.stored_days(rows, natural_days.__contains__)
    of_day = {funnel.day: funnel for funnel in funnels}
    for today in days:
        first = today.day - dt.timedelta(days=settings.history_days)
        before = [past for past in days if first <= past.day < today.day]
        if today.day in of_day:
            for finding in guards.inspect(of_day[today.day], today, before, settings):
                if finding.severity != "note":
                    yield today.day, finding
