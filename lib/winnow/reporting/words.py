"""Numbers, days and names as the page tells them."""

from __future__ import annotations

import datetime as dt
import json
import math
from typing import Any

#: What is said where there is no value.
NOTHING = "–"
#: Metrics that are called by their initials.
_INITIALS = frozenset({"auc", "ece", "f1", "map", "mar", "mrr", "ndcg", "ne", "pr_auc"})


def count(value: float | None) -> str:
    """Return a whole number with its thousands told apart."""
    return NOTHING if value is None else f"{value:,.0f}"


def many(number: int, noun: str) -> str:
    """Return so many of something: 1 day, 2 days."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def compact(value: float) -> str:
    """Return a number as an axis tells it: 100k, 2.5M, 0.05."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"


def share(value: float | None) -> str:
    """Return a share as a percentage of three digits."""
    if value is None or math.isnan(value):
        return NOTHING
    percent = value * 100
    digits = 0 if abs(percent) >= 99.95 else 1 if abs(percent) >= 10 else 2 if abs(percent) >= 1 else 3
    return f"{percent:.{digits}f}%" if percent else "0%"


def axis_share(value: float) -> str:
    """Return a share as an axis tells it."""
    return f"{value * 100:.3g}%"


def metric(value: float | None) -> str:
    """Return a metric with four decimals."""
    return NOTHING if value is None or math.isnan(value) else f"{value:.4f}"


def day(value: dt.date) -> str:
    """Return a day as a chart tells it, without its year."""
    return f"{value.day} {value:%b}"


def moment(value: dt.datetime | None) -> str:
    """Return a time to the minute."""
    return NOTHING if value is None else f"{value:%Y-%m-%d %H:%M}"


def length(seconds: float) -> str:
    """Return a length of time in its largest two units."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def period(first: dt.date, last: dt.date) -> str:
    """Return a period of days, said as shortly as is clear."""
    if first == last:
        return f"{first.day} {first:%b %Y}"
    if (first.year, first.month) == (last.year, last.month):
        return f"{first.day} to {last.day} {last:%b %Y}"
    return f"{day(first)}{'' if first.year == last.year else f' {first.year}'} to {day(last)} {last.year}"


def stratum(text: str) -> str:
    """Return a stratum or a slice, stored as a JSON object, by its values."""
    values: dict[str, Any] = json.loads(text)
    return " · ".join("none" if value is None else str(value) for value in values.values()) or "all"


def spaced(name: str) -> str:
    """Return a name of the code as words."""
    return name.replace("_", " ")


def metric_name(name: str, k: int | None = None) -> str:
    """Return a metric's name as people write it, with the places of the list that count."""
    written = name.upper().replace("_", "-") if name in _INITIALS else spaced(name)
    return written if k is None else f"{written}@{k}"
