"""What a feature is: declared once, with its name, its meaning, its default and its formula."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Literal

from pyspark.sql import Column
from pyspark.sql import functions as F

from winnow.contracts import HELPER, named

Kind = Literal["numeric", "flag", "category"]
Source = Literal["user", "media", "context", "cross"]


class Known:
    """What is known of a row: columns of its user, its media, the world as of the day, and its own context.

    Names that a formula asks for and that are not there are kept in ``missing``.
    """

    def __init__(self, columns: Collection[str]) -> None:
        """Know the columns of the joined rows."""
        self._columns = set(columns)
        self.missing: set[str] = set()

    def user(self, name: str) -> Column:
        """Return a column of the user as of the day."""
        return self._column(of_source("user", name), f"users.{name}")

    def media(self, name: str) -> Column:
        """Return a column of the media as of the day."""
        return self._column(of_source("media", name), f"media.{name}")

    def world(self, name: str) -> Column:
        """Return a column of what holds for all rows of the day."""
        return self._column(of_source("world", name), f"world.{name}")

    def context(self, name: str) -> Column:
        """Return a column of the row itself."""
        return self._column(name, name)

    def first_of(self, *asked: Callable[[Known], Column]) -> Column:
        """Return the first of several sources of one thing that is there and not null."""
        found = []
        for ask in asked:
            alone = Known(self._columns)
            column = ask(alone)
            if not alone.missing:
                found.append(column)
        if not found:
            return asked[0](self)
        return F.coalesce(*found)

    def _column(self, name: str, told: str) -> Column:
        if name not in self._columns:
            self.missing.add(told)
        return named(name)


#: What a feature is, in the terms of what is known of a row.
Formula = Callable[[Known], Column]


@dataclass(frozen=True)
class Feature:
    """A feature: one column of numbers that are never null."""

    name: str
    #: numeric: any number; flag: 1 or 0; category: a whole number that stands for a value.
    kind: Kind
    source: Source
    #: What it is where its source is missing, null, NaN or infinite.
    default: float
    doc: str
    of: Formula
    #: Days before the as-of day that it looks back on; None = none.
    window_days: int | None = None


@dataclass(frozen=True)
class ListFeature:
    """A feature that is a list of ids or words, array<string>, never null and without nulls: for models that embed them."""

    name: str
    source: Source
    doc: str
    of: Formula
    #: Days before the as-of day that it looks back on.
    window_days: int


def of_source(source: str, name: str) -> str:
    """Return the name that a column of a source has beside the row's own."""
    return f"{HELPER}{source}_{name}"
