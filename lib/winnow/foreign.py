"""Foreign files as rows: Parquet, CSV, JSON and Delta of others, with every fault of theirs told."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import types as T

from winnow.errors import ContractError, InputNotReadyError, SettingsError
from winnow.importing import CORRUPT_RECORD


def read_files(
    spark: SparkSession, files: Sequence[str], kind: str, options: Mapping[str, str], known: Collection[str]
) -> DataFrame:
    """Return the rows of the files as they are; text formats come as strings, unreadable lines in _corrupt_record.

    ``known``: the kinds that the engine reads.

    Raises InputNotReadyError for a file that is not there, ContractError for CSV files of different columns,
    SettingsError for a kind that the engine does not read.
    """
    if kind not in known:
        expected = ", ".join(sorted(known))
        raise SettingsError(
            f"importing.format: expected {expected}, which are what the engine reads with every fault told, found {kind}. "
            "Import it with --engine spark."
        )
    found = "no column"
    try:
        rows = _rows_of(spark, files, kind, options)
        if rows.columns:  # over Connect nothing has been looked at before
            return rows
    except AnalysisException as fault:
        found = str(fault).splitlines()[0]
    raise InputNotReadyError(f"--input: expected {kind} files, found: {found}. Give paths that exist.")


def _rows_of(spark: SparkSession, files: Sequence[str], kind: str, options: Mapping[str, str]) -> DataFrame:
    if kind == "delta":
        if len(files) > 1:
            raise SettingsError(f"--input: expected one Delta table, found {', '.join(files)}")
        return spark.read.format("delta").load(files[0])
    reader = spark.read.options(**options)
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
