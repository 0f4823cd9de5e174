"""One generated day, its catalogue and a soiled day, each made once for all tests of the synthetic log."""

import datetime as dt

import pytest

from winnow.synthetic import DirtSettings, SyntheticSettings, impressions, media, users


@pytest.fixture(scope="session")
def settings():
    return SyntheticSettings(rows_per_day=40_000, users=4_000, start_date=dt.date(2026, 1, 1))


@pytest.fixture(scope="session")
def day():
    return dt.date(2026, 1, 6)  # a Tuesday


@pytest.fixture(scope="session")
def clean(spark, settings, day):
    """The clean day, in the order of its ids."""
    return impressions(spark, settings, day).toPandas().sort_values("impression_id", ignore_index=True)


@pytest.fixture(scope="session")
def catalogue(spark, settings, day):
    return media(spark, settings, day).toPandas().set_index("media_id")


@pytest.fixture(scope="session")
def accounts(spark, settings):
    return users(spark, settings).toPandas().set_index("user_id")


@pytest.fixture(scope="session")
def dirt():
    """Every fault at a rate of its own, so that no rate can stand for another."""
    return DirtSettings(
        duplicate_rate=0.3,
        nan_watch_rate=0.01,
        negative_watch_rate=0.02,
        null_watch_rate=0.03,
        infinite_watch_rate=0.015,
        zero_duration_rate=0.04,
        null_duration_rate=0.025,
        late_rate=0.035,
        ahead_rate=0.005,
        null_surface_rate=0.06,
        bot_rate=0.1,
    )
