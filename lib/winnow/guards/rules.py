"""The rules: each looks at a day, most at the days before it too, and tells what is not as it should be."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from winnow import schema
from winnow.funnel import Funnel
from winnow.guards.days import Day, StratumDay
from winnow.guards.settings import GuardSettings, Rule


class Breach(NamedTuple):
    """What a rule found: ``found`` lies outside ``low`` to ``high``."""

    message: str
    found: float
    low: float
    #: None = there is no upper end.
    high: float | None
    #: The label that it is about; "" = the whole day.
    label: str = ""


@dataclass(frozen=True)
class Inspected:
    """What the rules look at: a day, where its rows went, and the days before it."""

    funnel: Funnel
    today: Day
    history: Sequence[Day]
    settings: GuardSettings

    @cached_property
    def alike(self) -> Sequence[Day]:
        """The days before that were sampled by the same rule: rates of others mean something else."""
        return [past for past in self.history if past.is_natural == self.today.is_natural]

    def known_strata(self, label: str) -> set[str]:
        """Return the label's strata of the days before."""
        return {stratum for past in self.history for stratum in past.labels.get(label, ())}


def _no_rows(day: Inspected) -> Iterator[Breach]:
    funnel = day.funnel
    if not funnel.valid_rows:
        told = f"expected impressions, found {funnel.input_rows} rows, {funnel.valid_rows} of them valid"
        yield Breach(told, 0, 1, None)


def _one_class(day: Inspected) -> Iterator[Breach]:
    for name in day.today.labels:
        label = day.funnel.labels[name]
        if day.funnel.valid_rows and not (label.positives and label.negatives):
            told = f"expected positives and negatives of {name}, found {label.positives} and {label.negatives}"
            yield Breach(told, 0, 1, None, name)


def _row_count(day: Inspected) -> Iterator[Breach]:
    rows = day.funnel.valid_rows
    median = statistics.median(past.valid_rows for past in day.history)
    low, high = day.settings.least_rows * median, day.settings.most_rows * median
    if rows and not low <= rows <= high:
        told = (
            f"expected {day.settings.least_rows:.0%} to {day.settings.most_rows:.0%} of the {median:,.0f} rows that "
            f"the {len(day.history)} days before had in the median, found {rows:,}"
        )
        yield Breach(told, rows, low, high)


def _quarantine(day: Inspected) -> Iterator[Breach]:
    funnel, most = day.funnel, day.settings.most_quarantined
    refused, settled = sum(funnel.quarantined.values()), funnel.input_rows - funnel.duplicates
    if refused > most * settled:
        reasons = ", ".join(f"{reason} {count}" for reason, count in funnel.quarantined.items() if count)
        told = f"expected at most {most:.1%} refused rows, found {refused} of {settled} ({refused / settled:.1%}: {reasons})"
        yield Breach(told, refused / settled, 0, most)


def _share_change(day: Inspected) -> Iterator[Breach]:
    least, factor = day.settings.least_compared, day.settings.most_share_change
    for name in day.today.labels:
        before = [past.positive_share(name) for past in day.history if past.labelled(name) >= max(1, least)]
        if before and day.today.labelled(name) >= least:
            share, median = day.today.positive_share(name), statistics.median(before)
            if share > 0 and not _within(share, median, factor):  # a day without positives has a rule of its own
                told = (
                    f"expected a share of positives of {name} within a factor {factor:g} of {median:.4g}, the median of the "
                    f"days before, found {share:.4g}"
                )
                yield Breach(told, share, median / factor, median * factor, name)


def _rate_change(day: Inspected) -> Iterator[Breach]:
    factor = day.settings.most_rate_change
    rates: Mapping[str, Callable[[Day, str], float]] = {
        schema.POSITIVE_RATE: Day.positive_rate,
        schema.NEGATIVE_RATE: Day.negative_rate,
    }
    for name in day.today.labels:
        for what, rate in rates.items():
            before = [found for past in day.alike if (found := rate(past, name)) > 0]
            now = rate(day.today, name)
            if before and now > 0 and not _within(now, median := statistics.median(before), factor):
                told = (
                    f"expected a {what} of {name} within a factor {factor:g} of {median:.4g}, the median of the days before, "
                    f"found {now:.4g}"
                )
                yield Breach(told, now, median / factor, median * factor, name)


