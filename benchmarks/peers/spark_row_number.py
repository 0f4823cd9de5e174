"""The main job as it is often written on Spark: every stratum is shuffled and numbered at random, and the first n are kept.

python benchmarks/peers/spark_row_number.py --input LOG/impressions --output FOLDER
"""

from __future__ import annotations

from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F
from spark_log import SEED, STRATA, capped_us, is_positive, run, weight


def examples_of(spark: SparkSession, labelled: DataFrame) -> DataFrame:
    """Return the examples; each run draws other rows, as many as the one before."""
    counted = labelled.groupBy(*STRATA).agg(
        F.count_if(is_positive()).alias("positives"),
        F.count_if(~is_positive()).alias("negatives"),
        F.coalesce(F.sum(F.when(is_positive(), capped_us())), F.lit(0)).alias("watch_us"),
    )
    strata = [row.asDict() for row in counted.collect()]
    counts = spark.createDataFrame([tuple(stratum.values()) for stratum in strata], counted.schema)
    of_one_class = Window.partitionBy(*STRATA, "watched_label").orderBy(F.rand(SEED))
    kept = (
        labelled.withColumn("place", F.row_number().over(of_one_class))
        .join(F.broadcast(counts), on=STRATA, how="inner")
        .where(is_positive() | (F.col("place") <= F.col("positives")))
    )
    rate = F.when(is_positive(), 1.0).otherwise(F.least(F.lit(1.0), F.col("positives") / F.col("negatives")))
    positives, watch_us = (sum(stratum[name] for stratum in strata) for name in ("positives", "watch_us"))
    weighed = kept.withColumn("watched_rate", rate).withColumn("watched_weight", weight(positives, watch_us))
    return weighed.drop("place", "positives", "negatives", "watch_us")


if __name__ == "__main__":
    run(str(__doc__), examples_of)
