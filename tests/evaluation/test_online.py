"""Experiments: users as the unit, what they did before taken out, and arms that cannot be trusted."""

import math

import numpy as np
import pytest
from pyspark.sql import functions as F

from winnow.evaluation.linear import apart
from winnow.evaluation.online import ARM, ENGAGED, RATIOS, assigned, one_arm_each, sum_users
from winnow.evaluation.online_estimates import adjusted, chi_square_tail, estimate, mismatch
from winnow.evaluation.online_settings import OnlineSettings

ENGAGEMENT, VIDEOS = RATIOS[0], RATIOS[1]


def arm(random, users, lift=0.0):
    """Return the sums of so many users, each a group: how much they see and like differs, and is alike before and now."""
    shown, before = random.poisson(random.gamma(2, 5, size=users), size=(2, users)) + 1
    taste = 0.8 * random.beta(2, 8, size=users)
    return {
        "users": np.ones(users),
        "shown": shown.astype(float),
        "positive": random.binomial(shown, taste * (1 + lift)).astype(float),
        "before_shown": before.astype(float),
        "before_positive": random.binomial(before, taste).astype(float),
    }


def compared(random, lift=0.0, users=400):
    """Return the difference of two arms, plain and adjusted."""
    arms = {"control": arm(random, users), "treatment": arm(random, users, lift)}
    plain = {name: estimate(ENGAGEMENT, sums) for name, sums in arms.items()}
    return [apart(own["treatment"], own["control"], 0.95) for own in (plain, adjusted(ENGAGEMENT, arms))]


def test_without_an_effect_each_p_value_is_as_frequent_as_any_other():
    random = np.random.default_rng(1)
    p_values = np.array([[found.p_value for found in compared(random)] for _ in range(600)])
    for own in p_values.T:
        assert 0.03 <= np.mean(own < 0.05) <= 0.075
        assert np.all(np.abs(np.quantile(own, [0.25, 0.5, 0.75]) - [0.25, 0.5, 0.75]) < 0.07)


def test_a_known_effect_lies_in_its_interval_and_what_was_before_narrows_it():
    random = np.random.default_rng(2)
    covered, widths = [], []
    for _ in range(500):
        found = [difference.interval for difference in compared(random, lift=0.25)]
        covered.append(
            [interval.low <= 0.04 <= interval.high for interval in found]
        )  # a quarter of the mean taste, 0.16
        widths.append([interval.high - interval.low for interval in found])
    assert np.all((np.mean(covered, axis=0) >= 0.93) & (np.mean(covered, axis=0) <= 0.97))
    plain, better = np.mean(widths, axis=0)
    assert better < 0.9 * plain


def test_a_difference_that_was_there_before_is_taken_out():
    random = np.random.default_rng(3)
    control, treatment = arm(random, 3_000), arm(random, 3_000)
    likes = {
        name: np.concatenate([treatment[name], treatment[name][treatment["before_positive"] > 3]]) for name in treatment
    }
    arms = {"control": control, "treatment": likes}  # users who like much are there twice
    plain = {name: estimate(ENGAGEMENT, sums) for name, sums in arms.items()}
    gap, better = (own["treatment"].value - own["control"].value for own in (plain, adjusted(ENGAGEMENT, arms)))
    assert 0 < better < 0.7 * gap


def test_nothing_before_leaves_the_metric_as_it_is():
    sums = arm(np.random.default_rng(4), 50) | {"before_shown": np.zeros(50), "before_positive": np.zeros(50)}
    assert adjusted(ENGAGEMENT, {"control": sums})["control"].value == estimate(ENGAGEMENT, sums).value
    assert math.isnan(estimate(ENGAGEMENT, {name: np.zeros(2) for name in sums}).value)


@pytest.mark.parametrize(
    ("statistic", "freedom", "tail"),
    [(3.841459, 1, 0.05), (5.991465, 2, 0.05), (11.344867, 3, 0.01), (18.307038, 10, 0.05)],
)
def test_the_tail_of_chi_square_is_that_of_the_tables(statistic, freedom, tail):
    assert chi_square_tail(statistic, freedom) == pytest.approx(tail, abs=1e-7)
    assert chi_square_tail(0, freedom) == 1


def test_arms_of_other_shares_than_meant_are_caught_and_chance_is_not():
    shares = {"control": 1, "treatment": 1}
    assert mismatch({"control": 50_300, "treatment": 49_700}, shares) > 0.05
    assert mismatch({"control": 51_000, "treatment": 49_000}, shares) < 1e-9
    random = np.random.default_rng(5)
    p_values = [
        mismatch({"control": (n := random.binomial(1_000, 0.5)), "treatment": 1_000 - n}, shares) for _ in range(500)
    ]
    assert 0.03 < np.mean(np.array(p_values) < 0.05) < 0.075


def test_users_come_into_arms_by_their_shares_and_stay_there(spark):
    rows = spark.range(20_000).withColumnRenamed("id", "user_id")
    shares = {"control": 1, "one": 1, "two": 2}
    found = rows.select(assigned("first", shares).alias("first"), assigned("second", shares).alias("second"))
    counts = {row["first"]: row["count"] for row in found.groupBy("first").count().collect()}
    assert mismatch(counts, shares) > 0.001
    both = found.where("first = 'two' and second = 'two'").count()
    assert both == pytest.approx(5_000, abs=300), "another experiment is another hash"


def test_the_sums_are_those_of_the_users_of_one_arm(spark):
    log = [  # day, user, arm, watched seconds, engaged, session
        ("2026-01-01", 1, "a", 60.0, True, 1),
        ("2026-01-02", 1, "a", 700.0, True, 2),
        ("2026-01-02", 1, "a", 0.0, False, 2),
        ("2026-01-03", 1, "a", 30.0, False, 3),
        ("2026-01-02", 2, "b", None, False, 4),
        ("2026-01-02", 3, "a", 5.0, True, 5),
        ("2026-01-02", 3, "b", 5.0, True, 5),
        ("2026-01-02", 4, None, 5.0, True, 6),
    ]
    kinds = f"day string, user_id bigint, {ARM} string, watch_s double, {ENGAGED} boolean, session_id bigint"
    rows = spark.createDataFrame(log, kinds).withColumn("event_date", F.col("day").cast("date"))
    period, before = rows.where("day > '2026-01-01'"), rows.where("day = '2026-01-01'")
    arms = period.transform(one_arm_each())
    assert {tuple(row) for row in arms.collect()} == {(1, "a", 1), (2, "b", 1), (3, "a", 2)}
    step = sum_users(before, arms.where("arms = 1"), OnlineSettings(), groups=10, seed=1)
    found = {(str(row["event_date"]), row[ARM]): row for row in period.transform(step).collect()}
    assert set(found) == {("None", "a"), ("None", "b"), ("2026-01-02", "a"), ("2026-01-02", "b"), ("2026-01-03", "a")}
    sums = ("users", "shown", "positive", "played", "long", "watched_s", "sessions", "before_shown", "before_watched_s")
    assert [found["None", "a"][name] for name in sums] == [1, 3, 1, 2, 1, 730, 2, 1, 60]
    assert [found["2026-01-02", "a"][name] for name in sums] == [1, 2, 1, 1, 1, 700, 1, 1, 60]
    assert [found["None", "b"][name] for name in sums] == [1, 1, 0, 0, 0, 0, 1, 0, 0]
