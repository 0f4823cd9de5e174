"""What the two peers on Spark share: the sessions, the labelled rows, the counts of the strata, and the write."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from winnow.engines import EngineSettings, start_session

STRATA = ["surface", "device", "country"]
SEED = 20_260_105


def run(doc: str, examples_of: Callable[[SparkSession, DataFrame], DataFrame]) -> None:
    """Read the table's newest version, and write the examples that are made of it."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--input", required=True, help="the Delta table of a day's impressions")
    parser.add_argument("--output", required=True, help="place of the Delta table of examples")
    parser.add_argument(
        "--session", choices=sorted(_SESSIONS), default="plain", help="Spark's own settings, or Winnow's"
    )
    arguments = parser.parse_args()
    spark = _SESSIONS[arguments.session]()
    examples = examples_of(spark, _labelled(spark.read.format("delta").load(arguments.input)))
    examples.write.format("delta").mode("overwrite").partitionBy("event_date").save(arguments.output)


def _plain() -> SparkSession:
    """Return a session as the guides to Spark and Delta make it, with as large a heap as Winnow's."""
    settings = {
        "spark.master": "local[*]",
        "spark.driver.memory": "4g",
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    }
    session: SparkSession = SparkSession.builder.appName("peer").config(map=settings).getOrCreate()
    return session


_SESSIONS = {"plain": _plain, "winnow": lambda: start_session("peer", EngineSettings())}


def is_positive() -> Column:
    """Return whether the row is a positive."""
    return F.col("watched_label") == 1


def capped_us() -> Column:
    """Return the time watched that counts, in whole microseconds."""
    return F.rint(F.least("watch_s", F.lit(7200.0)) * 1e6).cast("bigint")


def weight(positives: int, watch_us: int) -> Column:
    """Return the weight: half by satisfaction, half by watch time."""
    return F.when(is_positive(), 0.5 + capped_us() * (0.5 * positives / watch_us)).otherwise(1.0)


def _labelled(log: DataFrame) -> DataFrame:
    """Return the valid rows that are watched to 80 % or more, or to 10 % or less."""
    latest_s = (F.unix_date("event_date") + 1) * 86_400 + 86_400
    is_valid = (
        F.col("impression_id").isNotNull()
        & F.col("user_id").isNotNull()
        & F.col("media_id").isNotNull()
        & (F.unix_seconds("impression_ts") <= latest_s)
        & F.col("watch_s").between(0, 604_800)
        & (F.col("media_duration_s") > 0)
        & (F.col("media_duration_s") <= 604_800)
    )
    watch_us, duration_us = F.rint(F.col("watch_s") * 1e6), F.rint(F.col("media_duration_s") * 1e6)
    label = F.when(watch_us * 5 >= duration_us * 4, 1).when(watch_us * 10 <= duration_us, 0)
    return log.where(is_valid).withColumn("watched_label", label).where(F.col("watched_label").isNotNull())
