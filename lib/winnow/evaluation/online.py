"""Online metrics: what users of each arm of an experiment did, summed by groups of users, with what they did before it.

    engagement_rate       impressions positive for the label / impressions
    videos_per_user       impressions that were played / users
    long_videos_per_user  impressions played for longer than so many minutes / users
    watch_s_per_user      seconds watched / users
    watch_s_per_session   seconds watched / sessions (of a session over midnight each day's part is one)

Users are those with an impression in the period, or on the day; a user is in one arm. Each metric is one sum over another, and
users, not impressions, are what was drawn into the arms: ``online_estimates`` takes its errors over them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from winnow import schema
from winnow.contracts import HELPER, Step
from winnow.evaluation.lists import GROUP, grouped
from winnow.evaluation.online_settings import OnlineSettings

#: Helper columns: the user's arm; whether an impression was engaged with.
ARM, ENGAGED = f"{HELPER}arm", f"{HELPER}engaged"
#: What is summed; before the name of each of them BEFORE stands for the days before the experiment.
SHOWN, POSITIVE, PLAYED, LONG, WATCHED, SESSIONS = "shown", "positive", "played", "long", "watched_s", "sessions"
USERS, BEFORE = "users", "before_"
SUMS = (SHOWN, POSITIVE, PLAYED, LONG, WATCHED, SESSIONS)


class Ratio(NamedTuple):
    """A metric that is one sum divided by another."""

    metric: str
    above: str
    below: str


RATIOS = (
    Ratio("engagement_rate", POSITIVE, SHOWN),
    Ratio("videos_per_user", PLAYED, USERS),
    Ratio("long_videos_per_user", LONG, USERS),
    Ratio("watch_s_per_user", WATCHED, USERS),
    Ratio("watch_s_per_session", WATCHED, SESSIONS),
)


def assigned(experiment: str, shares: Mapping[str, float]) -> Column:
    """Return the arm of the row's user: by a hash of the experiment's name and the id, each arm by its share."""
    share = F.pmod(F.xxhash64(F.lit("arm"), F.lit(experiment), schema.USER_ID), F.lit(1 << 53)) / float(1 << 53)
    arms, upper, total = list(shares), 0.0, sum(shares.values())
    arm: Column = F.lit(arms[-1])
    edges = []
    for name in arms[:-1]:
        upper += shares[name] / total
        edges.append((upper, name))
    for edge, name in reversed(edges):
        arm = F.when(share < edge, name).otherwise(arm)
    return arm


def one_arm_each() -> Step:
    """Return the step to one row a user: user_id, ARM, and ``arms``, the number of arms that the user was seen in.

    Rows in: user_id, ARM (null: not in the experiment).
    """

    def step(rows: DataFrame) -> DataFrame:
        known = rows.where(F.col(ARM).isNotNull())
        return known.groupBy(schema.USER_ID).agg(F.min(ARM).alias(ARM), F.count_distinct(ARM).alias("arms"))

    return step


def sum_users(before: DataFrame, arms: DataFrame, settings: OnlineSettings, *, groups: int, seed: int) -> Step:
    """Return the step from a period's impressions to their sums, one row an arm, group of users and day, and all days.

    ``before`` and rows in: valid impressions with ENGAGED (boolean), watch_s and, where there is one, session_id; ``arms``:
    one row a user with ARM, as ``one_arm_each`` makes them; users of none are left out. Rows out: event_date (null: all days),
    ARM, GROUP, USERS, SUMS, and SUMS of the same users in ``before``.
    """

    def step(rows: DataFrame) -> DataFrame:
        earlier = before.transform(_by_user([schema.USER_ID], settings)).withColumnsRenamed(
            {name: BEFORE + name for name in SUMS}
        )
        daily = rows.transform(_by_user([schema.USER_ID, schema.EVENT_DATE], settings))
        whole = daily.groupBy(schema.USER_ID).agg(
            F.lit(None).cast("date").alias(schema.EVENT_DATE), *(F.sum(name).alias(name) for name in SUMS)
        )
        names = [schema.USER_ID, schema.EVENT_DATE, *SUMS]
        users = whole.select(*names).unionByName(daily.select(*names))
        known = users.join(arms.select(schema.USER_ID, ARM), on=schema.USER_ID, how="inner").join(
            earlier, on=schema.USER_ID, how="left"
        )
        summed = [*SUMS, *(BEFORE + name for name in SUMS)]
        return known.groupBy(schema.EVENT_DATE, ARM, grouped(groups, seed).alias(GROUP)).agg(
            F.count(F.lit(1)).alias(USERS), *(F.coalesce(F.sum(name), F.lit(0.0)).alias(name) for name in summed)
        )

    return step


def _by_user(keys: list[str], settings: OnlineSettings) -> Step:
    """Return the step to one row a user, or a user and day, with SUMS as doubles."""

    def step(rows: DataFrame) -> DataFrame:
        watch = F.coalesce(F.col(schema.WATCH_S), F.lit(0.0))
        session = F.col(schema.SESSION_ID) if schema.SESSION_ID in rows.columns else F.col(schema.EVENT_DATE)
        sums = {
            SHOWN: F.count(F.lit(1)),
            POSITIVE: F.sum(F.when(F.col(ENGAGED), 1).otherwise(0)),
            PLAYED: F.sum(F.when(watch > 0, 1).otherwise(0)),
            LONG: F.sum(F.when(watch > settings.long_minutes * 60.0, 1).otherwise(0)),
            WATCHED: F.sum(watch),
            SESSIONS: F.count_distinct(session),
        }
        return rows.groupBy(*keys).agg(*(total.cast("double").alias(name) for name, total in sums.items()))

    return step
