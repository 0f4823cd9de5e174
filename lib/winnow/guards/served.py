"""What a ranker reads for the lists of a day, held against what it learnt from and against the days before: skew and shift."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from winnow.guards.inspection import SHORT_HISTORY, Finding
from winnow.guards.settings import GuardSettings, ServedRule, Severity
from winnow.moments import Moments

#: What each column that a ranker reads was like over all that was scored for the lists of a day, or in training.
Served = Mapping[str, Moments]

#: Of a mean, what the order of floating point sums may move.
_ROUNDING = 1e-9


class _Far(NamedTuple):
    """A column whose mean lies outside ``low`` to ``high``."""

    column: str
    found: float
    low: float
    high: float

    @property
    def times(self) -> float:
        """How far outside: the distance to the middle, in halves of what is allowed."""
        return abs(self.found - (self.low + self.high) / 2) / ((self.high - self.low) / 2 or 1.0)


def inspect_served(
    day: str, label: str, served: Served, trained: Served, history: Sequence[Served], settings: GuardSettings
) -> list[Finding]:
    """Return what is odd about the columns that were read for the lists of a day, and a note where days before are too few.

    ``trained``: the same columns in training; ``history``: on the days before that have lists, in order.

    * ``training_skew``: the mean of a column is more than ``most_training_skew`` of training's standard deviations off the
      mean of training. Candidates are not what was shown, so this finds other units and missing sources, no small steps.
    * ``served_shift``: from the last day to this one the mean made another step than the median step of the days before,
      by more than ``most_served_shift`` of itself, or of the standard deviation where that is less, and by more than
      ``most_served_steps`` times as much as any of their steps did.
    """
    found = list(_finding(day, label, "training_skew", _skewed(served, trained, settings), settings))
    if len(history) < settings.least_served_days:
        if settings.served_shift != "off":
            told = (
                f"{day}: what {label} reads is not compared with the days before, of which {settings.least_served_days} of "
                f"{settings.history_days} must have lists and {len(history)} have"
            )
            found.append(Finding(SHORT_HISTORY, "note", told, label=label))
        return found
    return [*found, *_finding(day, label, "served_shift", _shifted(served, history, settings), settings)]


def _skewed(served: Served, trained: Served, settings: GuardSettings) -> Iterator[_Far]:
    for column, now in served.items():
        if column in trained and trained[column].deviation > 0:  # what never varied, no ranker learnt from
            mean, deviation = trained[column]
            yield from _outside(column, now.mean, mean, settings.most_training_skew * deviation)


def _shifted(served: Served, history: Sequence[Served], settings: GuardSettings) -> Iterator[_Far]:
    for column, now in served.items():
        before = [day[column] for day in history if column in day]
        if len(before) >= settings.least_served_days:
            steps = [later.mean - earlier.mean for earlier, later in pairwise(before)]
            usual, last = statistics.median(steps), before[-1]
            scale = min((size for size in (abs(last.mean), last.deviation) if size > 0), default=0.0)
            largest = max(abs(step - usual) for step in steps)
            allowed = max(settings.most_served_shift * scale, settings.most_served_steps * largest)
            yield from _outside(column, now.mean, last.mean + usual, allowed + _ROUNDING * abs(last.mean))


def _outside(column: str, found: float, expected: float, allowed: float) -> Iterator[_Far]:
    """Yield the column where what was found is not within what is allowed around what was expected; NaN is within nothing."""
    if not abs(found - expected) <= allowed:
        yield _Far(column, found, expected - allowed, expected + allowed)


def _finding(day: str, label: str, rule: ServedRule, far: Iterable[_Far], settings: GuardSettings) -> Iterator[Finding]:
    severity: Severity = getattr(settings, rule)
    worst = sorted(far, key=lambda one: (-one.times, one.column))
    if severity == "off" or not worst:
        return
    named = ", ".join(
        f"{one.column} {one.found:.4g} (expected {one.low:.4g} to {one.high:.4g})"
        for one in worst[: settings.strata_named]
    )
    more = ", ..." if len(worst) > settings.strata_named else ""
    against = "training lets" if rule == "training_skew" else "the days before let"
    told = f"{day}: of what {label} reads, the means of {len(worst)} columns are not as {against} expect: {named}{more}"
    first = worst[0]
    yield Finding(rule, severity, told, first.found, first.low, first.high, label)
