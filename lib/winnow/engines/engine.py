"""An engine, as tables.py sees it: Delta's tables and a few facts, told alike by all."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from typing import Literal, NamedTuple, Protocol

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import types as T

from winnow import schema
from winnow.errors import ConcurrentRunError
from winnow.slices import Slice, predicate

#: A setting that Spark always has and Sail never: by it a session over Connect is told apart.
_OF_SPARK = "spark.master"


#: How long a table keeps its log, and files that no version needs any more; the log first, since Delta refuses files that
#: outlive it.
_RETENTION = ("delta.logRetentionDuration", "delta.deletedFileRetentionDuration")

#: How a column may compare with a value: is it, is one of them, is less than it, has a match of it, a regular expression that Java
#: and Rust read alike.
Comparison = Literal["is", "among", "below", "matches"]
Value = int | str | dt.date


class Sizes(NamedTuple):
    """The files of a table."""

    files: int
    bytes: int


class Engine(Protocol):
    """What an engine does with Delta tables; a place is a path (with a slash) or catalog.schema.table.

    What commits raises ConcurrentRunError where another run's commit came first that it cannot go with.
    """

    #: Kinds of foreign files that the engine reads, faulty lines told.
    reads: frozenset[str]
    #: Whether models of Spark ML are fitted there.
    has_spark_ml: bool

    def exists(self, place: str) -> bool:
        """Return whether there is a Delta table."""

    def version(self, place: str) -> int:
        """Return the newest version of a table that is there."""

    def create(self, place: str, table: schema.Table, rows: DataFrame, days: int) -> None:
        """Make an empty table for such rows, that keeps its history for so many days; nothing happens where there is one."""

    def replace(self, place: str, rows: DataFrame, where: Slice, record: str, new_columns: list[str]) -> int:
        """Replace the slice by the rows in one commit that carries the record, and return its version.

        ``new_columns``: what the rows have and the table has not yet. Columns that only the table has become null.
        """

    def append(self, place: str, rows: DataFrame, new_columns: list[str]) -> None:
        """Add rows; appends do not disturb each other. ``new_columns``: as for ``replace``."""

    def property(self, place: str, name: str) -> str | None:
        """Return a property of a table that is there, None where it has none of the name."""

    def set_property(self, place: str, name: str, value: str) -> None:
        """Set a property of a table; its rows stay as they are."""

    def add_columns(self, place: str, columns: Sequence[schema.Column]) -> None:
        """Add columns, each with its meaning as comment, null in what is stored; no file of rows is written anew."""

    def is_gone(self, fault: Exception) -> bool:
        """Return whether the fault is that files of a former version, or the version itself, are there no more."""

    def last_changes(self, place: str, column: str, since: int, until: int) -> Mapping[str, int] | None:
        """Return, for each value of a partition column in whose rows a version changed something, the last such version.

        Versions after ``since`` and up to ``until``; rows without a value are left out. None where the log does not tell: it is
        no longer there, or names neither the column nor its values (a table that is not partitioned by it, or maps its names).
        """

    def sizes(self, place: str) -> Sizes:
        """Return how many files the newest version of a table has, and how large they are."""

    def compact(self, place: str) -> None:
        """Join small files; the rows stay as they are."""

    def vacuum(self, place: str, days: int) -> None:
        """Remove files of versions replaced more than ``days`` ago; from then on the table keeps others that long."""

    def delete(self, place: str, column: str, comparison: Comparison, *values: Value) -> None:
        """Delete the rows whose column compares so with the value (``among``: the values), whatever stands in it."""

    def parallelism(self) -> int:
        """Return the number of tasks that can run at once."""

    def describe(self, text: str) -> None:
        """Name the work that comes next, where the engine shows it."""

    def release(self) -> None:
        """Drop what fitted models hold in memory; they are worked out again where they are asked once more."""


def engine_of(spark: SparkSession) -> Engine:
    """Return the engine of the session."""
    # Each engine's packages are loaded only where it is the one.
    if spark.conf.get(_OF_SPARK, None) is None:
        from winnow.engines.sail import SailEngine

        return SailEngine(spark)
    from winnow.engines.spark import SparkEngine

    return SparkEngine(spark)


@contextmanager
def racing(place: str, lost_race: re.Pattern[str], what: str = "the table") -> Iterator[None]:
    """Commit within it: a fault by which the engine says that another commit came first becomes ConcurrentRunError.

    ``lost_race``: how the engine says it; ``what``: what both wanted to change.
    """
    try:
        yield
    except Exception as fault:  # of a class of its own, of Py4J's or of Connect's, as engine and session are
        lost = lost_race.search(str(fault))
        if lost is None:
            raise
        raise ConcurrentRunError(
            f"{place}: another run changed {what} at the same time, and won. Its result stands; run again if yours should. "
            f"({lost[0]})"
        ) from fault


def told_rows(where: Slice) -> str:
    """Return how a fault names the rows of a slice."""
    return f"the same rows ({predicate(where) or 'all'})"


def keep_history(engine: Engine, place: str, days: int) -> None:
    """Let a table keep for so many days what was replaced, and the versions that tell of it.

    Delta on Spark goes by the table's own properties, where it removes files and where it refuses to read former versions;
    what VACUUM is told is ignored. Runs that write meanwhile lose the race where a property is another one.
    """
    for name, kept in _history(days).items():
        if engine.property(place, name) != kept:
            engine.set_property(place, name, kept)


def _history(days: int) -> dict[str, str]:
    return dict.fromkeys(_RETENTION, f"interval {days} days")


def is_path(place: str) -> bool:
    """Return whether the place is a path, not a name in a catalog."""
    return "/" in place


def nullable(kind: T.StructType) -> T.StructType:
    """Return the columns, all of which may be null, as may what is in arrays.

    That a first log had no null in one is no promise of the next; and Sail writes no other arrays.
    """
    kinds = {
        field.name: T.ArrayType(field.dataType.elementType)
        if isinstance(field.dataType, T.ArrayType)
        else field.dataType
        for field in kind
    }
    return T.StructType([T.StructField(name, of, nullable=True) for name, of in kinds.items()])


def properties(table: schema.Table, rows: DataFrame, days: int) -> dict[str, str]:
    """Return a table's properties: its version, and for how many days it keeps its history.

    Statistics and dictionaries cost time on columns that no reader filters by.
    """
    filtered_by = [name for name in table.filtered_by if name in rows.columns and name not in table.partition]
    found = _history(days) | {
        "delta.dataSkippingStatsColumns": ",".join(filtered_by),
        schema.VERSION_PROPERTY: str(table.version),
    }
    for name in rows.columns:
        if any(fnmatchcase(name, pattern) for pattern in table.high_cardinality):
            found[f"parquet.enable.dictionary#{name}"] = "false"
    return {name: value for name, value in found.items() if value}
