"""Moments of an impression: the hour and the day where the user lives, and the bands that hours and lengths fall into."""

from __future__ import annotations

import math

from pyspark.sql import Column
from pyspark.sql import functions as F

from winnow.features.settings import Clock, FeatureSettings

#: Parts of a day by their first hour.
DAYPARTS = ("night", "morning", "afternoon", "evening")
_HOURS_A_PART = 6
#: Bands of a duration: each is twice as long as the one before; the first ends at four seconds, the last has no end.
_SHORTEST_BAND_S, _BANDS = 4.0, 13


def local_us(moment: Column, country: Column, settings: FeatureSettings, clock: Clock) -> Column:
    """Return the moment on the wall clock of the country, in microseconds since 1970-01-01 there.

    A country without an offset in ``country_utc_offset_h`` has the log's own clock.
    """
    ahead: Column = F.lit(round(clock.utc_offset_h * 3_600_000_000))
    for code, hours in settings.country_utc_offset_h.items():
        ahead = F.when(country == code, F.lit(round(hours * 3_600_000_000))).otherwise(ahead)
    return F.unix_micros(moment) + ahead


def local_hour(moment: Column, country: Column, settings: FeatureSettings, clock: Clock) -> Column:
    """Return the hour of the day, 0 to 23, on the wall clock of the country."""
    hours = F.floor(local_us(moment, country, settings, clock) / 3_600_000_000)
    return F.pmod(hours, F.lit(24)).cast("int")


def local_day(moment: Column, country: Column, settings: FeatureSettings, clock: Clock) -> Column:
    """Return the date on the wall clock of the country."""
    days = F.floor(local_us(moment, country, settings, clock) / 86_400_000_000)
    return F.date_from_unix_date(days.cast("int"))


def daypart(hour: Column) -> Column:
    """Return the part of the day: night, morning, afternoon, evening."""
    return F.get(F.array(*map(F.lit, DAYPARTS)), F.floor(hour / _HOURS_A_PART).cast("int"))


def length_band(seconds: Column) -> Column:
    """Return the band that a duration falls into, from "0"; null where it is not known.

    floor(log2(d / 2)) for d seconds, cut to 0 .. 12, by comparisons with powers of two: exact in every engine.
    """
    band: Column = F.lit("0")
    for place in range(1, _BANDS):
        band = F.when(seconds >= _SHORTEST_BAND_S * 2 ** (place - 1), F.lit(str(place))).otherwise(band)
    return F.when((seconds > 0) & (seconds < math.inf), band)
