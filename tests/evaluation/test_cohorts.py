"""Slices that are worked out: who and what is new, and how active users were, as of a day."""

import datetime as dt

import pytest
from pyspark.sql import functions as F

from winnow.evaluation.cohorts import with_cohorts
from winnow.evaluation.settings import EvaluationSettings

DAY = dt.date(2026, 1, 31)
SETTINGS = EvaluationSettings(new_user_days=10, new_media_days=5, activity_bands=(1, 3))


def days_before(count):
    return DAY - dt.timedelta(days=count)


@pytest.fixture(scope="module")
def cohorts(spark):
    """Return the function that adds all cohorts to a row of each of the users a to d, with media 1 to 4."""
    log = [("a", 1, 40, 1), ("a", 2, 3, 1), ("a", 2, 2, 1), ("b", 1, 10, 1), ("b", 3, 9, 0), ("c", 1, 2, 0)]
    before = spark.createDataFrame(
        [(user, media, days_before(ago), label) for user, media, ago, label in log],
        "user_id string, media_id bigint, event_date date, watched_label int",
    )
    rows = spark.createDataFrame(list(zip("abcd", [1, 2, 3, 4], strict=True)), "user_id string, media_id bigint")

    def added(rows=rows, **tables):
        names = ["is_new_user", "is_new_media", "activity"]
        step = with_cohorts(names, before, F.col("watched_label") == 1, DAY, SETTINGS, **tables)
        return [row[-3:] for row in sorted(rows.transform(step).select("user_id", *names).collect())]

    return added


def test_what_was_first_seen_of_late_or_never_is_new(cohorts):
    assert cohorts() == [(False, False, "3+"), (True, True, "1-2"), (True, False, "0"), (True, True, "0")]


def test_the_tables_are_believed_where_they_tell_a_day(cohorts, spark):
    users = spark.createDataFrame([("c", days_before(99)), ("d", None)], "user_id string, joined_date date")
    media = spark.createDataFrame([(1, days_before(5)), (4, days_before(6))], "media_id bigint, added_date date")
    found = cohorts(users=users, media=media)
    assert [row[0] for row in found] == [False, True, False, True]
    assert [row[1] for row in found] == [True, True, False, False]


def test_a_column_of_the_log_itself_is_left_as_it_is(cohorts, spark):
    rows = spark.createDataFrame([("a", 1, "my own")], "user_id string, media_id bigint, activity string")
    assert cohorts(rows) == [(False, False, "my own")]
