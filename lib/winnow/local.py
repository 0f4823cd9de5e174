"""Small tables between the driver and the engine: rates, strata, names of ids, ledger rows."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from typing import Any, cast

import pyarrow as pa
from pyspark import StorageLevel
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.types import StructType
from pyspark.sql.utils import is_remote

#: Spark's setting for the bytes of a batch of rows on its way to Python, and the value for which it does not count them.
_BATCH_BYTES = "spark.sql.execution.arrow.maxBytesPerBatch"
_ANY_BYTES = str(2**31 - 1)


def local_rows(spark: SparkSession, records: Sequence[Sequence[Any]], ddl: str) -> DataFrame:
    """Return the records as rows of the columns that ``ddl`` names, in its order.

    Through Arrow they are part of the plan; from plain tuples Spark would start Python workers and run a job for each use.
    """
    fields = cast(StructType, StructType.fromDDL(ddl))
    named = [dict(zip(fields.names, record, strict=True)) for record in records]
    try:
        kinds = to_arrow_schema(fields, timezone="UTC")
    except TypeError:  # Spark 4.0 asks for no zone: it is always UTC there
        kinds = to_arrow_schema(fields)
    table: Any = pa.Table.from_pylist(named, schema=kinds)
    return spark.createDataFrame(table, fields)


def fetch(rows: DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a small table: one a stratum, a day or a table; never impressions or examples."""
    return [row.asDict() for row in rows.collect()]


@contextlib.contextmanager
def unweighed_batches(spark: SparkSession) -> Iterator[None]:
    """Let rows go to Python's workers by their number alone until the end of the block: for rows that are small.

    Spark works out the bytes of a batch anew for each row of it, which costs more than to send a number does. A server that
    lets nobody change its settings goes on doing so.
    """
    before = spark.conf.get(_BATCH_BYTES, None)
    with contextlib.suppress(PySparkException):
        spark.conf.set(_BATCH_BYTES, _ANY_BYTES)
    try:
        yield
    finally:
        with contextlib.suppress(PySparkException):
            spark.conf.unset(_BATCH_BYTES) if before is None else spark.conf.set(_BATCH_BYTES, before)


@contextlib.contextmanager
def kept(rows: DataFrame) -> Iterator[DataFrame]:
    """Keep rows that several passes read, from the first of them to the end of the block, in memory or else on disk."""
    rows.persist(StorageLevel.MEMORY_AND_DISK)
    try:
        _cut_lineage(rows)
        yield rows
    finally:
        rows.unpersist()


def _cut_lineage(rows: DataFrame) -> None:
    """Let tasks that read kept rows know only where they are, not how they were made, on one machine.

    The plan of many features is over a megabyte, and each task of each pass unpacks it before its first row. On a cluster
    it stays: rows on an executor that is lost are made again.
    """
    if is_remote() or not re.fullmatch(r"local(\[.*\])?", str(rows.sparkSession.sparkContext.master)):
        return
    kept_as = cast(Any, rows.select("*"))._jdf.queryExecution().withCachedData().collectLeaves().head()
    kept_as.cacheBuilder().cachedColumnBuffers().localCheckpoint()
