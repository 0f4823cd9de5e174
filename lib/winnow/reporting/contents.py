"""What the tables of a run told, as plain values: what the sections of the page are made of."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from winnow.funnel import Funnel

#: Rows of a table by column; None where the table is not there.
Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Alarm:
    """A rule of the guards that a day of the ledger breaks when it is held against the days before it."""

    day: dt.date
    rule: str
    severity: str
    message: str


@dataclass(frozen=True)
class Media:
    """A media of a list or of what was watched; ``told``: why it is there, or how much of it was watched."""

    media_id: Any
    title: str | None
    told: str = ""


@dataclass(frozen=True)
class User:
    """A user, with what they watched before and from the as-of day on, and each model's list as of that day."""

    user_id: Any
    as_of: dt.date
    before: Sequence[Media]
    after: Sequence[Media]
    lists: Mapping[str, Sequence[Media]]


@dataclass(frozen=True)
class Contents:
    """Everything that the page shows; what is None is told as missing, with the job that makes it."""

    place: str
    made: dt.datetime
    run_id: str
    funnels: Sequence[Funnel] | None = None
    ledger: Rows | None = None
    alarms: Sequence[Alarm] = ()
    #: Days of the ledger that were sampled at the natural balance of classes: those of validation and test.
    natural_days: frozenset[dt.date] = frozenset()
    #: label, bin (where it begins), rows: positives by their weight.
    weights: Rows | None = None
    metrics: Rows | None = None
    reliability: Rows | None = None
    trials: Rows | None = None
    users: Sequence[User] | None = None
    runs: Rows | None = None
    #: Version of each table that the page was made of.
    versions: Mapping[str, int] = field(default_factory=dict)
