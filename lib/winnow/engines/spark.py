"""Spark, in this process or at the other end of Spark Connect."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from pyspark.errors import AnalysisException, PySparkException
from pyspark.sql import DataFrame, DataFrameWriter, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.utils import is_remote

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
from winnow.errors import JobError
from winnow.slices import Slice, predicate

#: What ALS calls the rows that it keeps.
_FACTORS = ("userFactors", "itemFactors")
_LAST_VERSION = "spark.databricks.delta.lastCommitVersionInSession"
#: How Spark and Delta say that there is no table, or not yet.
_NO_TABLE = {
    "PATH_NOT_FOUND",
    "DELTA_TABLE_NOT_FOUND",
    "DELTA_MISSING_DELTA_TABLE",
    "DELTA_PATH_DOES_NOT_EXIST",
    "DELTA_SCHEMA_NOT_SET",
    "TABLE_OR_VIEW_NOT_FOUND",
}
#: How Delta says that another commit came first. Its exceptions have no common base, and over Connect no class at all.
_LOST_RACE = re.compile(r"(?<=\[)DELTA_(CONCURRENT_\w+|METADATA_CHANGED|PROTOCOL_CHANGED)")
#: How Delta and Spark say that a version, or a file of it, is there no more, or may not be any more.
_GONE = re.compile(
    r"DELTA_(VERSION|FILE|LOG_FILE|NO_RECREATABLE_HISTORY)_(NOT_)?FOUND|FILE_NOT_EXIST|DELTA_TRUNCATED_TRANSACTION_LOG"
    r"|DELTA_UNSUPPORTED_TIME_TRAVEL_BEYOND_DELETED_FILE_RETENTION_DURATION"
)
#: What a commit tells of a file that it adds or removes, as far as it is asked for.
_ACTION = "struct<path: string, partitionValues: map<string, string>, dataChange: boolean>"

_CONDITIONS: Mapping[Comparison, str] = {
    "is": "{} = {}",
    "among": "{} IN ({})",
    "below": "{} < {}",
    "matches": "{} RLIKE {}",
}


class SparkEngine:
    """Spark."""

    reads = frozenset({"delta", "parquet", "csv", "json"})
    has_spark_ml = True

    def __init__(self, spark: SparkSession) -> None:
        """Keep the session."""
        self._spark = spark

    def exists(self, place: str) -> bool:
        """Return whether there is a Delta table."""
        if not is_path(place):
            return self._spark.catalog.tableExists(place)
        try:
            _ = self._spark.read.format("delta").load(place).schema
        except AnalysisException as fault:
            if (fault.getCondition() or "").partition(".")[0] in _NO_TABLE:
                return False
            raise
        return True

    def version(self, place: str) -> int:
        """Return the newest version of a table that is there."""
        newest = self._spark.sql(f"DESCRIBE HISTORY {_quoted(place)} LIMIT 1").select("version").head()
        if newest is None:
            raise JobError(f"expected a history at {place}, found none")
        return int(newest[0])

    def create(self, place: str, table: schema.Table, rows: DataFrame, days: int) -> None:
        """Make an empty table for such rows, that keeps its history for so many days; nothing happens where there is one."""
        if is_path(place) and not is_remote():
            self._create_at(place, table, rows, days)
            return
        writer = rows.where(F.lit(False)).writeTo(_quoted(place)).using("delta")
        for name, value in {**properties(table, rows, days), "comment": table.doc}.items():
            writer = writer.tableProperty(name, value)
        if table.partition:
            writer = writer.partitionedBy(*map(F.col, table.partition))
        try:
            writer.create()
        except AnalysisException as fault:
            if fault.getCondition() != "TABLE_OR_VIEW_ALREADY_EXISTS":
                raise

    def replace(self, place: str, rows: DataFrame, where: Slice, record: str, new_columns: list[str]) -> int:
        """Replace the slice by the rows in one commit that carries the record, and return its version."""
        writer = rows.write.format("delta").mode("overwrite").option("userMetadata", record)
        if where:
            writer = writer.option("replaceWhere", predicate(where))
        if new_columns:
            writer = writer.option("mergeSchema", "true")
        with racing(place, _LOST_RACE, told_rows(where)):
            _save(writer, place)
        return int(self._spark.conf.get(_LAST_VERSION) or -1)

    def _create_at(self, place: str, table: schema.Table, rows: DataFrame, days: int) -> None:
        """Make a table at a path by Delta's own builder: of runs that try at once, one does it and no other is disturbed.

        The builder knows no names of three parts, and over Connect it asks for a plugin of the server.
        """
        from delta.tables import DeltaTable  # over Connect it need not be there

        builder = DeltaTable.createIfNotExists(self._spark).location(place).addColumns(nullable(rows.schema))
        builder = builder.partitionedBy(*map(str, table.partition)).comment(table.doc)
        for name, value in properties(table, rows, days).items():
            builder = builder.property(name, value)
        builder.execute()

    def append(self, place: str, rows: DataFrame, new_columns: list[str]) -> None:
        """Add rows; appends do not disturb each other."""
        writer = rows.write.format("delta").mode("append")
        with racing(place, _LOST_RACE):
            _save(writer.option("mergeSchema", "true") if new_columns else writer, place)

    def property(self, place: str, name: str) -> str | None:
        """Return a property of a table that is there, None where it has none of the name."""
        found = self._spark.sql(f"SHOW TBLPROPERTIES {_quoted(place)}").collect()
        return {key: str(value) for key, value in found}.get(name)

    def set_property(self, place: str, name: str, value: str) -> None:
        """Set a property of a table; its rows stay as they are."""
        self._commit(place, f"ALTER TABLE {_quoted(place)} SET TBLPROPERTIES ({_text(name)} = {_text(value)})")

    def add_columns(self, place: str, columns: Sequence[schema.Column]) -> None:
        """Add columns, each with its meaning as comment, null in what is stored."""
        told = ", ".join(f"{_name(column)} {column.type} COMMENT {_text(column.doc)}" for column in columns)
        self._commit(place, f"ALTER TABLE {_quoted(place)} ADD COLUMNS ({told})")

    def is_gone(self, fault: Exception) -> bool:
        """Return whether the fault is that files of a former version, or the version itself, are there no more."""
        return _GONE.search(str(fault)) is not None

    def last_changes(self, place: str, column: str, since: int, until: int) -> Mapping[str, int] | None:
        """Return, for each value of a partition column in whose rows a version changed something, the last such version."""
        if since == until:
            return {}
        detail = self._spark.sql(f"DESCRIBE DETAIL {_quoted(place)}").select("location", "partitionColumns").head()
        if detail is None or column not in detail[1]:
            return None
        commits = [f"{detail[0]}/_delta_log/{version:020d}.json" for version in range(since + 1, until + 1)]
        try:
            actions = self._spark.read.schema(f"add {_ACTION}, remove {_ACTION}").json(commits)
        except AnalysisException as fault:
            if fault.getCondition() == "PATH_NOT_FOUND":  # Delta keeps its log for 30 days
                return None
            raise
        version = F.regexp_extract("_metadata.file_name", r"(\d+)\.json", 1).cast("bigint")
        action = F.coalesce("add", "remove")
        changes = actions.select(action.alias("action"), version.alias("version")).where("action.dataChange")
        # Of a file that goes they need not be told; some tables map their names.
        values = F.col("action.partitionValues")
        is_told = F.coalesce(F.map_contains_key(values, column), F.lit(False))
        last = changes.groupBy(is_told, F.try_element_at(values, F.lit(column))).agg(F.max("version")).collect()
        if not all(told for told, _, _ in last):
            return None
        return {value: newest for _, value, newest in last if value is not None}

    def sizes(self, place: str) -> Sizes:
        """Return how many files the newest version of a table has, and how large they are."""
        found = self._spark.sql(f"DESCRIBE DETAIL {_quoted(place)}").select("numFiles", "sizeInBytes").head()
        assert found is not None  # one row a table
        return Sizes(*found)

    def compact(self, place: str) -> None:
        """Join small files; the rows stay as they are."""
        self._commit(place, f"OPTIMIZE {_quoted(place)}")

    def vacuum(self, place: str, days: int) -> None:
        """Remove files of versions replaced more than ``days`` ago; from then on the table keeps others that long."""
        keep_history(self, place, days)
        self._commit(place, f"VACUUM {_quoted(place)}")

    def delete(self, place: str, column: str, comparison: Comparison, *values: Value) -> None:
        """Delete the rows whose column compares so with the values, whatever stands in them."""
        condition = _CONDITIONS[comparison].format(_name(column), ", ".join(map(_literal, values)))
        self._commit(place, f"DELETE FROM {_quoted(place)} WHERE {condition}")  # noqa: S608 - see _literal

    def _commit(self, place: str, command: str) -> None:
        """Run a command of SQL that changes a table."""
        with racing(place, _LOST_RACE):
            self._spark.sql(command).collect()

    def parallelism(self) -> int:
        """Return the number of tasks that can run at once."""
        try:
            return max(1, self._spark.sparkContext.defaultParallelism)
        except (
            PySparkException
        ):  # a session over Connect has no context to ask: a range is cut as wide as the cluster is
            return self._spark.range(10_000).select(F.spark_partition_id()).distinct().count()

    def describe(self, text: str) -> None:
        """Name the work that comes next in the Spark UI."""
        try:
            self._spark.sparkContext.setJobDescription(text)
        except PySparkException:  # a session over Connect has no context to tell
            return

    def release(self) -> None:
        """Drop the factors that ALS keeps in memory: nobody else ends that before their frames are collected as garbage."""
        try:
            kept = self._spark.sparkContext._jsc.getPersistentRDDs().values()
        except PySparkException:  # over Connect the server sees to it
            return
        for rows in list(kept):
            if rows.name() in _FACTORS:
                rows.unpersist()


def _save(writer: DataFrameWriter, place: str) -> None:
    if is_path(place):
        writer.save(place)
    else:
        writer.saveAsTable(place)


def _quoted(place: str) -> str:
    """Return the place as SQL names it; whatever stands in a name, it ends no quote."""
    parts = ["delta", _absolute(place)] if is_path(place) else place.split(".")
    return ".".join(map(_name, parts))


def _literal(value: Value) -> str:
    """Return the value as SQL knows it, a text by the digits of its bytes: Delta's DELETE takes no parameters."""
    if isinstance(value, int):
        return f"{value:d}"
    if isinstance(value, dt.date):
        return f"DATE'{value.isoformat()}'"
    return f"decode(X'{value.encode().hex()}', 'UTF-8')"


def _text(text: str) -> str:
    """Return a text of our own as SQL quotes it, where SQL takes no other form of it."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _name(part: str) -> str:
    return f"`{part.replace('`', '``')}`"


def _absolute(path: str) -> str:
    """Return a path as SQL knows it for one, from the root on; what a server's paths begin at only the server knows."""
    return path if is_remote() or ":/" in path else str(Path(path).absolute())
