"""Other splits than by time keep what they promise, and a planted leak fails."""

import pytest
from pyspark.sql import functions as F

from winnow import splitting
from winnow.errors import LeakError, SettingsError
from winnow.evaluation import protocols
from winnow.evaluation.protocols import (
    check_nothing_leaks,
    leave_last_out,
    mask_at_random,
    pairs_on_both_sides,
    users_out_of_order,
)


@pytest.fixture(scope="module")
def rows(spark):
    """40 users with 1 to 8 interactions each of ten media, some at the same moment."""
    users = spark.range(40).select(
        F.col("id").alias("user_id"), F.explode(F.sequence(F.lit(0), F.col("id") % 8)).alias("n")
    )
    media = F.pmod(F.xxhash64("user_id", "n"), F.lit(10)).alias("media_id")
    return users.select("user_id", media, F.timestamp_seconds(F.floor(F.col("n") / 2) * 2).alias("impression_ts"), "n")


def counted(rows, step):
    return rows.transform(step()).head().asDict()


def test_parts_are_called_as_the_split_by_time_calls_them():
    assert (protocols.TRAIN, protocols.TEST) == (splitting.TRAIN, splitting.TEST)
    assert all("optimistic" in name for name in (protocols.LEAVE_LAST_OUT, protocols.MASKED_AT_RANDOM))


def test_each_user_s_last_is_for_the_test_with_what_is_tied_to_it(rows):
    parted = rows.transform(leave_last_out(1))
    sizes = {
        row["user_id"]: row["size"]
        for row in parted.where("split = 'test'").groupBy("user_id").agg(F.count("n").alias("size")).collect()
    }
    assert sizes == {
        user: 1 if user % 8 % 2 == 0 else 2 for user in range(40)
    }  # two at each moment but an odd last one
    found = counted(parted, users_out_of_order)
    assert found == {"users": 0}
    check_nothing_leaks(protocols.LEAVE_LAST_OUT, found)


def test_a_share_of_the_pairs_is_masked_whole_in_any_partitioning(rows):
    parted = rows.transform(mask_at_random(0.3, 7))
    check_nothing_leaks(protocols.MASKED_AT_RANDOM, counted(parted, pairs_on_both_sides))
    again = rows.repartition(5).transform(mask_at_random(0.3, 7))
    assert sorted(parted.collect()) == sorted(again.collect())
    pairs = parted.select("user_id", "media_id", "split").distinct()
    assert 0.15 < pairs.where("split = 'test'").count() / pairs.count() < 0.45


def test_planted_leaks_fail(rows):
    later = rows.transform(leave_last_out(1)).withColumn(
        "split", F.when(F.col("n") == 7, "train").otherwise(F.col("split"))
    )
    found = counted(later, users_out_of_order)
    assert found == {"users": 5}  # the users with eight
    with pytest.raises(LeakError, match="found 5 users"):
        check_nothing_leaks(protocols.LEAVE_LAST_OUT, found)
    twice = rows.transform(mask_at_random(0.3, 7)).unionByName(rows.withColumn("split", F.lit("train")))
    with pytest.raises(LeakError, match="pairs"):
        check_nothing_leaks(protocols.MASKED_AT_RANDOM, counted(twice, pairs_on_both_sides))


@pytest.mark.parametrize(
    "wrong", [lambda: leave_last_out(0), lambda: mask_at_random(0.0, 1), lambda: mask_at_random(1.0, 1)]
)
def test_splits_without_two_sides_are_refused(wrong, spark):
    with pytest.raises(SettingsError):
        wrong()
