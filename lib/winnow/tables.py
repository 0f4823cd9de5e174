"""The only reader and writer of Delta: tables by name, pinned versions, days replaced whole or not at all."""

from __future__ import annotations

import datetime as dt
import re
import time
from collections.abc import Mapping, Sequence
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

import winnow
from winnow import foreign, schema
from winnow.config import Settings
from winnow.contracts import repeated_keys
from winnow.engines import Comparison, Sizes, Value, engine_of, is_path
from winnow.errors import ContractError, DataError, InputNotReadyError
from winnow.local import fetch, local_rows
from winnow.slices import Slice, in_slice

#: What Delta refuses in a column's name.
_ODD_NAME = re.compile(r"[ ,;{}()\n\t=]")
#: Tries to make a table that another run may be making, each after twice the time of the last one (0.2 s to 6.4 s).
_LOOKS = 7


class Tables:
    """The tables of one run, each where conf says, or at ROOT/<name>."""

    def __init__(self, spark: SparkSession, settings: Settings, root: str, *, is_dry: bool = False) -> None:
        """Keep the session and the places; nothing is read. ``is_dry``: writes are left out."""
        self.spark = spark
        self.settings = settings
        self.root = root.rstrip("/")
        self.is_dry = is_dry
        self._engine = engine_of(spark)
        #: Version of each input table, as it was first looked at: every read of the run sees that one.
        self.pinned: dict[str, int] = {}
        #: Version that each write of the run made.
        self.written: dict[str, int] = {}
        #: Tables of others whose keys were found to stand for one row each.
        self._with_keys: set[str] = set()
        #: Version of the columns of each table that was looked at.
        self._schema_versions: dict[str, int] = {}

    def location(self, table: schema.Table) -> str:
        """Return where the table is: catalog.schema.table, or a path."""
        return self.settings.tables.locations.get(table.name, f"{self.root}/{table.name}")

    def exists(self, table: schema.Table) -> bool:
        """Return whether the table has been made."""
        return self._engine.exists(self.location(table))

    def pin(self, table: schema.Table) -> int:
        """Return the version that the run reads the table at: its newest when the run first asked.

        Raises InputNotReadyError where there is no such table.
        """
        if table.name not in self.pinned:
            if not self.exists(table):
                raise InputNotReadyError(
                    f"{table}: expected a Delta table at {self.location(table)}, found none. Write it first, or give "
                    f"--root or [tables] {table} = the place where it is."
                )
            self.pinned[table.name] = self._engine.version(self.location(table))
        return self.pinned[table.name]

    def read(self, table: schema.Table, version: int | None = None) -> DataFrame:
        """Return the rows of the table at a version, by default the pinned one."""
        pinned = self.pin(table) if version is None else version
        self.schema_version(table)
        reader = self.spark.read.format("delta").option("versionAsOf", pinned)
        place = self.location(table)
        return _whole(table, reader.load(place) if is_path(place) else reader.table(place))

    def read_if_there(self, table: schema.Table) -> DataFrame | None:
        """Return the rows of a table that a service may not have, at the pinned version; None where it is not there.

        Raises DataError where several rows have one key: whatever is joined with them would be there as often.
        """
        if not self.exists(table):
            return None
        rows = self.read(table)
        if table.name not in self._with_keys:
            _check_keys(table, rows, f"{self.location(table)} at version {self.pinned[table.name]}")
            self._with_keys.add(table.name)
        return rows

    def read_latest(self, table: schema.Table) -> DataFrame | None:
        """Return the rows of a table of our own as they are now, None where it was never written."""
        rows = self._stored(table)
        return None if rows is None else _whole(table, rows)

    def read_slice(self, table: schema.Table, where: Slice) -> DataFrame | None:
        """Return the rows of a slice of a table of our own as they are now, None where it was never written."""
        rows = self.read_latest(table)
        return None if rows is None else rows.where(in_slice(where))

    def replace(
        self, table: schema.Table, rows: DataFrame, where: Slice, *, record: str, files: int | None = None
    ) -> int | None:
        """Replace the slice by the rows, in one commit: readers see the former rows or the new ones, nothing between.

        An empty slice is the whole table.

        ``record``: the run, as JSON, kept with the commit (userMetadata). ``files``: as many files at most. Rows outside
        the slice are refused by Delta. Returns the version that was made, None in a dry run.

        Raises ConcurrentRunError when another run replaced the same slice meanwhile, ContractError when the stored table
        has other types.
        """
        if self.is_dry:
            return None
        odd = [name for name in rows.columns if _ODD_NAME.search(name)]
        if odd:
            raise ContractError(f"{table}: expected column names that Delta stores, found {odd}. Rename or drop them.")
        self._ensure(table, rows)
        written = rows if files is None else rows.coalesce(files)
        new_columns = self._new_columns(table, rows)
        version = self._engine.replace(self.location(table), written, where, record, new_columns)
        self.written[table.name] = version
        return version

    def append(self, table: schema.Table, rows: DataFrame) -> None:
        """Add rows to a table that only grows; appends do not disturb each other."""
        self._ensure(table, rows)
        self._engine.append(self.location(table), rows, self._new_columns(table, rows))

    def local(self, table: schema.Table, records: Sequence[Mapping[str, Any]]) -> DataFrame:
        """Return rows made of the driver's own values, with the columns of the table."""
        values = [tuple(record[column] for column in table.columns) for record in records]
        return local_rows(self.spark, values, table.ddl)

    def read_files(self, files: Sequence[str], kind: str, options: Mapping[str, str]) -> DataFrame:
        """Return the rows of foreign files as they are; see ``foreign.read_files``."""
        return foreign.read_files(self.spark, files, kind, options, self._engine.reads)

    def is_gone(self, fault: Exception) -> bool:
        """Return whether the fault is that files of a former version of a table are there no more."""
        return self._engine.is_gone(fault)

    def schema_version(self, table: schema.Table) -> int:
        """Return the version of the columns of a table that is there.

        Raises ContractError for one that is newer than this Winnow knows: what its columns mean is not known here.
        """
        if table.name not in self._schema_versions:
            place = self.location(table)
            found = int(self._engine.property(place, schema.VERSION_PROPERTY) or 1)
            if found > table.version:
                raise ContractError(
                    f"{table} at {place}: expected columns of version {table.version} at most, found version {found}: a newer "
                    f"Winnow wrote it. Use that one, or a later one; this is {winnow.__version__}."
                )
            self._schema_versions[table.name] = found
        return self._schema_versions[table.name]

    def migrate(self, table: schema.Table, version: int) -> list[schema.Column]:
        """Bring a table that is there forward to a version of its columns, and return those that it lacked.

        They are null in the rows that are stored, none of which is written anew. What was stopped on the way is begun again.
        """
        stored = self._stored(table)
        has = stored.columns if stored is not None else []
        lacking = [column for column in table.brought_by(version) if column not in has]
        if not self.is_dry:
            if lacking:
                self._engine.add_columns(self.location(table), lacking)
            self._engine.set_property(self.location(table), schema.VERSION_PROPERTY, str(version))
            self._schema_versions[table.name] = version
        return lacking

    def last_changes(self, table: schema.Table, since: int, until: int | None = None) -> Mapping[dt.date, int] | None:
        """Return the days in whose rows a version after ``since`` changed something, each with the last such version.

        Up to ``until``, by default the pinned version. None where the log does not tell it: it has expired, or the table is not
        partitioned by event_date.
        """
        own = self.settings.columns if table is schema.IMPRESSIONS else {}
        column, last = own.get(schema.EVENT_DATE, schema.EVENT_DATE), self.pin(table) if until is None else until
        found = self._engine.last_changes(self.location(table), column, since, last)
        return None if found is None else {dt.date.fromisoformat(day): version for day, version in found.items()}

    def is_changed(self, table: schema.Table, day: dt.date) -> bool:
        """Return whether another run changed rows of a day after this one's last write to the table, or may have done so."""
        changes = self.last_changes(table, self.written[table.name], self._engine.version(self.location(table)))
        return changes is None or day in changes

    def sizes(self, table: schema.Table) -> Sizes:
        """Return how many files the table has now, and how large they are."""
        return self._engine.sizes(self.location(table))

    def compact(self, table: schema.Table) -> None:
        """Join small files of the table; its rows stay as they are."""
        self._engine.compact(self.location(table))

    def vacuum(self, table: schema.Table, *, days: int) -> None:
        """Remove files of versions replaced more than ``days`` ago; from then on the table keeps others that long."""
        self._engine.vacuum(self.location(table), days)

    def delete(self, table: schema.Table, column: str, comparison: Comparison, *values: Value) -> None:
        """Delete the rows whose column compares so with the value; ``among`` takes several."""
        self._engine.delete(self.location(table), column, comparison, *values)

    @property
    def has_spark_ml(self) -> bool:
        """Whether the engine fits models of Spark ML."""
        return self._engine.has_spark_ml

    def parallelism(self) -> int:
        """Return the number of tasks that can run at once."""
        return self._engine.parallelism()

    def describe(self, text: str) -> None:
        """Name the work that comes next, where the engine shows it."""
        self._engine.describe(text)

    def release(self) -> None:
        """Drop what fitted models hold in memory."""
        self._engine.release()

    def _stored(self, table: schema.Table) -> DataFrame | None:
        """Return the rows of a table with the columns that it has, None where it was never written."""
        if not self.exists(table):
            return None
        self.schema_version(table)
        place = self.location(table)
        return self.spark.read.format("delta").load(place) if is_path(place) else self.spark.read.table(place)

    def _ensure(self, table: schema.Table, rows: DataFrame) -> None:
        """Make the table when it is not there; two runs may try at once, and one of them does it."""
        for look in range(_LOOKS):
            if self.exists(table):
                return
            try:
                self._engine.create(self.location(table), table, rows, self.settings.maintenance.history_days)
                return
            except Exception:
                # The other run's folder is there some time before its first commit, and until then it is no table. To
                # look is not enough: Delta remembers that there was none until it is asked to make it again.
                if look == _LOOKS - 1:
                    raise
                time.sleep(0.2 * 2**look)

    def _new_columns(self, table: schema.Table, rows: DataFrame) -> list[str]:
        """Return what the rows have and the stored table has not yet; a column of another type is refused."""
        stored = self._stored(table)
        kinds = dict(stored.dtypes) if stored is not None else {}
        wrong = [f"{name} is {kinds[name]}, not {kind}" for name, kind in rows.dtypes if kinds.get(name, kind) != kind]
        if wrong:
            raise ContractError(
                f"{table} at {self.location(table)}: {'; '.join(wrong)}. The stored table has another type than this run "
                "would write. Write to another root, or rewrite the stored table once."
            )
        return [name for name in rows.columns if name not in kinds]


def _check_keys(table: schema.Table, rows: DataFrame, where: str) -> None:
    """Raise DataError, with some keys and how many rows have them, where a key of the table stands in several rows."""
    found = fetch(rows.transform(repeated_keys(table))) if table.key else []
    if found:
        told = ", ".join(f"{'/'.join(str(row[name]) for name in table.key)} ({row[schema.ROWS]} rows)" for row in found)
        raise DataError(
            f"{table} at {where}: expected one row a {' and '.join(table.key)}, found several of {told}. Rows that are joined "
            "with them would be there as often: leave one row of each."
        )


def _whole(table: schema.Table, rows: DataFrame) -> DataFrame:
    """Return the rows with the columns that later versions of the table brought, null where it has not got them yet."""
    lacking = [column for column in table.brought_by(table.version) if column not in rows.columns]
    return rows.withColumns({column: F.lit(None).cast(column.type) for column in lacking}) if lacking else rows
