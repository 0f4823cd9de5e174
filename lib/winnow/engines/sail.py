"""Sail, a Rust engine that speaks Spark Connect, with delta-rs beside it for what Sail does not do with Delta tables.

Known of Sail 0.7, each held by a test: it has no history and no properties of tables; replaceWhere takes rows outside its
slice, and drops new columns, without a word; missing columns are refused; of two commits at a time one is lost, even on
other days; and a line of text that does not fit ends the job.
"""

from __future__ import annotations

import datetime as dt
import logging
import os
import random
import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import cast

import pyarrow as pa
from deltalake import DeltaTable, Field, Schema
from deltalake.exceptions import DeltaError
from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from winnow import schema
from winnow.engines.engine import (
    Comparison,
    Sizes,
    Value,
    is_path,
    keep_history,
    nullable,
    properties,
    racing,
    told_rows,
)
from winnow.errors import SettingsError
from winnow.slices import Slice, in_slice, predicate, several

_LOG = logging.getLogger("winnow")
#: How Sail and delta-rs say that another commit came first.
_LOST_RACE = re.compile("Failed to commit transaction")
#: Tries of a write that other slices' commits came before, and seconds between two of them.
_TRIES = 10
_WAIT_S = 0.5
#: Bytes at which a task begins another file: it has each in memory until it is whole. Sail's own number is 100 MB.
_LARGEST_FILE = 128 * 1024 * 1024
#: What delta-rs calls a file, and the value of a partition's column in it.
_FILE = "path"
_PARTITION = "partition."

#: How Sail says that a version, or a file of it, is there no more; a commit lost from the middle is another fault.
_GONE = re.compile(r"Object at location \S+ not found|Missing commit file: expected (final version|version 0,)")

_CONDITIONS: Mapping[Comparison, str] = {
    "is": "{} = {}",
    "among": "{} IN ({})",
    "below": "{} < {}",
    "matches": "{} ~ {}",
}


class SailEngine:
    """Sail; its tables are told by path only."""

    reads = frozenset({"delta", "parquet"})
    has_spark_ml = False

    def __init__(self, spark: SparkSession) -> None:
        """Keep the session."""
        self._spark = spark

    def exists(self, place: str) -> bool:
        """Return whether there is a Delta table."""
        return DeltaTable.is_deltatable(_path(place))

    def version(self, place: str) -> int:
        """Return the newest version of a table that is there."""
        return DeltaTable(_path(place)).version()

    def create(self, place: str, table: schema.Table, rows: DataFrame, days: int) -> None:
        """Make an empty table for such rows, that keeps its history for so many days; nothing happens where there is one."""
        own = {name: value for name, value in properties(table, rows, days).items() if name.startswith("delta.")}
        DeltaTable.create(
            _path(place),
            schema=Schema.from_json(nullable(rows.schema).json()),
            mode="ignore",
            partition_by=list(map(str, table.partition)),
            description=table.doc,
            configuration=own,
        )
        if table.version > 1 and self.property(place, schema.VERSION_PROPERTY) is None:  # nor is it taken at creation
            self.set_property(place, schema.VERSION_PROPERTY, str(table.version))

    def replace(self, place: str, rows: DataFrame, where: Slice, record: str, new_columns: list[str]) -> int:
        """Replace the slice by the rows in one commit that carries the record, and return its version."""
        with racing(place, _LOST_RACE, told_rows(where)):
            return self._replace(place, rows, where, record, new_columns)

    def _replace(self, place: str, rows: DataFrame, where: Slice, record: str, new_columns: list[str]) -> int:
        _add_columns(_path(place), rows, new_columns)
        stored = DeltaTable(_path(place))
        # In a union with nothing of the table the rows take on its columns: those that they lack are null, and the arrays
        # are named as stored ones are, without which Sail cannot write them.
        nothing = self._spark.read.format("delta").load(_path(place)).where(F.lit(False))
        whole = nothing.unionByName(rows.where(_inside(where)), allowMissingColumns=True)
        # Sail sorts all rows by the columns of the partitions, in memory, but for those that are constants.
        for name, value in where.items():
            if isinstance(value, dt.date | str):
                whole = whole.withColumn(name, F.lit(value))
        writer = whole.write.format("delta").mode("overwrite").option("userMetadata", record)
        writer = writer.option("targetFileSize", str(_LARGEST_FILE))
        if where:
            writer = writer.option("replaceWhere", predicate(where))
        before = stored.version()
        mine = _files(stored, where)
        _commit(lambda: writer.save(_path(place)), lambda: _files(DeltaTable(_path(place)), where) == mine)
        stored = DeltaTable(_path(place))
        if stored.version() == before:  # nothing in the place of nothing is no commit
            return before
        commits = stored.history(stored.version() - before)
        return max(int(commit["version"]) for commit in commits if commit.get("userMetadata") == record)

    def append(self, place: str, rows: DataFrame, new_columns: list[str]) -> None:
        """Add rows; appends do not disturb each other."""
        with racing(place, _LOST_RACE):
            _add_columns(_path(place), rows, new_columns)
            _commit(lambda: rows.write.format("delta").mode("append").save(_path(place)), lambda: True)

    def property(self, place: str, name: str) -> str | None:
        """Return a property of a table that is there, None where it has none of the name."""
        return DeltaTable(_path(place)).metadata().configuration.get(name)

    def set_property(self, place: str, name: str, value: str) -> None:
        """Set a property of a table; its rows stay as they are."""
        with racing(place, _LOST_RACE):
            try:
                DeltaTable(_path(place)).alter.set_table_properties({name: value}, raise_if_not_exists=False)
            except DeltaError:
                if self.property(place, name) != value:  # another run may have set it meanwhile
                    raise

    def add_columns(self, place: str, columns: Sequence[schema.Column]) -> None:
        """Add columns, each with its meaning as comment, null in what is stored."""
        kinds = cast(T.StructType, T.StructType.fromDDL(", ".join(f"{column} {column.type}" for column in columns)))
        told = [
            T.StructField(column, kind.dataType, nullable=True, metadata={"comment": column.doc})
            for column, kind in zip(columns, kinds.fields, strict=True)
        ]
        with racing(place, _LOST_RACE):
            DeltaTable(_path(place)).alter.add_columns([Field.from_json(field.json()) for field in told])

    def is_gone(self, fault: Exception) -> bool:
        """Return whether the fault is that files of a former version, or the version itself, are there no more."""
        return _GONE.search(str(fault)) is not None

    def last_changes(self, place: str, column: str, since: int, until: int) -> Mapping[str, int] | None:
        """Return, for each value of a partition column in whose rows a version changed something, the last such version.

        A file that was only written anew (OPTIMIZE) counts as a change.
        """
        name = _PARTITION + column
        last: dict[str, int] = {}
        try:
            before = _partitions(_path(place), since, name)
            for version in range(since + 1, until + 1):
                after = _partitions(_path(place), version, name)
                last.update(dict.fromkeys((value for value, _ in before ^ after), version))
                before = after
        except (DeltaError, KeyError):  # the log is kept for 30 days; another table has other partitions
            return None
        return last

    def sizes(self, place: str) -> Sizes:
        """Return how many files the newest version of a table has, and how large they are."""
        sizes = pa.table(DeltaTable(_path(place)).get_add_actions(flatten=True))["size_bytes"].to_pylist()
        return Sizes(len(sizes), sum(sizes))

    def compact(self, place: str) -> None:
        """Join small files; the rows stay as they are."""
        with racing(place, _LOST_RACE):
            DeltaTable(_path(place)).optimize.compact()

    def vacuum(self, place: str, days: int) -> None:
        """Remove files of versions replaced more than ``days`` ago; from then on the table keeps others that long."""
        keep_history(self, place, days)  # delta-rs refuses fewer than the table's own
        DeltaTable(_path(place)).vacuum(days * 24, dry_run=False)

    def delete(self, place: str, column: str, comparison: Comparison, *values: Value) -> None:
        """Delete the rows whose column compares so with the values, which stand in the condition as quoted literals."""
        name = '"' + column.replace('"', '""') + '"'
        with racing(place, _LOST_RACE):
            DeltaTable(_path(place)).delete(_CONDITIONS[comparison].format(name, ", ".join(map(_literal, values))))

    def parallelism(self) -> int:
        """Return the number of tasks that can run at once."""
        return os.cpu_count() or 1

    def describe(self, text: str) -> None:
        """Say nothing: Sail has no screen for it."""

    def release(self) -> None:
        """Do nothing: no model of Spark ML is fitted here."""


