"""Charts as inline SVG: lines over days, before and after, intervals, histograms, reliability curves, searches.

Each is as wide as a phone and is put beside others on wider pages. What a line or dot is stands next to it, and every value
can be read by hovering and in the table that goes with the chart.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from winnow.reporting import words
from winnow.reporting.svg import WIDTH, Scale, across, apart, box, document, dot, path, short, text, ticks, upright

_Told = Callable[[float], str]
_LEFT, _TOP, _BOTTOM = 44.0, 12.0, 24.0
_ROW = 24.0
#: Letters of a name that stands left of its row, or right of its line.
_NAME, _END = 17, 13


@dataclass(frozen=True)
class Line:
    """A line through values of days; ``colour`` is a number, the same for the same thing in all charts."""

    name: str
    points: Sequence[tuple[dt.date, float]]
    colour: int


@dataclass(frozen=True)
class Estimate:
    """A value and its interval; a name and what it is of."""

    name: str
    value: float
    low: float | None
    high: float | None
    colour: int


def days(title: str, lines: Sequence[Line], told: _Told, *, alarms: Sequence[tuple[dt.date, str, bool]] = ()) -> str:
    """Return lines over days from 0 on, each named at its end; ``alarms``: days that are marked, why, and whether it is grave."""
    shown = [line for line in lines if line.points]
    height, right = 190.0, WIDTH - 84.0
    every = sorted({day for line in shown for day, _ in line.points})
    levels = ticks(0.0, max(value for line in shown for _, value in line.points) or 1.0)
    x_of = Scale(every[0].toordinal(), every[-1].toordinal(), _LEFT + 8, right - 4)
    y_of = Scale(levels[0], levels[-1], height - _BOTTOM, _TOP + 8)
    parts = _levels(levels, y_of, right, told)
    parts += _days_below(every, x_of, height - 6)
    for day, why, is_grave in alarms:
        if every[0] <= day <= every[-1]:
            place = x_of(day.toordinal())
            parts += [
                upright("alarm", place, 8, height - _BOTTOM),
                dot("alarm-dot" if is_grave else "warn-dot", place, 7, 4, why),
            ]
    for line in shown:
        places = [(x_of(day.toordinal()), y_of(value)) for day, value in sorted(line.points)]
        parts.append(path(f"line s{line.colour}", places))
        for (x, y), (day, value) in zip(places, sorted(line.points), strict=True):
            parts.append(dot(f"mark f{line.colour}", x, y, 3, f"{line.name}, {day}: {told(value)}"))
    ends = [y_of(sorted(line.points)[-1][1]) + 4 for line in shown]
    for line, y in zip(shown, apart(ends, height - _BOTTOM + 4), strict=True):
        parts.append(text(right + 6, y, short(line.name, _END), f"name f{line.colour}"))
    return document(height, title, f"From {every[0]} to {every[-1]}: {', '.join(line.name for line in shown)}", parts)


def before_and_after(title: str, rows: Sequence[tuple[str, float, float, int]]) -> str:
    """Return a row each: its name, the share before (hollow) and after (filled) with the way between, and its colour."""
    left, right = 124.0, WIDTH - 14.0
    height = 42.0 + _ROW * len(rows)
    levels = ticks(0.0, max(max(before, after) for _, before, after, _ in rows) or 1.0, 6)
    x_of = Scale(levels[0], levels[-1], left, right)
    first = rows[0]
    legend = [text(x_of(first[1]), 12, "before", "told", _anchor(x_of(first[1]), left, right))]
    if abs(x_of(first[1]) - x_of(first[2])) > 60:
        legend.append(text(x_of(first[2]), 12, "after", f"name f{first[3]}", _anchor(x_of(first[2]), left, right)))
    parts = [*legend, *_levels_below(levels, x_of, 18, height - 20, words.axis_share)]
    for place, (name, before, after, colour) in enumerate(rows):
        y = 18 + _ROW * (place + 0.5)
        told = f"{name}: {words.share(before)} before, {words.share(after)} after"
        parts.append(text(left - 10, y + 4, short(name, _NAME), "entry", "end"))
        parts.append(across(f"way s{colour}", x_of(before), x_of(after), y))
        parts += [dot(f"hollow s{colour}", x_of(before), y, 3.5, told), dot(f"mark f{colour}", x_of(after), y, 4, told)]
    return document(height, title, "; ".join(f"{name} {words.share(after)}" for name, _, after, _ in rows[:5]), parts)


def intervals(title: str, estimates: Sequence[Estimate], told: _Told, *, zero: bool = True) -> str:
    """Return a row an estimate: its value with its interval; ``zero``: the axis begins at 0, or 0 is marked on it."""
    left, right = 116.0, WIDTH - 66.0
    height = 26.0 + _ROW * len(estimates)
    ends = [end for one in estimates for end in (one.low, one.value, one.high) if end is not None]
    low, high = min(ends), max(ends)
    levels = ticks(min(0.0, low) if zero else low, max(0.0, high) if zero else high, 4)
    x_of = Scale(levels[0], levels[-1], left, right)
    parts = _levels_below(levels, x_of, 4, height - 20, words.compact)
    if levels[0] < 0 < levels[-1]:
        parts.append(upright("zero", x_of(0.0), 2, height - 20))
    for place, one in enumerate(estimates):
        y = 4 + _ROW * (place + 0.5)
        known = one.low is not None and one.high is not None
        between = f" ({told(one.low)} to {told(one.high)})" if one.low is not None and one.high is not None else ""
        parts.append(text(left - 10, y + 4, short(one.name, _NAME), f"entry f{one.colour}", "end"))
        if one.low is not None and one.high is not None:
            parts.append(across(f"whisker s{one.colour}", x_of(one.low), x_of(one.high), y))
        parts.append(
            dot(
                f"mark f{one.colour}",
                x_of(one.value),
                y,
                4.5 if known else 4,
                one.name + ": " + told(one.value) + between,
            )
        )
        parts.append(text(WIDTH - 4, y + 4, told(one.value), "value", "end"))
    return document(height, title, "; ".join(f"{one.name} {told(one.value)}" for one in estimates), parts)


def histogram(title: str, bins: Sequence[tuple[float, int]], width: float, told: _Told, colour: int) -> str:
    """Return the rows of each bin, told by where it begins; all bins are ``width`` wide."""
    height, right = 170.0, WIDTH - 10.0
    first, last = bins[0][0], bins[-1][0] + width
    levels = ticks(0.0, max(rows for _, rows in bins) or 1.0, 4)
    x_of, y_of = Scale(first, last, _LEFT + 6, right), Scale(levels[0], levels[-1], height - _BOTTOM, _TOP)
    parts = _levels(levels, y_of, right, words.compact)
    for begins, rows in bins:
        x, y = x_of(begins), y_of(rows)
        said = f"{told(begins)} to {told(begins + width)}: {rows:,} rows"
        parts.append(box(f"f{colour}", x + 0.5, y, x_of(begins + width) - x - 1, height - _BOTTOM - y, said))
    marks = [level for level in ticks(first, last, 9) if first <= level <= last]
    parts += [text(x_of(level), height - 6, told(level), "told", "middle") for level in marks]
    return document(height, title, f"{sum(rows for _, rows in bins):,} rows from {told(first)} to {told(last)}", parts)


def reliability(title: str, bins: Sequence[tuple[float, float, int]], colour: int) -> str:
    """Return the reliability curve: (predicted, observed, rows) of each bin against the line on which they are equal."""
    height = 250.0
    levels = ticks(0.0, max(max(predicted, observed) for predicted, observed, _ in bins) or 1.0)
    x_of = Scale(levels[0], levels[-1], _LEFT + 8, WIDTH - 20.0)
    y_of = Scale(levels[0], levels[-1], height - 40, _TOP + 14)
    parts = _levels(levels, y_of, WIDTH - 20.0, words.axis_share)
    parts += [text(x_of(level), height - 22, words.axis_share(level), "told", "middle") for level in levels]
    parts.append(text(WIDTH - 20, height - 6, "predicted", "told", "end"))
    parts.append(text(0, 10, "observed"))
    parts.append(path("even", [(x_of(levels[0]), y_of(levels[0])), (x_of(levels[-1]), y_of(levels[-1]))]))
    ordered = sorted(bins)
    parts.append(path(f"line s{colour}", [(x_of(one), y_of(other)) for one, other, _ in ordered]))
    for predicted, observed, rows in ordered:
        said = f"predicted {words.share(predicted)}, observed {words.share(observed)} of {rows:,} rows"
        parts.append(dot(f"mark f{colour}", x_of(predicted), y_of(observed), 3.5, said))
    return document(height, title, f"{len(bins)} bins; on the dashed line predicted and observed are equal", parts)


def search(title: str, trials: Sequence[tuple[float, float, str]], told: _Told, *, best: bool) -> str:
    """Return a dot a trial: (where, value, what was tried); ``best``: with the line of the best value so far."""
    height, right = 190.0, WIDTH - 14.0
    values, places = [value for _, value, _ in trials], [place for place, _, _ in trials]
    levels, marks = ticks(min(values), max(values), 5), ticks(min(places), max(places), 6)
    x_of = Scale(min(places), max(places), _LEFT + 14, right - 8)
    y_of = Scale(levels[0], levels[-1], height - _BOTTOM, _TOP)
    parts = _levels(levels, y_of, right, told)
    inside = [mark for mark in marks if min(places) <= mark <= max(places)] or [places[0]]
    parts += [text(x_of(mark), height - 6, words.compact(mark), "told", "middle") for mark in inside]
    ordered = sorted(trials)
    top = max(values)
    if best:
        reached, steps = ordered[0][1], [(x_of(ordered[0][0]), y_of(ordered[0][1]))]
        for place, value, _ in ordered[1:]:
            steps.append((x_of(place), y_of(reached)))
            reached = max(reached, value)
            steps.append((x_of(place), y_of(reached)))
        parts.append(path("line s0", steps))
    for place, value, tried in ordered:
        kind = "mark f0" if value == top else "hollow s6"
        parts.append(dot(kind, x_of(place), y_of(value), 4.5 if value == top else 3.5, f"{tried}: {told(value)}"))
    return document(height, title, f"{len(trials)} trials, the best {told(top)}", parts)


def shares(title: str, rows: Sequence[tuple[str, int, Sequence[tuple[int, str]]]]) -> str:
    """Return a bar a row: its name, its rows in words, and (rows, class) of its parts; the first bar is the longest."""
    step, whole = 36.0, max(count for _, count, _ in rows) or 1
    height, length = step * len(rows) + 4, WIDTH - 4.0
    parts = []
    for place, (name, total, pieces) in enumerate(rows):
        y, x = step * place, 2.0
        parts += [text(2, y + 14, name, "entry"), text(WIDTH - 2, y + 14, f"{total:,}", "value", "end")]
        parts.append(box("track", 2, y + 20, length, 8))
        for rows_here, kind in pieces:
            wide = length * rows_here / whole
            parts.append(box(kind, x, y + 20, max(wide, 0.75 if rows_here else 0), 8, f"{name}: {rows_here:,}"))
            x += wide
    return document(height, title, "; ".join(f"{name} {total:,}" for name, total, _ in rows), parts)


def _levels(levels: Sequence[float], y_of: Scale, right: float, told: _Told) -> list[str]:
    parts = []
    for level in levels:
        parts.append(across("grid", _LEFT, right, y_of(level)))
        parts.append(text(_LEFT - 6, y_of(level) + 4, told(level), "told", "end"))
    return parts


def _levels_below(levels: Sequence[float], x_of: Scale, top: float, bottom: float, told: _Told) -> list[str]:
    parts = []
    for level in levels:
        parts.append(upright("grid", x_of(level), top, bottom))
        parts.append(text(x_of(level), bottom + 15, told(level), "told", "middle"))
    return parts


def _days_below(every: Sequence[dt.date], x_of: Scale, y: float) -> list[str]:
    """Name as many days as there is room for, from the first on, evenly."""
    step = max(1, -(-len(every) // 5))
    return [text(x_of(day.toordinal()), y, words.day(day), "told", "middle") for day in every[::step]]


def _anchor(place: float, left: float, right: float) -> str:
    return "start" if place < left + 24 else "end" if place > right - 24 else "middle"
