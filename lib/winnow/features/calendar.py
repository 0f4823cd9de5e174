"""Public holidays as a small local table: days to the next one by country, for each as-of day."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from pyspark.sql import DataFrame, SparkSession

from winnow import schema
from winnow.errors import SettingsError
from winnow.features.settings import FeatureSettings
from winnow.local import local_rows

#: Name of the map from country to the days until its next holiday, 0 on one.
DAYS_TO_HOLIDAY = "days_to_holiday"
#: Days that are looked ahead; further away, none is known.
HORIZON_DAYS = 60


def holidays(spark: SparkSession, days: Sequence[dt.date], settings: FeatureSettings) -> DataFrame | None:
    """Return as_of_date and days_to_holiday (a map by country); None where no country was named.

    Raises SettingsError where the library is not installed, or does not know a country.
    """
    if not settings.holiday_countries:
        return None
    ahead = {country: days_to_next(days, country) for country in settings.holiday_countries}
    rows = [(day, {country: found[day] for country, found in ahead.items() if day in found}) for day in days]
    return local_rows(spark, rows, f"{schema.AS_OF_DATE} date, {DAYS_TO_HOLIDAY} map<string,int>")


def days_to_next(days: Sequence[dt.date], country: str) -> dict[dt.date, int]:
    """Return for each of the days how many there are to the country's next public holiday, where one is in sight."""
    try:
        import holidays as library
    except ImportError:
        raise SettingsError(
            "features.holiday_countries: expected the library holidays, found none. Install winnow[features], or leave the "
            "setting out."
        ) from None
    years = range(min(days).year, max(days).year + 2)
    try:
        known = sorted(library.country_holidays(country, years=years))
    except NotImplementedError:
        raise SettingsError(
            f"features.holiday_countries: expected ISO codes of countries whose holidays are known, found {country!r}"
        ) from None
    found = {}
    for day in days:
        following = next((holiday for holiday in known if holiday >= day), None)
        if following is not None and (following - day).days <= HORIZON_DAYS:
            found[day] = (following - day).days
    return found
