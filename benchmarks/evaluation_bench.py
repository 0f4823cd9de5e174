"""What evaluate costs by the number of users: lists of ten media each, three relevant, everything that it measures of lists.

    .venv/bin/python benchmarks/evaluation_bench.py --users 1000000 3000000 10000000

The tables are made once; each size is one run of jobs/evaluate.py in a fresh process, start and all. The page says CPU and wall
seconds, peak memory and what else the machine did: a busy machine makes a run dearer.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import shutil
import sys
from pathlib import Path

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from job_runs import HOUSE, run, sets
from measure import Cost, measure
from winnow.engines import EngineSettings, start_session

WORK = HOUSE / "build" / "evaluation-bench"
DAY = dt.date(2026, 1, 5)
MEDIA, PLACES, RELEVANT = 50_000, 10, 3
GENRES = ("drama", "comedy", "documentary", "action", "thriller", "music", "crime", "romance")


def main() -> int:
    """Make the tables, measure each size and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, nargs="+", default=[1_000_000, 3_000_000, 10_000_000])
    parser.add_argument("--make", type=int, default=0, help="only make the tables of so many users")
    parser.add_argument("--results", type=Path, default=HOUSE / "benchmarks" / "results" / "evaluation.md")
    arguments = parser.parse_args()
    os.chdir(HOUSE)
    os.environ["PYSPARK_PYTHON"] = sys.executable
    WORK.mkdir(parents=True, exist_ok=True)
    if arguments.make:
        make(start_session("tables of the bench", EngineSettings()), arguments.make)
        return 0
    for users in arguments.users:
        if not (root(users) / ".made").exists():  # in a process of its own: this one must have no JVM that outlives it
            measure([sys.executable, __file__, "--make", str(users)], WORK / "bench.log")
    costs: dict[int, Cost] = {}
    for users in arguments.users:
        costs[users] = run(root(users), "evaluate", "--date", DAY.isoformat(), *sets("evaluation.at=[5, 10]"))
        arguments.results.write_text(page(costs), encoding="utf-8")  # each time: a long run may be stopped
        print(page(costs), flush=True)
    return 0


def root(users: int) -> Path:
    """Return the folder of the tables of so many users."""
    return WORK / f"users-{users}"


def make(spark: SparkSession, users: int) -> None:
    """Write media, candidates and examples: all by hashes, popular media more often."""
    shutil.rmtree(root(users), ignore_errors=True)
    media = spark.range(MEDIA).select(
        F.col("id").alias("media_id"),
        F.array(*(F.get(F.array(*map(F.lit, GENRES)), drawn(seed, len(GENRES), "id")) for seed in (1, 2))).alias(
            "genres"
        ),
        F.lit(DAY).alias("added_date"),
    )
    ids = spark.range(users).withColumnRenamed("id", "user_id")
    places = ids.withColumn("place", F.explode(F.array(*map(F.lit, range(PLACES)))))
    candidates = places.select(
        F.lit(DAY).alias("as_of_date"),
        F.lit("hashed").alias("source"),
        "user_id",
        popular(3).alias("media_id"),
        (F.col("place") + 1).alias("rank"),
        F.lit(1.0).alias("score"),
        F.lit(None).cast("string").alias("reason"),
        F.lit("bench").alias("run_id"),
    )
    wanted = ids.withColumn("place", F.explode(F.array(*map(F.lit, range(RELEVANT + 1)))))
    days = F.when(F.col("place") == RELEVANT, F.lit(DAY - dt.timedelta(days=1))).otherwise(F.lit(DAY))
    examples = wanted.select(
        F.xxhash64("user_id", "place").alias("impression_id"),
        "user_id",
        popular(4).alias("media_id"),
        F.timestamp_seconds(F.unix_date(days).cast("bigint") * 86_400 + 43_200).alias("impression_ts"),
        days.alias("event_date"),
        F.lit(60.0).alias("watch_s"),
        F.lit(60.0).alias("media_duration_s"),
        F.lit(1).alias("watched_label"),
        F.lit(1.0).alias("watched_rate"),
        F.lit(1.0).alias("watched_weight"),
    )
    write(media, users, "media")
    write(candidates, users, "candidates", "as_of_date", "source")
    write(examples, users, "examples", "event_date")
    (root(users) / ".made").touch()


def write(rows: DataFrame, users: int, table: str, *partition: str) -> None:
    """Write a table of the root."""
    rows.write.format("delta").partitionBy(*partition).save(str(root(users) / table))


def drawn(seed: int, count: int, *keys: str) -> Column:
    """Return a whole number below ``count``, by hash."""
    return F.pmod(F.xxhash64(F.lit(seed), *keys), F.lit(count)).cast("int")


def popular(seed: int) -> Column:
    """Return a media: the square of a uniform draw, so that few have much of it."""
    share = drawn(seed, 1_000_000, "user_id", "place") / 1_000_000
    return F.floor(share * share * MEDIA)


def page(costs: dict[int, Cost]) -> str:
    """Return the results as Markdown."""
    lines = [
        "# What evaluate costs",
        "",
        f"One run of `jobs/evaluate.py` a line, in a fresh process: lists of {PLACES} media of {MEDIA:,}, {RELEVANT} relevant, N = 5 and 10,",
        f"all metrics of lists with intervals, and those beyond accuracy. {os.cpu_count()} cores. Made by `benchmarks/evaluation_bench.py`.",
        "",
        "| users | rows of lists | CPU s | CPU s a million users | wall s | peak GB | other processes' cores |",
        "| ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for users, cost in costs.items():
        lines.append(
            f"| {users:,} | {users * PLACES:,} | {cost.cpu_s:.0f} | {cost.cpu_s / users * 1e6:.1f} | {cost.wall_s:.0f} | "
            f"{cost.peak_gb:.1f} | {cost.others_cores:.1f} |"
        )
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    sys.exit(main())
