"""The soiled log: each fault at its known rate, and the clean log to be had back from copies."""

import dataclasses
import datetime as dt
import math

import numpy as np
import pytest
from pandas.testing import assert_frame_equal

from conftest import GENERATED
from winnow.errors import SettingsError
from winnow.settings import build
from winnow.synthetic import DirtSettings, SyntheticSettings, bot_user_id, impressions

pytestmark = GENERATED


@pytest.fixture(scope="module")
def soiled(spark, settings, day, dirt):
    return impressions(spark, dataclasses.replace(settings, dirt=dirt), day).toPandas()


def settled(rows):
    """Of the lines of an id the one with the largest watch_s, NaN above all and null below all, as Spark orders them."""
    order = rows.watch_s.to_numpy(dtype=float)
    return (
        rows.assign(order=order)
        .sort_values(["impression_id", "order"], ascending=[True, False], kind="stable", na_position="last")
        .drop_duplicates("impression_id")
        .drop(columns="order")
        .reset_index(drop=True)
    )


def test_the_log_is_clean_unless_asked(clean):
    assert clean.impression_id.is_unique
    assert clean.notna().all(axis=None)
    assert np.isfinite(clean.watch_s).all()
    assert (clean.watch_s >= 0).all()
    assert (clean.media_duration_s >= 15).all()


def test_every_fault_has_its_rate(spark, settings, day, dirt):
    from pyspark.sql import functions as F

    # NaN and null are one in pandas: counted in Spark.
    watch, duration, shown = F.col("watch_s"), F.col("media_duration_s"), F.to_date("impression_ts")
    days_off = F.date_diff(shown, F.col("event_date"))
    faults = {
        "nan_watch_rate": F.isnan(watch),
        "negative_watch_rate": watch < 0,
        "null_watch_rate": watch.isNull(),
        "infinite_watch_rate": watch == float("inf"),
        "zero_duration_rate": duration == 0,
        "null_duration_rate": duration.isNull(),
        "late_rate": days_off == -1,
        "ahead_rate": days_off.between(3, 9),
        "null_surface_rate": F.col("surface").isNull(),
        "bot_rate": F.col("user_id") == bot_user_id(settings),
    }
    once = dataclasses.replace(settings, dirt=dataclasses.replace(dirt, duplicate_rate=0.0))
    rows = impressions(spark, once, day)
    counts = rows.agg(*(F.count_if(fault).alias(name) for name, fault in faults.items())).first().asDict()
    lines = settings.rows_per_day
    for name, count in counts.items():
        rate = getattr(dirt, name)
        assert abs(count - rate * lines) < 4 * math.sqrt(rate * (1 - rate) * lines), name
    assert rows.filter(~days_off.isin(0, -1) & ~days_off.between(3, 9)).isEmpty()


def test_late_rows_are_of_the_last_ten_minutes_of_the_day_before(soiled, day):
    late = soiled.impression_ts[soiled.impression_ts.dt.date < day]
    assert len(late) > 1_000
    assert (late >= dt.datetime.combine(day, dt.time()) - dt.timedelta(minutes=10)).all()


def test_the_bot_is_one_user_in_one_session_without_an_account(soiled, accounts, settings):
    of_bot = soiled[soiled.user_id == settings.users + 1]
    assert of_bot.session_id.nunique() == 1
    assert settings.users + 1 not in accounts.index
    assert (soiled.groupby("session_id").user_id.nunique() == 1).all()
    assert soiled.session_id.max() < 2**53


def test_the_truth_is_not_soiled(soiled, clean):
    columns = ["impression_id", "media_id", "true_probability", "event_date"]
    assert_frame_equal(settled(soiled)[columns], clean[columns])


def test_copies_settled_by_the_largest_watch_time_give_the_clean_log_exactly(spark, settings, day, clean):
    copied = dataclasses.replace(settings, dirt=DirtSettings(duplicate_rate=0.3))
    rows = impressions(spark, copied, day).toPandas()
    copies = len(rows) - len(clean)
    assert abs(copies - 12_000) < 4 * math.sqrt(0.3 * 0.7 * 40_000)
    watched = rows[rows.impression_id.duplicated(keep=False)].groupby("impression_id").watch_s
    differ = (watched.max() > watched.min()).sum()
    assert 0.15 * copies < differ < 0.5 * copies  # heartbeats of rows that were played
    assert_frame_equal(settled(rows), clean)


def test_copies_have_the_faults_of_their_row(spark, settings, day, dirt, soiled):
    once = dataclasses.replace(settings, dirt=dataclasses.replace(dirt, duplicate_rate=0.0))
    rows = impressions(spark, once, day).toPandas().sort_values("impression_id", ignore_index=True)
    assert_frame_equal(settled(soiled), rows)


def test_faults_that_leave_no_room_for_each_other_are_refused():
    with pytest.raises(SettingsError, match="zero_duration_rate \\+ null_duration_rate"):
        DirtSettings(zero_duration_rate=0.6, null_duration_rate=0.5)
    with pytest.raises(SettingsError, match="nan_watch_rate"):
        DirtSettings(nan_watch_rate=-0.1)
    with pytest.raises(SettingsError, match="positive_at_least"):
        SyntheticSettings(positive_at_least=0.3, negative_at_most=0.3)


def test_settings_are_built_of_plain_values():
    asked = build(SyntheticSettings, {"start_date": "2026-02-01", "dirt": {"bot_rate": 0.2}}, "synthetic")
    assert asked.start_date == dt.date(2026, 2, 1)
    assert asked.dirt.bot_rate == 0.2
    with pytest.raises(SettingsError, match=r"synthetic\.dirt\.bot_rat: no such setting; did you mean bot_rate"):
        build(SyntheticSettings, {"dirt": {"bot_rat": 0.2}}, "synthetic")
