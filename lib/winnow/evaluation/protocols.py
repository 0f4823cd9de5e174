"""Other ways than time to part what is known from what is asked, each with the check that it keeps what it promises.

By time (``splitting.assign``, folds of it ``splitting.folds``) is how Winnow measures: it asks what a service asks. The ways below
are there to compare with what others publish. Both know the future of other users, and so rate models too well, above all those
that follow trends (Ji, Sun, Zhang, Li, "A Critical Study on Data Leakage in Recommender System Offline Evaluation", TOIS 2023):
what is measured by them is named so in the column ``protocol``, and never stands beside metrics by time.
"""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from winnow import schema
from winnow.contracts import HELPER, Step
from winnow.errors import LeakError
from winnow.settings import check, check_between

#: Parts, as ``splitting`` names them.
TRAIN, TEST = "train", "test"
#: What the column ``protocol`` says of metrics that were taken so.
LEAVE_LAST_OUT, MASKED_AT_RANDOM = "leave_last_out_optimistic", "masked_at_random_optimistic"
_LATER = f"{HELPER}later"


def leave_last_out(last: int = 1) -> Step:
    """Return the step that adds ``split``: test for each user's ``last`` interactions, train for those before.

    Rows in: interactions with user_id and impression_ts. Interactions of one moment are never parted: where more than
    ``last`` are tied at the border all of them are for the test. A user with nothing before has rows for the test only.
    Optimistic: the last interaction of one user may come before what is learnt of others.
    """
    check(last >= 1, "last", "1 or more", last)
    later = Window.partitionBy(schema.USER_ID).orderBy(F.col(schema.IMPRESSION_TS).desc())

    def step(rows: DataFrame) -> DataFrame:
        ranked = rows.withColumn(_LATER, F.rank().over(later))
        is_last = F.col(_LATER) <= last
        return ranked.withColumn(schema.SPLIT, F.when(is_last, TEST).otherwise(TRAIN)).drop(_LATER)

    return step


def mask_at_random(share: float, seed: int) -> Step:
    """Return the step that adds ``split``: test for a share of the pairs of a user and a media, train for the others.

    By a hash of the pair, so that all views of a media by a user are on one side, whatever the partitioning. Optimistic, most
    of all: a user's later behaviour tells of what was masked before it, and a trend is known before it begins.
    """
    check_between("share", share, 1e-6, 1 - 1e-6)
    drawn = F.pmod(F.xxhash64(F.lit(seed), F.lit("mask"), schema.USER_ID, schema.MEDIA_ID), F.lit(1 << 53))

    def step(rows: DataFrame) -> DataFrame:
        return rows.withColumn(schema.SPLIT, F.when(drawn / float(1 << 53) < share, TEST).otherwise(TRAIN))

    return step


def users_out_of_order() -> Step:
    """Return the step from rows with ``split`` to one row: ``users`` who have a train row as late as a test row, or later."""

    def step(rows: DataFrame) -> DataFrame:
        part, moment = F.col(schema.SPLIT), F.col(schema.IMPRESSION_TS)
        borders = rows.groupBy(schema.USER_ID).agg(
            F.max(F.when(part == TRAIN, moment)).alias("known_until"),
            F.min(F.when(part == TEST, moment)).alias("asked_from"),
        )
        return borders.agg(F.count(F.when(F.col("known_until") >= F.col("asked_from"), 1)).alias("users"))

    return step


def pairs_on_both_sides() -> Step:
    """Return the step from rows with ``split`` to one row: ``pairs`` of a user and a media that are in train and test."""

    def step(rows: DataFrame) -> DataFrame:
        sides = rows.groupBy(schema.USER_ID, schema.MEDIA_ID).agg(F.count_distinct(schema.SPLIT).alias("sides"))
        return sides.agg(F.count(F.when(F.col("sides") > 1, 1)).alias("pairs"))

    return step


def check_nothing_leaks(protocol: str, found: Mapping[str, int]) -> None:
    """Raise LeakError where ``users_out_of_order`` or ``pairs_on_both_sides`` counted any."""
    leaks = {name: count for name, count in found.items() if count}
    if leaks:
        told = ", ".join(f"{count:,} {name}" for name, count in leaks.items())
        raise LeakError(
            f"{protocol}: expected none on both sides of the border, found {told}. Split again by the protocol."
        )
