"""The parts of a chart: scales, ticks, and elements of SVG whose colours are the page's variables."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from xml.sax.saxutils import escape

#: Width of every chart in its own units: that of a phone, so that text is as large there as it is elsewhere.
WIDTH = 360
#: Colours that tell things apart; a page's style sheet has as many (--c0, --c1, ...).
COLOURS = 7
#: Lines of text are so far apart, at least.
_LINE = 13.0
#: Digits of a round step between ticks.
_ROUND = (1.0, 2.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True)
class Scale:
    """Values to places: ``low`` is at ``start``, ``high`` at ``end``; a single value is put in the middle."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Return the place of a value."""
        span = self.high - self.low
        return self.start + (self.end - self.start) * ((value - self.low) / span if span else 0.5)


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Return round numbers, evenly spaced and ``most`` at most, from at or below ``low`` to at or above ``high``."""
    if high - low <= 1e-9 * max(abs(low), abs(high), 1e-9):  # one value, or what differs by its rounding only
        half = abs(high) / 2 if abs(high) > 1e-9 else 0.5
        low, high = low - half, high + half
    rough = (high - low) / max(1, most - 1)
    power = 10.0 ** math.floor(math.log10(rough))
    for step in (digit * power * ten for ten in (1.0, 10.0) for digit in _ROUND):
        first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
        if last - first + 1 <= most:
            return [step * place for place in range(first, last + 1)]
    return [low, high]


def apart(places: Sequence[float], lowest: float) -> list[float]:
    """Return the places moved as little as keeps a line of text between any two, none beyond ``lowest``."""
    order = sorted(range(len(places)), key=lambda index: places[index])
    moved = list(places)
    for before, index in pairwise(order):
        moved[index] = max(moved[index], moved[before] + _LINE)
    limit = lowest
    for index in reversed(order):
        moved[index] = min(moved[index], limit)
        limit = moved[index] - _LINE
    return moved


def text(x: float, y: float, words: str, kind: str = "told", anchor: str = "start") -> str:
    """Return words at a place; ``kind`` is a class of the style sheet."""
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def path(kind: str, places: Iterable[tuple[float, float]]) -> str:
    """Return a line through the places."""
    return f'<path class="{kind}" d="M{"L".join(f"{x:.1f} {y:.1f}" for x, y in places)}"/>'


def across(kind: str, x1: float, x2: float, y: float) -> str:
    """Return a level line."""
    return f'<path class="{kind}" d="M{x1:.1f} {y:.1f}H{x2:.1f}"/>'


def upright(kind: str, x: float, y1: float, y2: float) -> str:
    """Return an upright line."""
    return f'<path class="{kind}" d="M{x:.1f} {y1:.1f}V{y2:.1f}"/>'


def box(kind: str, x: float, y: float, width: float, height: float, told: str = "") -> str:
    """Return a filled box, with what it tells on hover."""
    size = f'width="{max(0.0, width):.1f}" height="{max(0.0, height):.1f}"'
    return f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" {size} rx="1.5">{_hover(told)}</rect>'


def dot(kind: str, x: float, y: float, radius: float = 3.5, told: str = "") -> str:
    """Return a dot, with what it tells on hover."""
    return f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}">{_hover(told)}</circle>'


def short(words: str, letters: int) -> str:
    """Return the words, cut to so many letters."""
    return words if len(words) <= letters else words[: letters - 1].rstrip() + "…"


def document(height: float, title: str, told: str, parts: Iterable[str]) -> str:
    """Return the SVG; ``told`` says in words what it shows, for who cannot see it."""
    return (
        f'<svg viewBox="0 0 {WIDTH} {height:g}" role="img" aria-label="{_attribute(f"{title}. {told}")}">'
        + "".join(parts)
        + "</svg>"
    )


def _hover(told: str) -> str:
    return f"<title>{escape(told)}</title>" if told else ""


def _attribute(words: str) -> str:
    return escape(words, {'"': "&quot;", "\n": " "})
