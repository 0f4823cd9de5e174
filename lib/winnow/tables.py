"""The only reader and writer of Delta: tables by name, pinned versions, days replaced whole or not at all."""

from __future__ import annotations

import datetime as dt
import re
import time
from collections.abc import Mapping, Sequence
from typing import Any

from delta import exceptions as conflicts
from delta.tables import DeltaTable
from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, DataFrameWriter, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from winnow import schema
from winnow.config import Settings
from winnow.errors import ConcurrentRunError, ContractError, InputNotReadyError, JobError, SettingsError
from winnow.importing import CORRUPT_RECORD
from winnow.local import local_rows

#: What a slice of a table is told by: a value, several, or None for null.
Slice = Mapping[str, "dt.date | str | Sequence[dt.date] | None"]

_LAST_VERSION = "spark.databricks.delta.lastCommitVersionInSession"
#: What Delta refuses in a column's name.
_ODD_NAME = re.compile(r"[ ,;{}()\n\t=]")
_PLAIN_TEXT = re.compile(r"[A-Za-z0-9_:.-]{1,128}")
#: Delta's exceptions of a lost commit have no common base: each is named.
_CONFLICTS = (
    conflicts.ConcurrentAppendException,
    conflicts.ConcurrentDeleteDeleteException,
    conflicts.ConcurrentDeleteReadException,
    conflicts.ConcurrentTransactionException,
    conflicts.ConcurrentWriteException,
    conflicts.DeltaConcurrentModificationException,
    conflicts.MetadataChangedException,
    conflicts.ProtocolChangedException,
)
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
        #: Version of each input table, as it was first looked at: every read of the run sees that one.
        self.pinned: dict[str, int] = {}
        #: Version that each write of the run made.
        self.written: dict[str, int] = {}

    def location(self, table: schema.Table) -> str:
        """Return where the table is: catalog.schema.table, or a path."""
        return self.settings.tables.locations.get(table.name, f"{self.root}/{table.name}")

    def exists(self, table: schema.Table) -> bool:
        """Return whether the table has been made."""
        place = self.location(table)
        if not _is_path(place):
            return self.spark.catalog.tableExists(place)
        return DeltaTable.isDeltaTable(self.spark, place)

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
            self.pinned[table.name] = self._version(table)
        return self.pinned[table.name]

    def read(self, table: schema.Table, version: int | None = None) -> DataFrame:
        """Return the rows of the table at a version, by default the pinned one."""
        reader = self.spark.read.format("delta").option("versionAsOf", self.pin(table) if version is None else version)
        place = self.location(table)
        return reader.load(place) if _is_path(place) else reader.table(place)

    def read_latest(self, table: schema.Table) -> DataFrame | None:
        """Return the rows of a table of our own as they are now, None where it was never written."""
        if not self.exists(table):
            return None
        place = self.location(table)
        return self.spark.read.format("delta").load(place) if _is_path(place) else self.spark.read.table(place)

    def read_slice(self, table: schema.Table, where: Slice) -> DataFrame | None:
        """Return the rows of a slice of a table of our own as they are now, None where it was never written."""
        rows = self.read_latest(table)
        if rows is None:
            return None
        for column, value in where.items():
            if value is None:
                rows = rows.where(F.col(column).isNull())
            else:
                rows = rows.where(F.col(column).isin(list(value) if isinstance(value, list | tuple) else [value]))
        return rows

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
        writer = (rows if files is None else rows.coalesce(files)).write.format("delta").mode("overwrite")
        writer = writer.option("userMetadata", record)
        if where:
            writer = writer.option("replaceWhere", _predicate(where))
        if self._has_new_columns(table, rows):
            writer = writer.option("mergeSchema", "true")
        try:
            self._save(writer, table)
        except _CONFLICTS as fault:
            raise ConcurrentRunError(
                f"{table}: another run changed the same rows ({_predicate(where) or 'all'}) at the same time, and won. Its result "
                f"stands; run again if yours should. ({type(fault).__name__})"
            ) from fault
        self.written[table.name] = int(self.spark.conf.get(_LAST_VERSION) or -1)
        return self.written[table.name]

    def append(self, table: schema.Table, rows: DataFrame) -> None:
        """Add rows to a table that only grows; appends do not disturb each other."""
        self._ensure(table, rows)
        self._save(rows.write.format("delta").mode("append"), table)

    def local(self, table: schema.Table, records: Sequence[Mapping[str, Any]]) -> DataFrame:
        """Return rows made of the driver's own values, with the columns of the table."""
        values = [tuple(record[column] for column in table.columns) for record in records]
        return local_rows(self.spark, values, table.ddl)

    def read_files(self, files: Sequence[str], kind: str, options: Mapping[str, str]) -> DataFrame:
        """Return the rows of foreign files as they are; text formats come as strings, unreadable lines in _corrupt_record.

        Raises InputNotReadyError for a file that is not there, ContractError for CSV files of different columns.
        """
        try:
            if kind == "delta":
                if len(files) > 1:
                    raise SettingsError(f"--input: expected one Delta table, found {', '.join(files)}")
                return self.spark.read.format("delta").load(files[0])
            reader = self.spark.read.options(**options)
            if kind == "json":
                return (
                    reader.option("columnNameOfCorruptRecord", CORRUPT_RECORD)
                    .option("primitivesAsString", "true")
                    .json(list(files))
                )
            if kind == "csv":
                reader = reader.option("header", options.get("header", "true"))
                names = [name for name in reader.csv(files[0]).columns if name != CORRUPT_RECORD]
                for file in files[1:]:
                    others = [name for name in reader.csv(file).columns if name != CORRUPT_RECORD]
                    if others != names:
                        raise ContractError(
                            f"--input: {file}: expected the columns {', '.join(names)} of {files[0]}, found "
                            f"{', '.join(others)}. Import files of other columns in runs of their own."
                        )
                text = T.StructType([T.StructField(name, T.StringType()) for name in (*names, CORRUPT_RECORD)])
                # Columns are found by their place: in a folder, too, a file of others is refused.
                reader = reader.option("enforceSchema", "false")
                return reader.option("columnNameOfCorruptRecord", CORRUPT_RECORD).schema(text).csv(list(files))
            return reader.parquet(*files)
        except AnalysisException as fault:
            raise InputNotReadyError(
                f"--input: expected {kind} files, found: {str(fault).splitlines()[0]}. Give paths that exist."
            ) from fault

    def parallelism(self) -> int:
        """Return the number of tasks that can run at once, 1 where the session does not tell."""
        try:
            return max(1, self.spark.sparkContext.defaultParallelism)
        except Exception:  # a session over Connect has no context to ask
            return int(self.spark.conf.get("spark.default.parallelism", "1") or 1)

    def describe(self, text: str) -> None:
        """Name the work that comes next in the Spark UI."""
        try:
            self.spark.sparkContext.setJobDescription(text)
        except Exception:  # a session over Connect has no context to tell
            return

    def _save(self, writer: DataFrameWriter, table: schema.Table) -> None:
        place = self.location(table)
        if _is_path(place):
            writer.save(place)
        else:
            writer.saveAsTable(place)

    def _version(self, table: schema.Table) -> int:
        place = self.location(table)
        stored = DeltaTable.forPath(self.spark, place) if _is_path(place) else DeltaTable.forName(self.spark, place)
        newest = stored.history(1).select("version").head()
        if newest is None:
            raise JobError(f"{table}: expected a history at {place}, found none")
        return int(newest[0])

    def _ensure(self, table: schema.Table, rows: DataFrame) -> None:
        """Make the table when it is not there; two runs may try at once, and one of them does it."""
        for look in range(_LOOKS):
            if self.exists(table):
                return
            try:
                self._create(table, rows)
                return
            except Exception:
                # The other run's folder is there some time before its first commit, and until then it is no table. To
                # look is not enough: Delta remembers that there was none until it is asked to make it again.
                if look == _LOOKS - 1:
                    raise
                time.sleep(0.2 * 2**look)

    def _create(self, table: schema.Table, rows: DataFrame) -> None:
        place, properties = self.location(table), _properties(table, rows)
        if _is_path(place):
            builder = DeltaTable.createIfNotExists(self.spark).location(place).addColumns(rows.schema)
            builder = builder.partitionedBy(*map(str, table.partition)).comment(table.doc)
            for name, value in properties.items():
                builder = builder.property(name, value)
            builder.execute()
        else:  # Delta's builder knows names of two parts only
            writer = rows.where(F.lit(False)).writeTo(place).using("delta")
            for name, value in {**properties, "comment": table.doc}.items():
                writer = writer.tableProperty(name, value)
            if table.partition:
                writer = writer.partitionedBy(*map(F.col, table.partition))
            writer.create()

    def _has_new_columns(self, table: schema.Table, rows: DataFrame) -> bool:
        stored = self.read_latest(table)
        kinds = dict(stored.dtypes) if stored is not None else {}
        wrong = [f"{name} is {kinds[name]}, not {kind}" for name, kind in rows.dtypes if kinds.get(name, kind) != kind]
        if wrong:
            raise ContractError(
                f"{table} at {self.location(table)}: {'; '.join(wrong)}. The stored table has another type than this run "
                "would write. Write to another root, or rewrite the stored table once."
            )
        return any(name not in kinds for name in rows.columns)


def _is_path(place: str) -> bool:
    return "/" in place


def _properties(table: schema.Table, rows: DataFrame) -> dict[str, str]:
    """Return the table's properties: statistics and dictionaries cost time on columns that no reader filters by."""
    filtered_by = [name for name in table.filtered_by if name in rows.columns and name not in table.partition]
    properties = {"delta.dataSkippingStatsColumns": ",".join(filtered_by)}
    for name in table.high_cardinality:
        if name in rows.columns:
            properties[f"parquet.enable.dictionary#{name}"] = "false"
    return {name: value for name, value in properties.items() if value}


def _predicate(where: Slice) -> str:
    """Return the slice as the text that Delta asks for, made of typed values only."""
    return " AND ".join(f"{column} {_condition(value)}" for column, value in where.items())


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
