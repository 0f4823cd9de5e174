"""What a page is made of: sections of figures, tables, facts and lists, each plain data that the template lays out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar


@dataclass(frozen=True)
class Cell:
    """What a table shows, and what it is sorted by where that is a number."""

    text: str
    number: float | None = None

    @property
    def is_number(self) -> bool:
        """Whether it stands at the right."""
        return self.number is not None


@dataclass(frozen=True)
class Grid:
    """A table; ``caption`` says what it holds."""

    kind: ClassVar[str] = "grid"
    caption: str
    heads: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    #: Heads of columns that hold numbers: those stand at the right.
    numbers: frozenset[str] = frozenset()
    #: Behind a click where a figure shows the same.
    is_folded: bool = False


@dataclass(frozen=True)
class Figure:
    """A chart with its title, and a sentence on how to read it."""

    title: str
    svg: str
    note: str = ""


@dataclass(frozen=True)
class Figures:
    """Charts side by side, as many as the page is wide for."""

    kind: ClassVar[str] = "figures"
    figures: Sequence[Figure]


@dataclass(frozen=True)
class Fact:
    """A number that says much, and what it is."""

    value: str
    name: str
    note: str = ""
    is_alarming: bool = False


@dataclass(frozen=True)
class Facts:
    """Numbers side by side."""

    kind: ClassVar[str] = "facts"
    facts: Sequence[Fact]


@dataclass(frozen=True)
class Note:
    """A sentence; ``tone``: plain, good or alarm."""

    kind: ClassVar[str] = "note"
    text: str
    tone: str = "plain"


@dataclass(frozen=True)
class Entry:
    """A media of a list: its title, what more is known, and whether the user went on to engage with it."""

    title: str
    told: str = ""
    is_hit: bool = False


@dataclass(frozen=True)
class Listing:
    """Media in order, with the name of the list."""

    name: str
    entries: Sequence[Entry]
    nothing: str = "nothing"
    is_ranked: bool = True


@dataclass(frozen=True)
class Person:
    """A user: what they watched beside what they were offered."""

    kind: ClassVar[str] = "person"
    name: str
    told: str
    lists: Sequence[Listing]


@dataclass(frozen=True)
class Source:
    """A text such as a conf, behind a click."""

    kind: ClassVar[str] = "conf"
    summary: str
    text: str


Part = Grid | Figures | Facts | Note | Person | Source


@dataclass(frozen=True)
class Section:
    """A section of the page; without parts, ``missing`` says what is not there and which job makes it."""

    name: str
    title: str
    lead: str
    parts: Sequence[Part] = field(default=())
    missing: str = ""


def grid(caption: str, heads: Sequence[str], rows: Sequence[Sequence[Cell]], *, is_folded: bool = False) -> Grid:
    """Return the table, with its columns of numbers known."""
    numbers = {head for place, head in enumerate(heads) if rows and all(_stands_right(row[place]) for row in rows)}
    return Grid(caption, heads, rows, frozenset(numbers - {heads[0]}), is_folded)


def _stands_right(cell: Cell) -> bool:
    return cell.is_number or cell.text == "–"
