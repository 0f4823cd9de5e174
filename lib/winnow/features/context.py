"""Features of the moment and the place: when, where and on what the media is shown."""

from __future__ import annotations

import math

from pyspark.sql import Column
from pyspark.sql import functions as F

from winnow import schema
from winnow.features.calendar import DAYS_TO_HOLIDAY, HORIZON_DAYS
from winnow.features.kinds import Feature, Formula, Kind, Known
from winnow.features.media import length_s
from winnow.features.moments import DAYPARTS, daypart, length_band, local_day, local_hour
from winnow.features.settings import Clock, FeatureSettings
from winnow.features.smoothing import MEAN
from winnow.features.tiles import SURFACE_LENGTH
from winnow.features.users import country
from winnow.features.values import category, equals_any, log_count
from winnow.features.windows import rate_of

_SEASONS = {"winter": (12, 1, 2), "spring": (3, 4, 5), "summer": (6, 7, 8), "autumn": (9, 10, 11)}


def declared(settings: FeatureSettings, clock: Clock) -> tuple[Feature, ...]:
    """Return the features of the context."""

    def hour(known: Known) -> Column:
        return local_hour(known.context(schema.IMPRESSION_TS), country(known), settings, clock)

    def day(known: Known) -> Column:
        return local_day(known.context(schema.IMPRESSION_TS), country(known), settings, clock)

    def of(
        name: str, default: float, doc: str, formula: Formula, *, kind: Kind = "numeric", days: int | None = None
    ) -> Feature:
        return Feature(f"context_{name}", kind, "context", default, doc, formula, days)

    made = [
        of("hour_sin", 0.0, "sine of the local hour on a circle of 24", lambda known: _sin(hour(known), 24)),
        of("hour_cos", 0.0, "cosine of the local hour on a circle of 24", lambda known: _cos(hour(known), 24)),
        *(
            of(
                f"is_{part}",
                0.0,
                f"the local hour is of the {part}",
                _is_part(hour, part),
                kind="flag",
            )
            for part in DAYPARTS
        ),
        of("weekday", 4.0, "day of the week, Monday 1", lambda known: F.weekday(day(known)) + 1),
        of("is_weekend", 0.0, "Saturday or Sunday", lambda known: F.weekday(day(known)) >= 5, kind="flag"),
        *(
            of(
                f"is_{season}",
                0.0,
                f"{season} in the north, by month",
                _is_in(day, months),
                kind="flag",
            )
            for season, months in _SEASONS.items()
        ),
        of("is_holiday", 0.0, "a holiday in the user's country", lambda known: _holiday(known) == 0, kind="flag"),
        of("days_to_holiday", float(HORIZON_DAYS), "days to the next holiday in the user's country, 0 on it", _holiday),
        of("log_position", 0.0, "log(1 + place in the list)", lambda known: log_count(known.context(schema.POSITION))),
        *equals_any(settings, "context", str(schema.DEVICE), lambda known: known.context(schema.DEVICE)),
        *equals_any(settings, "context", str(schema.SURFACE), lambda known: known.context(schema.SURFACE)),
    ]
    rates: dict[str, Formula] = {
        str(schema.DEVICE): lambda known: known.context(schema.DEVICE),
        str(schema.SURFACE): lambda known: known.context(schema.SURFACE),
        str(schema.COUNTRY): country,
        "hour": lambda known: hour(known).cast("string"),
        "length": lambda known: length_band(length_s(known)),
        SURFACE_LENGTH: lambda known: F.concat(known.context(schema.SURFACE), F.lit("|"), length_band(length_s(known))),
    }
    made += [
        of(
            f"{aspect}_rate",
            0.0,
            f"share of engaged impressions of the same {aspect.replace('_', ' and ')}, smoothed",
            _rate(aspect, value),
            days=settings.longest_days,
        )
        for aspect, value in rates.items()
    ]
    made += [
        category(settings, "context_device", "context", lambda known: known.context(schema.DEVICE), "kind of device"),
        category(
            settings, "context_surface", "context", lambda known: known.context(schema.SURFACE), str(schema.SURFACE)
        ),
    ]
    return tuple(made)


def _is_part(hour: Formula, part: str) -> Formula:
    return lambda known: daypart(hour(known)) == part


def _is_in(day: Formula, months: tuple[int, ...]) -> Formula:
    return lambda known: F.month(day(known)).isin(*months)


def _rate(aspect: str, value: Formula) -> Formula:
    """Return the rate of the value, 0 to 1; that of all media where it was never seen."""
    return lambda known: F.coalesce(
        F.try_element_at(known.world(rate_of(aspect)), value(known)) / 1e6, known.world(f"media_{MEAN}")
    )


def _holiday(known: Known) -> Column:
    return F.try_element_at(known.world(DAYS_TO_HOLIDAY), country(known))


def _sin(place: Column, places: int) -> Column:
    return F.sin(place * (2 * math.pi / places))


def _cos(place: Column, places: int) -> Column:
    return F.cos(place * (2 * math.pi / places))
