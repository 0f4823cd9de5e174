"""Rows that several passes read, and rows on their way to Python."""

import pytest
from pyspark.sql import functions as F

from winnow.local import kept, unweighed_batches

pytestmark = pytest.mark.not_on("sail", "connect", why="what is cached is seen in Spark's own process")


def _cached(spark):
    """Return of what Spark caches whether it has forgotten how it was made, by RDD."""
    return {identity: rows.isCheckpointed() for identity, rows in spark.sparkContext._jsc.getPersistentRDDs().items()}


def test_kept_rows_are_drawn_once(spark):
    with kept(spark.range(1000).select(F.rand().alias("x"), F.uuid().alias("y"))) as rows:
        whole = sorted(map(tuple, rows.collect()))
        assert sorted(map(tuple, rows.where(F.col("x") > 0.5).collect())) == [row for row in whole if row[0] > 0.5]


def test_on_one_machine_kept_rows_forget_how_they_were_made_until_they_are_let_go(spark):
    before = _cached(spark)
    with kept(spark.range(1000).withColumn("twice", 2 * F.col("id"))) as rows:
        assert rows.where(F.col("twice") > 1000).count() == 499
        assert [forgotten for identity, forgotten in _cached(spark).items() if identity not in before] == [True]
    assert _cached(spark) == before


def test_batches_are_unweighed_to_the_end_of_the_block(spark):
    key = "spark.sql.execution.arrow.maxBytesPerBatch"
    not_set = spark.conf.get(key, None)
    try:
        for before in (not_set, "1000000"):
            if before is not None:
                spark.conf.set(key, before)
            with unweighed_batches(spark):
                assert spark.conf.get(key) == str(2**31 - 1)
            assert spark.conf.get(key, None) == before
    finally:
        spark.conf.unset(key)
