"""A simulated experiment on the generated log: its known effect is found, by the job, and broken arms are told."""

import datetime as dt

import pytest
from pyspark.sql import functions as F

from winnow.evaluation.online import assigned
from winnow.synthetic import SyntheticSettings
from winnow.synthetic.experiment import treat
from winnow.synthetic.impressions import impressions

FIRST, LAST = dt.date(2026, 1, 7), dt.date(2026, 1, 8)
LIFT = 0.5
WORLD = SyntheticSettings(rows_per_day=8_000, users=1_500, media=300, engaged_rate=0.1)
SHARES = {"control": 0.5, "treatment": 0.5}


@pytest.fixture(scope="module")
def experiment(spark, run_job, tmp_path_factory):
    """A root with two days before an experiment and two of it, its metrics, and what the job said."""
    root = tmp_path_factory.mktemp("experiment")
    for number in range(4):
        day = dt.date(2026, 1, 5) + dt.timedelta(days=number)
        rows = impressions(spark, WORLD, day, 1).withColumn("arm", assigned("lift", SHARES))
        is_treated = (F.col("arm") == "treatment") & (F.col("event_date") >= F.lit(FIRST))
        treated = rows.transform(treat(is_treated, LIFT, WORLD))
        treated.write.format("delta").mode("append").partitionBy("event_date").save(f"{root}/impressions")
    ended = run_job("evaluate", root, "--online", "--start", FIRST, "--end", LAST, "--set", "online.arm=arm")
    assert ended.code == 0, ended.err
    return root, ended


def test_the_known_effect_lies_in_its_interval_and_is_no_chance(experiment, read):
    root, ended = experiment
    rows = read(root, "metrics").where("protocol = 'online' and slice = '{}'").collect()
    found = {(row["model"], row["metric"], row["baseline"]): row for row in rows}
    log = read(root, "impressions").where((F.col("event_date") >= F.lit(FIRST)) & (F.col("arm") == "treatment"))
    (mean,) = log.agg(F.avg("true_probability")).head()
    effect = LIFT * mean * (1 - WORLD.middle_rate)
    for metric in ("engagement_rate", "engagement_rate_adjusted"):
        row = found["treatment", metric, "control"]
        assert row["low"] <= effect <= row["high"], metric
        assert row["p_value"] < 0.001
    assert found["treatment", "user_share", "expected"]["p_value"] > 0.001
    assert found["control", "engagement_rate", None]["units"] > 500
    assert "differences to control" in ended.err
    assert "mismatch" not in ended.err


def test_each_day_has_metrics_of_its_own(experiment, read):
    root, _ = experiment
    rows = read(root, "metrics").where("metric = 'engagement_rate' and baseline is null").collect()
    assert {row["slice"] for row in rows} == {"{}", '{"event_date":"2026-01-07"}', '{"event_date":"2026-01-08"}'}


def test_arms_of_other_shares_and_arms_without_users_are_told(experiment, run_job):
    root, _ = experiment
    days = ("--online", "--date", LAST, "--dry-run", "--set", "online.arm=arm")
    ended = run_job("evaluate", root, *days, "--set", "online.shares={control = 0.6, treatment = 0.4}")
    assert ended.code == 0, ended.err
    assert "sample-ratio mismatch" in ended.err
    ended = run_job("evaluate", root, *days, "--set", "online.shares={control = 0.5, b = 0.5}")
    assert ended.code == 4
    assert "found none in b" in ended.err
