"""The synthetic log as a log: its rows, sessions, times, strata and catalogue."""

import datetime as dt

import pytest
from pyspark.sql import functions as F

from winnow import schema
from winnow.contracts import conform
from winnow.errors import SettingsError
from winnow.synthetic import SyntheticSettings, impressions, population, showing
from winnow.synthetic.draws import NumberDraws
from winnow.synthetic.settings import MAX_ROWS_PER_DAY
from winnow.synthetic.showing import SURFACES


def test_the_log_has_nineteen_columns_and_keeps_the_contract(spark, settings, day):
    rows = impressions(spark, settings, day)
    assert len(rows.columns) == 19
    assert conform(schema.IMPRESSIONS)(rows).columns == rows.columns
    declared = {str(value): value for value in vars(schema).values() if isinstance(value, schema.Column)}
    assert {name: kind for name, kind in rows.dtypes if kind not in declared[name].types} == {}


def test_rows_are_the_same_for_any_partitions_and_time_zone(spark, settings, day, dirt):
    soiled = SyntheticSettings(rows_per_day=6_000, start_date=settings.start_date, dirt=dirt)

    def made(partitions, zone):
        spark.conf.set("spark.sql.session.timeZone", zone)
        rows = impressions(spark, soiled, day, partitions)
        rows = rows.withColumn(schema.IMPRESSION_TS, F.unix_micros(schema.IMPRESSION_TS))
        return sorted(map(str, rows.withColumn(schema.EVENT_DATE, F.unix_date(schema.EVENT_DATE)).collect()))

    try:
        expected = made(1, "UTC")
        assert len(expected) > 7_500  # with some 1,800 copies
        assert made(7, "Europe/Paris") == expected
    finally:
        spark.conf.set("spark.sql.session.timeZone", "UTC")


@pytest.mark.not_on("sail", "connect", why="plans and methods are the JVM's")
def test_no_shuffle_no_join_and_no_method_that_the_jvm_would_not_compile(spark, settings, day, dirt, capsys):
    soiled = SyntheticSettings(rows_per_day=100_000_000, start_date=settings.start_date, dirt=dirt)
    rows = impressions(spark, soiled, day)
    rows.explain("codegen")
    plan = capsys.readouterr().out
    sizes = [int(text.split(";")[0]) for text in plan.split("maxMethodCodeSize:")[1:]]
    assert len(sizes) >= 3
    assert max(sizes) < 8_000
    assert "Exchange" not in plan
    assert "Join" not in plan
    assert rows.rdd.getNumPartitions() == 200  # 100 of a million rows, and as many again for their copies


def test_ids_are_unique_over_days_and_below_2_to_the_53(spark, settings, clean, day):
    next_day = impressions(spark, settings, day + dt.timedelta(days=1)).select("impression_id", "session_id").toPandas()
    ids = {*clean.impression_id, *next_day.impression_id}
    assert len(ids) == 2 * settings.rows_per_day
    assert not {*clean.session_id} & {*next_day.session_id}
    assert max(ids) < 2**53
    last_row = showing.session(NumberDraws(7), settings, dt.date(2099, 12, 31), {showing.ROW: MAX_ROWS_PER_DAY - 1})
    assert max(last_row[showing.IMPRESSION], last_row[showing.SESSION]) < 2**53


def test_two_days_are_not_alike(spark, settings, clean, day):
    shown = impressions(spark, settings, day + dt.timedelta(days=1)).select("impression_id", "media_id").toPandas()
    shown = shown.sort_values("impression_id", ignore_index=True)
    assert (shown.media_id == clean.media_id).mean() < 0.05


def test_every_time_lies_within_the_utc_day(clean, day):
    assert set(clean.event_date) == {day}
    assert set(clean.impression_ts.dt.date) == {day}


def test_a_session_is_one_user_on_one_device_in_the_order_of_time(clean):
    sessions = clean.groupby("session_id")
    assert (sessions[["user_id", "device", "country", "app_version"]].nunique() == 1).all(axis=None)
    assert sessions.impression_ts.is_monotonic_increasing.all()
    assert sessions.size().between(1, 11).all()
    assert 5.5 < sessions.size().mean() < 6.5
    assert (sessions.impression_ts.max() - sessions.impression_ts.min()).max() < dt.timedelta(hours=1)


