"""A slice of a table: the part that one run replaces, told by typed values; never by text that could mean more."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from functools import reduce
from operator import and_

from pyspark.sql import Column
from pyspark.sql import functions as F

from winnow.errors import JobError

#: What a slice of a table is told by: a value, several, or None for null. An empty slice is the whole table.
Slice = Mapping[str, "dt.date | str | Sequence[dt.date] | None"]

_PLAIN_TEXT = re.compile(r"[A-Za-z0-9_:.-]{1,128}")


def in_slice(where: Slice) -> Column:
    """Return whether a row lies in the slice; never null."""
    conditions = (
        F.col(column).isNull() if value is None else F.coalesce(F.col(column).isin(several(value)), F.lit(False))
        for column, value in where.items()
    )
    return reduce(and_, conditions, F.lit(True))


def predicate(where: Slice) -> str:
    """Return the slice as the text that Delta asks for (replaceWhere).

    Raises JobError for a text that is no plain word.
    """
    return " AND ".join(f"{column} {_condition(value)}" for column, value in where.items())


def several(value: dt.date | str | Sequence[dt.date] | None) -> list[dt.date | str | None]:
    """Return the values that a column of the slice may have."""
    return list(value) if isinstance(value, list | tuple) else [value]  # type: ignore[list-item]


def _condition(value: dt.date | str | Sequence[dt.date] | None) -> str:
    if value is None:
        return "IS NULL"
    if isinstance(value, str):
        if not _PLAIN_TEXT.fullmatch(value):
            raise JobError(f"slice: expected a plain word, found {value!r}")
        return f"= '{value}'"
    if isinstance(value, dt.date):
        return f"= {_literal(value)}"
    return f"IN ({', '.join(_literal(day) for day in value)})"


def _literal(day: dt.date) -> str:
    return f"DATE'{day.isoformat()}'"
