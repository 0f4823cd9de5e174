"""The main job as it is often written on Spark: counts are collected, sampleBy draws by a text of the stratum, a join weighs.

python benchmarks/peers/spark_sample_by.py --input LOG/impressions --output FOLDER
"""

from __future__ import annotations

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from spark_log import SEED, STRATA, capped_us, run, weight

KEY = "stratum_and_label"


def examples_of(spark: SparkSession, labelled: DataFrame) -> DataFrame:
    """Return the examples; each run draws other rows."""
    keyed = labelled.withColumn(KEY, F.concat_ws("|", *STRATA, "watched_label"))
    rows, watch_us = {}, 0
    for counted in keyed.groupBy(KEY).agg(F.count("*").alias("rows"), F.sum(capped_us()).alias("watch_us")).collect():
        rows[counted[KEY]] = counted["rows"]
        watch_us += counted["watch_us"] if counted[KEY].endswith("|1") else 0
    fractions = {}
    for key, negatives in rows.items():
        positives = rows.get(f"{key.removesuffix('|0')}|1", 0)
        fractions[key] = 1.0 if key.endswith("|1") else min(1.0, positives / negatives)
    rates = spark.createDataFrame(list(fractions.items()), f"{KEY} string, watched_rate double")
    sampled = keyed.sampleBy(KEY, fractions, SEED).join(F.broadcast(rates), on=KEY, how="inner").drop(KEY)
    all_positives = sum(count for key, count in rows.items() if key.endswith("|1"))
    return sampled.withColumn("watched_weight", weight(all_positives, watch_us))


if __name__ == "__main__":
    run(str(__doc__), examples_of)