def test_people_watch_in_their_own_evening(clean):
    ahead = clean.country.map({country.code: country.utc_offset_h for country in population.COUNTRIES})
    hour = (clean.impression_ts.dt.hour + clean.impression_ts.dt.minute / 60 + ahead) % 24
    for country in ("US", "FR", "JP"):
        hours = hour[clean.country == country]
        assert hours.between(19, 22).mean() > 5 * hours.between(2, 5).mean()


def test_at_weekends_people_watch_by_day(spark, settings, clean, day):
    saturday = impressions(spark, settings, day + dt.timedelta(days=4)).filter("country = 'GB'")
    by_day = saturday.agg(F.avg(F.hour("impression_ts").between(9, 16).cast("int"))).first()[0]
    assert by_day > 1.3 * clean.impression_ts.dt.hour[clean.country == "GB"].between(9, 16).mean()


@pytest.mark.parametrize(("stratum", "volume", "engagement"), [("surface", 5, 4), ("device", 4, 1.25)])
def test_strata_differ_in_volume_and_engagement(clean, stratum, volume, engagement):
    rows, rates = clean.groupby(stratum).size(), clean.groupby(stratum).true_probability.mean()
    assert rows.max() > volume * rows.min()
    assert rates.max() > engagement * rates.min()


def test_every_surface_is_there_and_kids_see_media_for_kids(clean, catalogue):
    assert set(clean.surface) == {surface.name for surface in SURFACES}
    for_kids = clean.media_id[clean.surface == "kids"].map(catalogue.genres.str[0])
    assert set(for_kids) == {"kids"}


def test_the_place_in_the_list_is_from_1_to_40_and_1_when_playing_by_itself(clean):
    assert clean.position.min() == 1
    assert clean.position.max() == 40
    assert set(clean.position[clean.surface == "autoplay"]) == {1}
    assert clean.is_autoplay[clean.surface == "autoplay"].all()
    assert (clean.position <= 6).mean() > 0.5


def test_few_media_have_most_of_the_impressions(clean, settings):
    views = clean.media_id.value_counts()
    assert 0.25 < views.head(settings.media // 100).sum() / len(clean) < 0.5
    assert views.tail(settings.media // 2).sum() / len(clean) < 0.2
    popular_ids = views.head(50).index
    assert popular_ids.max() > 4_000  # ids do not tell the popularity
    assert popular_ids.min() < 1_000


def test_heavy_users_see_much_more_than_others(clean, settings):
    seen = clean.user_id.value_counts()
    assert 0.05 < seen.head(settings.users // 100).sum() / len(clean) < 0.2
    assert seen.index.min() >= 1
    assert seen.index.max() <= settings.users


def test_nothing_is_shown_before_it_is_added_and_some_media_arrive(clean, catalogue, settings, day):
    added = clean.media_id.map(catalogue.added_date)
    assert added.notna().all()
    assert (added <= day).all()
    is_new = added >= settings.start_date
    assert abs(is_new.mean() - settings.new_media_share) < 4 * (0.1 * 0.9 / len(clean)) ** 0.5
    assert set(added[is_new]) == {settings.start_date + dt.timedelta(days=days) for days in range(6)}
    assert clean.media_id[added == day].nunique() == settings.new_media_per_day


def test_a_catalogue_that_stands_still_shows_its_own_media_only(spark, day):
    still = SyntheticSettings(rows_per_day=5_000, media=50, new_media_per_day=0)
    assert impressions(spark, still, day).agg(F.min("media_id"), F.max("media_id")).first()[:] == (1, 50)


def test_the_catalogue_agrees_with_the_impressions(clean, catalogue, accounts):
    assert (clean.media_id.map(catalogue.media_duration_s) == clean.media_duration_s).all()
    assert (clean.user_id.map(accounts.country) == clean.country).all()


def test_a_day_before_the_first_is_refused_by_name(spark, settings):
    with pytest.raises(SettingsError, match=r"synthetic\.start_date: expected 2025-12-31 or before"):
        impressions(spark, settings, dt.date(2025, 12, 31))


@pytest.mark.parametrize("rows", [0, 1, 13])
def test_tiny_days_have_their_rows(spark, rows):
    tiny = SyntheticSettings(rows_per_day=rows, users=1, media=1, new_media_per_day=1)
    assert impressions(spark, tiny, tiny.start_date).count() == rows