def _add_columns(path: str, rows: DataFrame, names: list[str]) -> None:
    """Add columns of the rows to a table, null in what is stored."""
    if names:
        fields = [field for field in nullable(rows.schema) if field.name in names]
        DeltaTable(path).alter.add_columns([Field.from_json(field.json()) for field in fields])


def _commit(write: Callable[[], None], is_undisturbed: Callable[[], bool]) -> None:
    """Write, again while commits that do not disturb it come first; nothing of a lost try is seen by readers."""
    for attempt in range(_TRIES):
        try:
            write()
            return
        except PySparkException as fault:
            if not _LOST_RACE.search(str(fault)) or attempt == _TRIES - 1 or not is_undisturbed():
                raise
            _LOG.debug("another commit came first; writing again")
            time.sleep(_WAIT_S * (1 + random.random()))


def _inside(where: Slice) -> Column:
    """Return true for a row of the slice; any other fails the write, as Delta on Spark does by itself."""
    told = F.raise_error(F.lit(f"rows outside the slice {predicate(where)} that they should replace"))
    return F.when(in_slice(where), F.lit(True)).otherwise(told.cast("boolean"))


def _files(stored: DeltaTable, where: Slice) -> set[str]:
    """Return the files in which rows of the slice may be: those of its partitions."""
    actions = pa.table(stored.get_add_actions(flatten=True))
    told = {_PARTITION + column: several(value) for column, value in where.items()}
    known = {name: values for name, values in told.items() if name in actions.column_names}
    files = actions.select([_FILE, *known]).to_pylist()
    return {file[_FILE] for file in files if all(file[name] in values for name, values in known.items())}


def _partitions(path: str, version: int, name: str) -> set[tuple[str, str]]:
    """Return the files of a version, each with the text of its value in a partition's column, as far as it has one."""
    actions = pa.table(DeltaTable(path, version=version).get_add_actions(flatten=True)).select([name, _FILE])
    pairs = zip(*actions.to_pydict().values(), strict=True)
    return {(str(value), file) for value, file in pairs if value is not None}


def _path(place: str) -> str:
    """Return the place; Sail knows no catalog that outlives it."""
    if not is_path(place):
        raise SettingsError(f"[tables]: expected a path, as Sail reads tables by path only, found the name {place}")
    return place


def _literal(value: Value) -> str:
    """Return the value as DataFusion's SQL quotes it."""
    return str(value) if isinstance(value, int) else "'" + str(value).replace("'", "''") + "'"
