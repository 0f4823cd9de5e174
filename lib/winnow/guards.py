"""Guards: a day that looks like nonsense stops before readers see it."""

from __future__ import annotations

import datetime as dt
import statistics
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from winnow import schema
from winnow.errors import GuardError
from winnow.funnel import Funnel
from winnow.settings import check, check_between

Rule = Literal[
    "no_rows",
    "one_class",
    "row_count",
    "quarantine",
    "rate_change",
    "new_stratum",
    "vanished_stratum",
    "stratum_without_positives",
]
Severity = Literal["block", "warn", "off"]


@dataclass(frozen=True)
class GuardSettings:
    """``[guards]``: what makes a day suspicious, and what then happens."""

    #: Days before the day whose ledger it is compared with.
    history_days: int = 7
    #: Valid rows below this share of the median of those days are too few.
    least_rows: float = 0.5
    #: Valid rows above this multiple of the median of those days are too many.
    most_rows: float = 2.0
    #: Share of refused rows above which the log itself is suspected.
    most_quarantined: float = 0.05
    #: A rate of the whole day may differ from the median of those days by this factor.
    most_rate_change: float = 3.0
    #: Strata named in a message, at most.
    strata_named: int = 5
    # What each rule does: block (exit code 3, nothing is published), warn (on screen and in the run's record), off.
    no_rows: Severity = "block"
    one_class: Severity = "block"
    row_count: Severity = "block"
    quarantine: Severity = "block"
    rate_change: Severity = "block"
    new_stratum: Severity = "warn"
    vanished_stratum: Severity = "warn"
    stratum_without_positives: Severity = "warn"

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_between("history_days", self.history_days, 1, 366)
        check_between("least_rows", self.least_rows, 0, 1)
        check_between("most_rows", self.most_rows, 1, 1e6)
        check_between("most_quarantined", self.most_quarantined, 0, 1)
        check(self.most_rate_change > 1, "most_rate_change", "a factor above 1", self.most_rate_change)
        check_between("strata_named", self.strata_named, 1, 1000)


@dataclass(frozen=True)
class DayRates:
    """The rates of a whole day, all strata together, of one label: rows kept for each row there was."""

    positive_rate: float
    negative_rate: float


@dataclass(frozen=True)
class PastDay:
    """What the ledger remembers of a day before."""

    day: dt.date
    valid_rows: int
    rates: Mapping[str, DayRates] = field(default_factory=dict)


@dataclass(frozen=True)
class LabelDay:
    """One label of the day itself: its rates, and of each stratum the positives and negatives."""

    rates: DayRates
    strata: Mapping[str, tuple[int, int]]
    #: Strata that had rows in the days before; None = there are no days before.
    known: Collection[str] | None = None


@dataclass(frozen=True)
class Finding:
    """A rule that does not hold, with what was expected and found."""

    rule: Rule
    severity: Severity
    message: str


def inspect(
    funnel: Funnel, labels: Mapping[str, LabelDay], history: Sequence[PastDay], settings: GuardSettings
) -> list[Finding]:
    """Return every rule that the day breaks, the blocking ones first.

    ``labels``: the day's own counts and planned rates; ``history``: the days before, in any order; where there are none
    the rules that compare with them hold.
    """
    findings = [
        *_no_rows(funnel),
        *_quarantine(funnel, settings),
        *_row_count(funnel, history, settings),
    ]
    for name, today in labels.items():
        before = [past.rates[name] for past in history if name in past.rates]
        findings += [
            *_one_class(funnel, name),
            *_rate_change(name, today.rates, before, settings),
            *_strata(name, today, settings),
        ]
    made = [Finding(rule, getattr(settings, rule), f"{funnel.day}: {message}") for rule, message in findings]
    return sorted((finding for finding in made if finding.severity != "off"), key=lambda finding: finding.severity)


def stop_if_blocked(findings: Sequence[Finding]) -> None:
    """Raise GuardError with every blocking finding, if there is one."""
    blocking = [finding for finding in findings if finding.severity == "block"]
    if blocking:
        told = "; ".join(f"{finding.message} ({finding.rule})" for finding in blocking)
        sets = " ".join(sorted({f"--set guards.{finding.rule}=warn" for finding in blocking}))
        raise GuardError(
            f"{told}. Nothing was published; the day is as it was. Look at the log, or, if this is as it should be, "
            f"run again with {sets}."
        )


_Broken = list[tuple[Rule, str]]


def _no_rows(funnel: Funnel) -> _Broken:
    if funnel.valid_rows:
        return []
    return [("no_rows", f"expected impressions, found {funnel.input_rows} rows, {funnel.valid_rows} of them valid")]


def _quarantine(funnel: Funnel, settings: GuardSettings) -> _Broken:
    refused, settled = sum(funnel.quarantined.values()), funnel.input_rows - funnel.duplicates
    if refused <= settings.most_quarantined * settled:
        return []
    reasons = ", ".join(f"{reason} {count}" for reason, count in funnel.quarantined.items() if count)
    return [
        (
            "quarantine",
            f"expected at most {settings.most_quarantined:.1%} refused rows, found {refused} of {settled} "
            f"({refused / settled:.1%}: {reasons})",
        )
    ]


def _row_count(funnel: Funnel, history: Sequence[PastDay], settings: GuardSettings) -> _Broken:
    if not history or not funnel.valid_rows:
        return []
    median = statistics.median(past.valid_rows for past in history)
    if settings.least_rows * median <= funnel.valid_rows <= settings.most_rows * median:
        return []
    return [
        (
            "row_count",
            f"expected {settings.least_rows:.0%} to {settings.most_rows:.0%} of the {median:,.0f} rows that "
            f"the {len(history)} days before had in the median, found {funnel.valid_rows:,}",
        )
    ]


def _one_class(funnel: Funnel, name: str) -> _Broken:
    label = funnel.labels[name]
    if not funnel.valid_rows or (label.positives and label.negatives):
        return []
    return [("one_class", f"expected positives and negatives of {name}, found {label.positives} and {label.negatives}")]


def _rate_change(name: str, today: DayRates, before: Sequence[DayRates], settings: GuardSettings) -> _Broken:
    broken: _Broken = []
    for rate in (schema.POSITIVE_RATE, schema.NEGATIVE_RATE):
        past = [getattr(day, rate) for day in before if getattr(day, rate) > 0]
        now = getattr(today, rate)
        median = statistics.median(past) if past else now
        if now > 0 and not median / settings.most_rate_change <= now <= median * settings.most_rate_change:
            told = (
                f"expected a {rate} of {name} within a factor {settings.most_rate_change:g} of {median:.4g}, the median "
                f"of the days before, found {now:.4g}"
            )
            broken.append(("rate_change", told))
    return broken


def _strata(name: str, today: LabelDay, settings: GuardSettings) -> _Broken:
    found: list[tuple[Rule, str, list[str]]] = []
    if len(today.strata) > 1:
        bare = [stratum for stratum, (positives, _) in today.strata.items() if not positives]
        found.append(("stratum_without_positives", "without positives", bare))
    if today.known is not None:
        new, gone = set(today.strata) - set(today.known), set(today.known) - set(today.strata)
        found.append(("new_stratum", "unseen in the days before", sorted(new)))
        found.append(("vanished_stratum", "of the days before without rows", sorted(gone)))
    broken: _Broken = []
    for rule, what, strata in found:
        if strata:
            more = ", ..." if len(strata) > settings.strata_named else ""
            named = ", ".join(sorted(strata)[: settings.strata_named]) + more
            broken.append((rule, f"{len(strata)} strata of {name} {what}: {named}"))
    return broken
