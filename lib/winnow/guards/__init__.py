"""Guards: a day that looks like nonsense stops before readers see it. A rule is defined in ``rules.py``, once."""

from winnow.guards.days import Day, StratumDay
from winnow.guards.inspection import Finding, inspect, stop_if_blocked
from winnow.guards.served import Served, inspect_served
from winnow.guards.settings import GuardSettings, Rule, Severity

__all__ = [
    "Day",
    "Finding",
    "GuardSettings",
    "Rule",
    "Served",
    "Severity",
    "StratumDay",
    "inspect",
    "inspect_served",
    "stop_if_blocked",
]
