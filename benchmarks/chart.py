"""Small charts as SVG, side by side, readable on light and on dark pages: lines over numbers, and bars."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 460, 320
_LEFT, _RIGHT, _TOP, _BOTTOM = 48, 142, 52, 50
_NAMES_WIDTH = 190
#: Lines of text are so far apart, at least.
_LINE = 14
#: Colour on light and on dark of each style, and its marker.
_STYLES = (
    ("#d9480f", "#ff922b", "circle"),
    ("#1864ab", "#4dabf7", "square"),
    ("#2b8a3e", "#69db7c", "diamond"),
    ("#862e9c", "#da77f2", "triangle"),
    ("#5f6b76", "#a5b0bb", "circle"),
    ("#0b7285", "#3bc9db", "diamond"),
    ("#a61e4d", "#f783ac", "triangle"),
)


@dataclass(frozen=True)
class Line:
    """A line through points; ``style`` is a number, the same for the same thing in all charts."""

    name: str
    points: Sequence[tuple[float, float]]
    style: int


@dataclass(frozen=True)
class Lines:
    """Lines over an x that is logarithmic, or even; y is logarithmic too, or begins at 0."""

    title: str
    x_title: str
    lines: Sequence[Line]
    is_log: bool = True
    is_log_x: bool = True


@dataclass(frozen=True)
class Bars:
    """Horizontal bars from 0: name, value and style of each."""

    title: str
    bars: Sequence[tuple[str, float, int]]


def svg(panels: Sequence[Lines | Bars]) -> str:
    """Return the panels side by side as one SVG document."""
    width = WIDTH * len(panels)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {HEIGHT}" width="{width}" height="{HEIGHT}" role="img">',
        f"<title>{escape('; '.join(panel.title for panel in panels))}</title>",
        f"<style>{_css()}</style>",
        f'<rect class="page" width="{width}" height="{HEIGHT}"/>',
    ]
    for place, panel in enumerate(panels):
        drawn = _lines(panel) if isinstance(panel, Lines) else _bars(panel)
        parts += [f'<g transform="translate({WIDTH * place} 0)">', _text(12, 24, panel.title, "title"), *drawn, "</g>"]
    return "\n".join([*parts, "</svg>"]) + "\n"


def short(value: float) -> str:
    """Return a number as an axis tells it: 100k, 20M, 0.5."""
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


def _lines(panel: Lines) -> list[str]:
    points = [point for line in panel.lines for point in line.points]
    if not points:
        return [_text(_LEFT, HEIGHT / 2, "not measured", "told")]
    ticks = sorted({x for x, _ in points})
    x_of = _scale(ticks[0], ticks[-1], _LEFT + 8, WIDTH - _RIGHT - 8, math.log if panel.is_log_x else float)
    low, high = min(y for _, y in points), max(y for _, y in points)
    levels = _log_levels(low, high) if panel.is_log else _levels(high)
    y_of = _scale(levels[0], levels[-1], HEIGHT - _BOTTOM, _TOP, math.log if panel.is_log else float)
    parts = [_text((_LEFT + WIDTH - _RIGHT) / 2, HEIGHT - 12, panel.x_title, "told", "middle")]
    for level in levels:
        parts.append(f'<path class="grid" d="M{_LEFT} {y_of(level):.1f}H{WIDTH - _RIGHT}"/>')
        parts.append(_text(_LEFT - 7, y_of(level) + 4, short(level), "told", "end"))
    parts += [_text(x_of(x), HEIGHT - _BOTTOM + 18, short(x), "told", "middle") for x in ticks]
    drawn = [line for line in panel.lines if line.points]
    for line in drawn:
        path = "L".join(f"{x_of(x):.1f} {y_of(y):.1f}" for x, y in sorted(line.points))
        parts.append(f'<path class="line s{line.style}" d="M{path}"/>')
        parts += [_marker(x_of(x), y_of(y), line.style) for x, y in line.points]
    ends = [y_of(max(line.points)[1]) for line in drawn]
    for line, y in zip(drawn, _apart(ends), strict=True):
        parts.append(_text(WIDTH - _RIGHT + 8, y + 4, line.name, f"name f{line.style}"))
    return parts


def _bars(panel: Bars) -> list[str]:
    if not panel.bars:
        return [_text(_LEFT, HEIGHT / 2, "not measured", "told")]
    longest = max(value for _, value, _ in panel.bars)
    step = min(44.0, (HEIGHT - _TOP - 20) / len(panel.bars))
    parts = []
    for place, (name, value, style) in enumerate(panel.bars):
        y, length = _TOP + step * place, (WIDTH - _NAMES_WIDTH - 62) * value / longest
        parts.append(_text(_NAMES_WIDTH - 8, y + step / 2 + 1, name, "told", "end"))
        parts.append(
            f'<rect class="f{style}" x="{_NAMES_WIDTH}" y="{y + step / 2 - 12:.1f}" width="{length:.1f}" height="18" rx="2"/>'
        )
        parts.append(_text(_NAMES_WIDTH + length + 6, y + step / 2 + 1, f"{value:,.1f}", "told"))
    return parts


def _scale(low: float, high: float, start: float, end: float, of: Callable[[float], float]) -> Callable[[float], float]:
    """Return the function from values to places; a single value is put in the middle."""
    span = of(high) - of(low)
    return lambda value: start + (end - start) * ((of(value) - of(low)) / span if span else 0.5)


def _log_levels(low: float, high: float) -> list[float]:
    """Return 1, 2 and 5 of the powers of ten, from the last one below to the first one above."""
    powers = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 2)
    all_levels = [digit * 10.0**power for power in powers for digit in (1, 2, 5)]
    below = max(level for level in all_levels if level <= low)
    above = min(level for level in all_levels if level >= high)
    return [level for level in all_levels if below <= level <= above]


def _levels(high: float) -> list[float]:
    """Return some five even levels from 0 on."""
    step = next(step for step in _log_levels(high / 100, high) if high / step <= 5)
    return [step * place for place in range(math.ceil(high / step) + 1)]


def _apart(places: Sequence[float]) -> list[float]:
    """Return the places moved as little as keeps a line of text between any two."""
    moved = dict.fromkeys(range(len(places)), 0.0)
    order = sorted(moved, key=lambda index: places[index])
    for before, index in zip([None, *order], order, strict=False):
        moved[index] = places[index] if before is None else max(places[index], moved[before] + _LINE)
    excess = max(0.0, max(moved.values()) - (HEIGHT - _BOTTOM))
    for after, index in zip([None, *reversed(order)], reversed(order), strict=False):
        moved[index] = moved[index] - excess if after is None else min(moved[index], moved[after] - _LINE)
    return list(moved.values())


def _marker(x: float, y: float, style: int) -> str:
    corners = {"square": "-4-4h8v8h-8z", "diamond": "0-5.5l5.5 5.5l-5.5 5.5l-5.5-5.5z", "triangle": "0-5l5 9h-10z"}
    kind = _STYLES[style][2]
    if kind == "circle":
        return f'<circle class="f{style} mark" cx="{x:.1f}" cy="{y:.1f}" r="4.5"/>'
    return f'<path class="f{style} mark" transform="translate({x:.1f} {y:.1f})" d="m{corners[kind]}"/>'


def _text(x: float, y: float, text: str, kind: str, anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _css() -> str:
    light = _colours("#ffffff", "#1f2328", "#59636e", "#d8dee4", [style[0] for style in _STYLES])
    dark = _colours("#0d1117", "#f0f6fc", "#9198a1", "#30363d", [style[1] for style in _STYLES])
    return (
        "text{font:12px system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif}"
        ".title{font-size:14px;font-weight:600}.name{font-weight:600}"
        ".line{fill:none;stroke-width:2;stroke-linejoin:round}.grid{stroke-width:1}"
        f"{light}@media(prefers-color-scheme:dark){{{dark}}}"
    )


def _colours(page: str, title: str, told: str, grid: str, styles: Sequence[str]) -> str:
    own = "".join(f".s{place}{{stroke:{colour}}}.f{place}{{fill:{colour}}}" for place, colour in enumerate(styles))
    return f".page{{fill:{page}}}.title{{fill:{title}}}.told{{fill:{told}}}.grid{{stroke:{grid}}}.mark{{stroke:{page}}}{own}"
