"""What an engine needs at the least: to start, to read a log's narrow or all columns, to write the examples that there are.

    python benchmarks/floors.py --engine DuckDB --floor all_columns --input LOG/impressions --output FOLDER

Rows that are read go nowhere. The write reads the examples back first: of one row in ten.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

FLOORS = ("start", "label_columns", "all_columns", "write")
#: What the first pass needs: the columns of the label, of the strata and of the contract.
NARROW = (
    *("watch_s", "media_duration_s", "surface", "device", "country"),
    *("impression_id", "user_id", "media_id", "impression_ts"),
)


def main() -> None:
    """Do what the arguments ask for, and nothing else."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", choices=tuple(ENGINES), required=True)
    parser.add_argument("--floor", choices=FLOORS, required=True)
    parser.add_argument(
        "--input", help="the Delta table of impressions; for the write, a folder of examples in Parquet"
    )
    parser.add_argument("--output", help="folder of what is written")
    arguments = parser.parse_args()
    ENGINES[arguments.engine](arguments.floor, arguments.input, arguments.output)


def spark(floor: str, source: str, target: str, engine: str = "spark") -> None:
    """Spark's or Sail's floors; the reads end in Spark's own sink for nothing."""
    from winnow.engines import EngineSettings, start_session

    session = start_session("floor", EngineSettings(engine))  # type: ignore[arg-type]
    if floor == "start":
        session.range(1).collect()
    elif floor == "write":
        rows = session.read.parquet(source)
        rows.write.format("delta").partitionBy("event_date").save(target)
    else:
        rows = session.read.format("delta").load(source)
        rows = rows.select(*NARROW) if floor == "label_columns" else rows
        rows.write.format("noop").mode("overwrite").save()


def sail(floor: str, source: str, target: str) -> None:
    """Sail's floors."""
    spark(floor, source, target, "sail")


def duckdb(floor: str, source: str, target: str) -> None:
    """DuckDB's floors; a column is read by counting its values."""
    import duckdb as engine
    from deltalake import DeltaTable

    connection = engine.connect()
    connection.execute("SET preserve_insertion_order = false")
    if floor == "write":
        options = "FORMAT parquet, COMPRESSION zstd, FILE_SIZE_BYTES '128MB'"
        connection.execute(f"COPY (FROM read_parquet('{source}/*.parquet')) TO '{target}' ({options})")
    elif floor != "start":
        rows = connection.read_parquet(DeltaTable(source).file_uris(), hive_partitioning=True)
        columns = NARROW if floor == "label_columns" else rows.columns
        rows.aggregate(", ".join(f"count({column})" for column in columns)).fetchall()


def polars(floor: str, source: str, target: str) -> None:
    """Polars' floors; batches are dropped as they come."""
    import polars as pl

    if floor == "write":
        pl.scan_parquet(f"{source}/*.parquet").sink_parquet(
            Path(target, "examples.parquet"), compression="zstd", mkdir=True, maintain_order=False, engine="streaming"
        )
    elif floor != "start":
        rows = pl.scan_delta(source)
        rows = rows.select(NARROW) if floor == "label_columns" else rows
        rows.sink_batches(lambda _batch: None, maintain_order=False, engine="streaming")


ENGINES: dict[str, Callable[[str, str, str], None]] = {"Spark": spark, "Sail": sail, "DuckDB": duckdb, "Polars": polars}

if __name__ == "__main__":
    main()
