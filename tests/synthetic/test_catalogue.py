"""The catalogue that goes with the synthetic log."""

import datetime as dt

import pytest

from conftest import GENERATED
from winnow import schema
from winnow.errors import SettingsError
from winnow.synthetic import media, users

pytestmark = GENERATED


def test_the_tables_have_the_columns_of_the_schema(spark, settings, day):
    for table, rows in ((schema.MEDIA, media(spark, settings, day)), (schema.USERS, users(spark, settings))):
        assert rows.dtypes == [(column, column.type) for column in table.columns]


def test_the_catalogue_grows_by_the_arrivals_of_each_day(catalogue, accounts, settings, day):
    assert sorted(catalogue.index) == list(range(1, 5_000 + 6 * 10 + 1))
    assert (catalogue.added_date >= settings.start_date).sum() == 6 * 10
    assert catalogue.added_date.max() == day
    assert sorted(accounts.index) == list(range(1, settings.users + 1))
    assert (accounts.joined_date < settings.start_date).all()


def test_durations_run_from_clips_to_films(catalogue):
    durations = catalogue.media_duration_s
    assert 15 <= durations.min() < 20
    assert 8_500 < durations.max() <= 9_000
    assert 0.35 < (durations <= 180).mean() < 0.45
    assert 0.12 < (durations >= 4_500).mean() < 0.18
    assert (durations % 1 == 0).all()


def test_every_medium_can_be_read(catalogue):
    assert catalogue.drop(columns="cast").notna().all(axis=None)
    assert catalogue.synopsis.str.count(r"\.").eq(3).all()
    assert catalogue.synopsis.str.len().between(80, 300).all()
    assert catalogue.genres.str.len().between(1, 2).all()
    assert catalogue["cast"].str.len().between(1, 5).all()
    assert (catalogue.release_date <= catalogue.added_date).all()
    assert (catalogue.maturity_rating[catalogue.genres.str[0] == "kids"] == "all").all()
    assert catalogue.maturity_rating[catalogue.genres.map(lambda genres: "horror" in genres)].isin(["16", "18"]).all()
    assert catalogue.title.nunique() > 1_000


def test_users_are_of_every_age_gender_and_country(accounts):
    assert accounts.age_band.nunique() == 6
    assert 0.05 < accounts.gender.isna().mean() < 0.11
    assert accounts.country.nunique() == 10
    assert set(accounts.language[accounts.country == "MX"]) == {"es"}


def test_a_catalogue_before_the_first_day_is_refused(spark, settings):
    with pytest.raises(SettingsError, match="start_date"):
        media(spark, settings, dt.date(2025, 12, 31))
