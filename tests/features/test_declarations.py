"""Features as declared: each once, named by its source, and the settings that make them."""

import dataclasses
import datetime as dt

import pytest

from winnow import features
from winnow.errors import LeakError, SettingsError
from winnow.features import Clock, FeatureSettings, check_known
from winnow.features.calendar import days_to_next
from winnow.features.values import word

SETTINGS = FeatureSettings(flags={"age_band": ("18-24", "65+"), "device": ("tv",)}, keywords=("moon",))


def test_each_feature_is_declared_once_and_told():
    declared = features.declared(SETTINGS)
    names = [feature.name for feature in declared]
    assert len(set(names)) == len(names)
    assert all(feature.name.startswith(f"{feature.source}_") or feature.name in ALSO for feature in declared)
    assert all(feature.doc and feature.doc[-1] != "." for feature in declared)
    assert {"user_age_band_is_65_plus", "context_device_is_tv", "media_synopsis_has_moon"} <= set(names)
    assert features.columns(SETTINGS) + features.categories(SETTINGS) == sorted(
        names, key=lambda name: name in features.categories(SETTINGS)
    )


#: Facts of a media that keep the name of their column, which says it all.
ALSO = {"season_number", "public_rating"}


def test_windows_make_features_of_their_own():
    few = {feature.name for feature in features.declared(FeatureSettings(windows_days=(3,)))}
    assert "user_engaged_rate_3d" in few
    assert not [name for name in few if name.endswith(("_1d", "_7d", "_28d"))]


@pytest.mark.parametrize(
    ("wrong", "key"),
    [
        ({"windows_days": (7, 1)}, "windows_days"),
        ({"windows_days": ()}, "windows_days"),
        ({"crosses": ("colour",)}, "crosses"),
        ({"crosses": ("genre", "genre")}, "crosses"),
        ({"flags": {"title": ("a",)}}, "flags"),
        ({"country_utc_offset_h": {"JP": 99.0}}, "country_utc_offset_h.JP"),
        ({"half_lives": 0}, "half_lives"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(wrong, key):
    with pytest.raises(SettingsError, match=key):
        dataclasses.replace(SETTINGS, **wrong)


def test_a_tile_is_known_at_the_end_of_its_day_and_its_hours_to_settle():
    day, known = dt.date(2025, 1, 5), dt.datetime(2025, 1, 6, 12, tzinfo=dt.UTC)
    found = [("user_tiles", day, known)]
    check_known(
        found, [dt.date(2025, 1, 7)], Clock(maturity_hours=12.0)
    )  # not before the 7th, as labels settle at noon
    check_known(found, [day], Clock())  # as of a day that does not read it
    with pytest.raises(LeakError, match="user_tiles, 2025-01-05"):
        check_known(found, [dt.date(2025, 1, 7)], Clock())
    with pytest.raises(LeakError, match="2025-01-05 16:00"):
        check_known([("user_tiles", dt.date(2025, 1, 5), known)], [dt.date(2025, 1, 6)], Clock(utc_offset_h=8.0))


def test_days_to_the_next_holiday():
    new_year = dt.date(2025, 1, 1)
    found = days_to_next([dt.date(2024, 12, 30), new_year, dt.date(2025, 1, 2)], "US")
    assert (found[dt.date(2024, 12, 30)], found[new_year]) == (2, 0)
    assert found[dt.date(2025, 1, 2)] == 18  # Martin Luther King's day
    with pytest.raises(SettingsError, match="holiday_countries"):
        days_to_next([new_year], "XX")


def test_a_value_becomes_a_part_of_a_name():
    assert [word(value) for value in ("65+", "science fiction", "18-24", "喜剧")] == [
        "65_plus",
        "science_fiction",
        "18_24",
        "other",
    ]
