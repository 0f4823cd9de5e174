"""A day held against every rule, and what follows: told, or stopped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from winnow.errors import GuardError
from winnow.funnel import Funnel
from winnow.guards.days import Day
from winnow.guards.rules import COMPARING, OF_RATES, RULES, Inspected
from winnow.guards.settings import GuardSettings

#: What a finding does, the gravest first; a note is told and nothing is wrong.
_GRAVITY = ("block", "warn", "note")
#: The name of the note that a day could not be compared.
SHORT_HISTORY = "short_history"


@dataclass(frozen=True)
class Finding:
    """A rule that does not hold, with what was expected and found; or a note that it could not be asked."""

    rule: str
    severity: Literal["block", "warn", "note"]
    message: str
    #: What was found, and between what it was expected; None = a note, or no upper end.
    found: float | None = None
    low: float | None = None
    high: float | None = None
    label: str = ""

    def as_record(self) -> dict[str, Any]:
        """Return the finding as plain values of JSON, for the run's record."""
        return asdict(self)


def inspect(funnel: Funnel, today: Day, history: Sequence[Day], settings: GuardSettings) -> list[Finding]:
    """Return every rule that the day breaks, the blocking ones first, then warnings, then notes.

    ``funnel``, ``today``: the day; ``history``: stored days before it that had rows, in any order. Where there are fewer than
    ``least_history_days`` of them, the rules that compare are not asked, which is a note.
    """
    day = Inspected(funnel, today, history, settings)
    unasked = {
        rule for rule in COMPARING if len(day.alike if rule in OF_RATES else history) < settings.least_history_days
    }
    found: list[Finding] = []
    for rule, breaches in RULES.items():
        severity = getattr(settings, rule)
        if severity != "off" and rule not in unasked:
            found += [
                Finding(rule, severity, f"{funnel.day}: {told.message}", told.found, told.low, told.high, told.label)
                for told in breaches(day)
            ]
    if unasked:
        named = ", ".join(rule for rule in RULES if rule in unasked)
        told = (
            f"{funnel.day}: not compared with the days before, of which {settings.least_history_days} of {settings.history_days} "
            f"must be there and {min(len(history), len(day.alike))} are: {named}"
        )
        found.append(Finding(SHORT_HISTORY, "note", told))
    return sorted(found, key=lambda finding: _GRAVITY.index(finding.severity))


def stop_if_blocked(findings: Sequence[Finding]) -> None:
    """Raise GuardError with every blocking finding, if there is one."""
    blocking = [finding for finding in findings if finding.severity == "block"]
    if blocking:
        told = "; ".join(f"{finding.message} ({finding.rule})" for finding in blocking)
        sets = " ".join(sorted({f"--set guards.{finding.rule}=warn" for finding in blocking}))
        raise GuardError(
            f"{told}. Nothing was published; the day is as it was. Look at the log and mend it, or, if this is as it should "
            f"be, accept the day this once: run again with {sets}."
        )
