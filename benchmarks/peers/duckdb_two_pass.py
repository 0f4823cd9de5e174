"""The main job written by hand in DuckDB: one pass counts the strata, the second labels, draws, weighs and writes Parquet.

python benchmarks/peers/duckdb_two_pass.py --input LOG/impressions --output FOLDER
"""
# ruff: noqa: S608 - the texts that the queries are made of stand in this file

from __future__ import annotations

import argparse

import duckdb
from deltalake import DeltaTable
from winnows_draw import duckdb_with_draw

STRATA = "surface, device, country"
SAME_STRATUM = " AND ".join(f"rows.{name} IS NOT DISTINCT FROM rates.{name}" for name in STRATA.split(", "))
WATCH_US = "TRY_CAST(watch_s * 1e6 AS BIGINT)"
DURATION_US = "TRY_CAST(media_duration_s * 1e6 AS BIGINT)"
CAPPED_US = "CAST(least(watch_s, 7200) * 1e6 AS BIGINT)"

#: Valid rows that are watched to 80 % or more, or to 10 % or less.
LABELLED = f"""
    SELECT *, CASE WHEN {WATCH_US} * 5 >= {DURATION_US} * 4 THEN 1 WHEN {WATCH_US} * 10 <= {DURATION_US} THEN 0 END AS label
    FROM read_parquet(getvariable('files'), hive_partitioning = true)
    WHERE impression_id IS NOT NULL AND user_id IS NOT NULL AND media_id IS NOT NULL
      AND impression_ts < event_date + INTERVAL '48 hours 1 second'
      AND watch_s BETWEEN 0 AND 604800 AND media_duration_s > 0 AND media_duration_s <= 604800
      AND label IS NOT NULL
"""
RATES = f"""
    SELECT {STRATA}, count(*) FILTER (label = 1) AS positives, count(*) FILTER (label = 0) AS negatives,
        sum({CAPPED_US}) FILTER (label = 1) AS watch_us, least(1, positives / negatives) AS rate
    FROM ({LABELLED}) GROUP BY {STRATA}
"""
OWN_DRAW = f"SELECT *, (hash(impression_id) >> 11) * pow(2, -53) AS draw FROM ({LABELLED})"


def main() -> None:
    """Read the files of the table's newest version, and write the examples."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--input", required=True, help="the Delta table of a day's impressions")
    parser.add_argument("--output", required=True, help="folder for the Parquet files")
    parser.add_argument("--draw", choices=("own", "winnow"), default="own", help="hash that rows are drawn by")
    arguments = parser.parse_args()
    connection = duckdb.connect()
    connection.execute("SET preserve_insertion_order = false")
    connection.execute("SET VARIABLE files = ?", [DeltaTable(arguments.input).file_uris()])
    connection.execute(f"CREATE TEMP TABLE rates AS {RATES}")
    positives, watch_us = connection.execute("SELECT sum(positives), sum(watch_us) FROM rates").fetchall()[0]
    drawn = duckdb_with_draw(LABELLED, "impression_id") if arguments.draw == "winnow" else OWN_DRAW
    examples = f"""
        SELECT rows.* EXCLUDE (label, draw), label AS watched_label,
            CASE label WHEN 1 THEN 1.0::DOUBLE ELSE rate END AS watched_rate,
            CASE label WHEN 1 THEN 0.5 + {CAPPED_US} * {0.5 * int(positives) / int(watch_us)!r}::DOUBLE ELSE 1.0 END
                AS watched_weight
        FROM ({drawn}) AS rows JOIN rates ON {SAME_STRATUM}
        WHERE label = 1 OR draw < rate
    """
    options = "FORMAT parquet, COMPRESSION zstd, FILE_SIZE_BYTES '128MB', OVERWRITE"
    connection.execute(f"COPY ({examples}) TO '{arguments.output}' ({options})")


if __name__ == "__main__":
    main()
