"""What a column and a table are: names that know their types and their meaning."""

from __future__ import annotations

from dataclasses import dataclass


class Column(str):
    """A column's name that knows its types (Spark DDL; the first is the one we write) and its meaning."""

    types: tuple[str, ...]
    doc: str
    is_required: bool
    since: int

    def __new__(cls, name: str, types: str, doc: str, *, is_required: bool = True, since: int = 1) -> Column:
        """Make the name; ``types`` are alternatives, split by ``|``; ``since``: the version of our tables that brought it."""
        column = super().__new__(cls, name)
        column.types = tuple(types.split("|"))
        column.doc = doc
        column.is_required = is_required
        column.since = since
        return column

    @property
    def type(self) -> str:
        """The type that Winnow itself writes."""
        return self.types[0]


#: The property of a stored table that tells the version of its columns; a table without it is of version 1.
VERSION_PROPERTY = "winnow.schema_version"


@dataclass(frozen=True)
class Table:
    """A stored table: its columns, its key and what it is for."""

    name: str
    doc: str
    columns: tuple[Column, ...]
    key: tuple[Column, ...] = ()
    partition: tuple[Column, ...] = ()
    #: The columns that readers filter by: Delta keeps minima and maxima of these only.
    filtered_by: tuple[Column, ...] = ()
    #: Columns of so many values that a Parquet dictionary costs time and saves no space; * stands for any label.
    high_cardinality: tuple[Column, ...] = ()

    @property
    def version(self) -> int:
        """The version of the table's columns: that of the newest of them."""
        return max(column.since for column in self.columns)

    def brought_by(self, version: int) -> list[Column]:
        """Return the columns that versions after the first and up to this one brought."""
        return [column for column in self.columns if 1 < column.since <= version]

    @property
    def ddl(self) -> str:
        """The columns as a DDL string, each in the type that Winnow writes."""
        return ", ".join(f"{column} {column.type}" for column in self.columns)

    def __str__(self) -> str:
        """Return the table's name."""
        return self.name