def _stratum_rate_change(day: Inspected) -> Iterator[Breach]:
    factor = day.settings.most_rate_change
    for name, strata in day.today.labels.items():
        if len(strata) < 2:  # the rates of the whole day
            continue
        moved = []
        for stratum, now in strata.items():
            before = [past.labels[name][stratum] for past in day.alike if stratum in past.labels.get(name, ())]
            if any(_is_far(now, before, rate, day.settings) for rate in (schema.POSITIVE_RATE, schema.NEGATIVE_RATE)):
                moved.append(stratum)
        if moved:
            told = f"have a rate that differs from the median of the days before by more than a factor {factor:g}"
            yield _strata(name, moved, told, day.settings)


def _is_far(now: StratumDay, before: Sequence[StratumDay], rate: str, settings: GuardSettings) -> bool:
    """Return whether a rate of a stratum is far off its median, among days with rows enough to tell."""
    enough = [one for one in (now, *before) if one.positives + one.negatives >= settings.least_compared]
    past = [getattr(one, rate) for one in enough if one is not now and getattr(one, rate) > 0]
    here = getattr(now, rate)
    return (
        now in enough
        and here > 0
        and bool(past)
        and not _within(here, statistics.median(past), settings.most_rate_change)
    )


def _null_share(day: Inspected) -> Iterator[Breach]:
    least, most = day.settings.least_compared, day.settings.most_null_change
    for column in day.today.nulls:
        before = [
            past.null_share(column) for past in day.history if column in past.nulls and past.valid_rows >= max(1, least)
        ]
        if before and day.today.valid_rows >= least:
            share, median = day.today.null_share(column), statistics.median(before)
            if abs(share - median) > most + 1e-12:  # ends are inclusive: 0.3 - 0.2 is a little less than 0.1
                low, high = max(0.0, median - most), min(1.0, median + most)
                told = (
                    f"expected {column} to be null in {low:.1%} to {high:.1%} of the rows, {median:.1%} being the median of "
                    f"the days before, found {share:.1%}"
                )
                yield Breach(told, share, low, high)


def _new_stratum(day: Inspected) -> Iterator[Breach]:
    for name, strata in day.today.labels.items():
        if new := set(strata) - day.known_strata(name):
            yield _strata(name, new, "unseen in the days before", day.settings)


def _vanished_stratum(day: Inspected) -> Iterator[Breach]:
    for name, strata in day.today.labels.items():
        if gone := day.known_strata(name) - set(strata):
            yield _strata(name, gone, "of the days before without rows", day.settings)


def _stratum_without_positives(day: Inspected) -> Iterator[Breach]:
    for name, strata in day.today.labels.items():
        bare = [stratum for stratum, found in strata.items() if not found.positives]
        if bare and len(strata) > 1:
            yield _strata(name, bare, "without positives", day.settings)


def _strata(label: str, strata: Iterable[str], what: str, settings: GuardSettings) -> Breach:
    ordered = sorted(strata)
    more = ", ..." if len(ordered) > settings.strata_named else ""
    named = ", ".join(ordered[: settings.strata_named]) + more
    return Breach(f"{len(ordered)} strata of {label} {what}: {named}", len(ordered), 0, 0, label)


def _within(value: float, median: float, factor: float) -> bool:
    return median / factor <= value <= median * factor


#: Every rule.
RULES: Mapping[Rule, Callable[[Inspected], Iterator[Breach]]] = {
    "no_rows": _no_rows,
    "quarantine": _quarantine,
    "one_class": _one_class,
    "row_count": _row_count,
    "share_change": _share_change,
    "rate_change": _rate_change,
    "null_share": _null_share,
    "stratum_rate_change": _stratum_rate_change,
    "new_stratum": _new_stratum,
    "vanished_stratum": _vanished_stratum,
    "stratum_without_positives": _stratum_without_positives,
}
#: Those that compare with days before that were sampled alike.
OF_RATES: frozenset[Rule] = frozenset({"rate_change", "stratum_rate_change"})
#: Those that compare with the days before.
COMPARING: frozenset[Rule] = OF_RATES | {
    "row_count",
    "share_change",
    "null_share",
    "new_stratum",
    "vanished_stratum",
}
