"""What is shown to whom, when and where: the part of a row that is there before anybody watches.

Steps of ``SHOWING`` follow each other: each takes the row so far and returns what it adds. The number of the row in its
day is all that the first one needs.
"""

from __future__ import annotations

import datetime as dt
import functools
import math
from typing import NamedTuple

from winnow.synthetic import population
from winnow.synthetic.draws import Draws, Row, Value
from winnow.synthetic.settings import SyntheticSettings, days_since_epoch

#: Rows' numbers within a day lie below this power of 2; with the day's number above them, ids stay below 2 ** 53.
DAY_SHIFT = 37

#: What the steps add to a row.
ROW, IMPRESSION, SESSION, PLACE_IN_SESSION = "_row", "_impression", "_session", "_place_in_session"
USER, AGE, COUNTRY_PLACE, DEVICE_PLACE = "_user", "_age", "_country", "_device"
LOCAL_HOUR, OPENED, SHOWN_MS = "_local_hour", "_opened", "_shown_ms"
MEDIA, KIND_PLACE, LENGTH, DURATION, ADDED_DAY = "_media", "_kind", "_length", "_duration", "_added_day"
GENRE_PLACE, SECOND_GENRE_PLACE = "_genre", "_second_genre"
SURFACE_PLACE, PLACE_IN_LIST, STARTED_ITSELF, APP_PLACE = "_surface", "_place_in_list", "_started_itself", "_app"


class Surface(NamedTuple):
    """A place in the product where media are shown."""

    name: str
    #: Percentage of the impressions of media that are not for kids.
    share: int
    #: Effect on the logit of the truth.
    effect: float


class Device(NamedTuple):
    """A kind of device."""

    name: str
    #: Percentage of the sessions.
    share: int
    #: Effect on the logit of the truth.
    effect: float
    #: More effect, of the logarithm of the duration over ten minutes: films are for the sofa.
    per_length: float


SURFACES = (
    Surface("home", 46, 0.0),
    Surface("autoplay", 24, -0.9),
    Surface("trending", 15, -0.2),
    Surface("search", 8, 1.1),
    Surface("continue", 7, 1.6),
    Surface("kids", 0, 0.7),  # only of media for kids
)
SURFACE_SHARES = tuple(surface.share for surface in SURFACES)
HOME, AUTOPLAY, KIDS_SURFACE = 0, 1, len(SURFACES) - 1
#: Share of the impressions of kids' media that are on the kids surface.
KIDS_SURFACE_SHARE = 0.7
DEVICES = (
    Device("mobile", 42, -0.3, -0.12),
    Device("tv", 34, 0.5, 0.1),
    Device("web", 16, 0.0, 0.0),
    Device("tablet", 8, 0.2, 0.0),
)
DEVICE_SHARES = tuple(device.share for device in DEVICES)
APP_VERSIONS = ("8.14.2", "8.14.0", "8.13.1", "7.40.3")
APP_SHARES = (55, 25, 15, 5)
#: Percentage of a day's sessions that begin in each local hour; by weekday the evening, at weekends the afternoon too.
WEEKDAY_HOURS = (2, 1, 1, 0, 0, 1, 2, 4, 4, 3, 2, 2, 4, 4, 3, 3, 4, 5, 8, 11, 13, 12, 7, 4)
WEEKEND_HOURS = (4, 2, 1, 1, 0, 0, 1, 2, 3, 5, 5, 5, 5, 6, 6, 6, 6, 6, 7, 8, 8, 7, 4, 2)
#: Rows that two sessions share; the first takes 1 to 11 of them, at random.
SESSION_PAIR_ROWS = 12
#: Longest list that a surface shows.
LONGEST_LIST = 40
DAY_S = 86_400
#: Days over which the interest in new arrivals fades by a factor e.
NOVELTY_DAYS = 10.0
_OFFSETS_S = tuple(country.utc_offset_h * 3_600.0 for country in population.COUNTRIES)


def session(draws: Draws, settings: SyntheticSettings, day: dt.date, row: Row) -> dict[str, Value]:
    """Return ids and the place in the session: each 12 rows of the day are two sessions, cut at random.

    An id has the day's number above and the row's (or session's) number below: unique over days.
    """
    number, above = row[ROW], days_since_epoch(day) << DAY_SHIFT
    pair = draws.quotient(number, SESSION_PAIR_ROWS)
    place = number - pair * SESSION_PAIR_ROWS
    first_rows = 1 + draws.whole("session rows", SESSION_PAIR_ROWS - 1, pair + above)
    is_second = place >= first_rows
    return {
        IMPRESSION: number + above,
        SESSION: pair * 2 + draws.where(is_second, 1, 0) + above,
        PLACE_IN_SESSION: draws.where(is_second, place - first_rows, place),
    }


def person(draws: Draws, settings: SyntheticSettings, day: dt.date, row: Row) -> dict[str, Value]:
    """Return who opened the session."""
    rank = draws.zipf("user", settings.users, settings.activity_exponent, row[SESSION])
    return {USER: scattered(draws, rank, settings.users)}


def occasion(draws: Draws, settings: SyntheticSettings, day: dt.date, row: Row) -> dict[str, Value]:
    """Return what the user is like; the hour of the user's day and the device of the session."""
    return {
        AGE: population.age_band(draws, row[USER]),
        COUNTRY_PLACE: population.user_country(draws, row[USER]),
        LOCAL_HOUR: draws.pick("hour", WEEKEND_HOURS if day.weekday() >= 5 else WEEKDAY_HOURS, row[SESSION]),
        DEVICE_PLACE: draws.pick("device", DEVICE_SHARES, row[SESSION]),
        APP_PLACE: draws.pick("app", APP_SHARES, row[SESSION]),
    }


def opening(draws: Draws, settings: SyntheticSettings, day: dt.date, row: Row) -> dict[str, Value]:
    """Return the second in which the session began where the user lives: on the wall clock, then of the UTC day."""
    moment = (row[LOCAL_HOUR] + draws.uniform("minute", row[SESSION])) * 3_600.0
    ahead = draws.look_up(_OFFSETS_S, row[COUNTRY_PLACE])
    over = draws.where(moment < ahead, DAY_S, draws.where(moment >= ahead + DAY_S, -DAY_S, 0))
    return {OPENED: moment - ahead + over}


def time(draws: Draws, settings: SyntheticSettings, day: dt.date, row: Row) -> dict[str, Value]:
    """Return when the row was shown: milliseconds of the UTC day.

    Rows of a session follow each other by 20 to 200 seconds, less where the day ends, so that none leaves the day.
    """
    step = 20.0 + 180.0 * draws.uniform("step", row[SESSION])
    step = draws.least(step, (DAY_S - row[OPENED]) * (1.0 / SESSION_PAIR_ROWS))
    shown = row[OPENED] + (row[PLACE_IN_SESSION] + draws.uniform("moment", row[IMPRESSION])) * step
    return {SHOWN_MS: draws.whole_part(shown * 1_000.0)}


def medium(draws: Draws, settings: SyntheticSettings, day: dt.date, row: Row) -> dict[str, Value]:
    """Return what is shown: one of the first catalogue by its popularity, or one that arrived since start_date."""
    impression = row[IMPRESSION]
    known = scattered(draws, draws.zipf("media", settings.media, settings.zipf_exponent, impression), settings.media)
    if settings.new_media_per_day and settings.new_media_share:
        is_new = draws.happens("is new", settings.new_media_share, impression)
        return {MEDIA: draws.where(is_new, _arrived(draws, settings, settings.day_number(day), impression), known)}
    return {MEDIA: known}


def attributes(draws: Draws, settings: SyntheticSettings, day: dt.date, row: Row) -> dict[str, Value]:
    """Return what the medium is like."""
    media = row[MEDIA]
    return {
        KIND_PLACE: population.media_kind(draws, media),
        GENRE_PLACE: population.main_genre(draws, media),
        ADDED_DAY: population.added_day(draws, settings, media),
    }


def length(draws: Draws, settings: SyntheticSettings, day: dt.date, row: Row) -> dict[str, Value]:
    """Return how long the medium is (the logarithm of seconds), and its second genre."""
    return {
        LENGTH: population.log_length(draws, row[MEDIA], row[KIND_PLACE]),
        SECOND_GENRE_PLACE: population.second_genre(draws, row[MEDIA], row[GENRE_PLACE]),
    }


def context(draws: Draws, settings: SyntheticSettings, day: dt.date, row: Row) -> dict[str, Value]:
    """Return the length in seconds, and where in the product it is shown."""
    impression = row[IMPRESSION]
    anywhere = draws.pick("surface", SURFACE_SHARES, impression)
    for_kids = (row[GENRE_PLACE] == population.KIDS) & draws.happens("kids surface", KIDS_SURFACE_SHARE, impression)
    return {
        DURATION: population.duration_s(draws, row[LENGTH]),
        SURFACE_PLACE: draws.where(for_kids, KIDS_SURFACE, anywhere),
    }


def place(draws: Draws, settings: SyntheticSettings, day: dt.date, row: Row) -> dict[str, Value]:
    """Return the place in the surface's list, the first places most often, and whether it began to play by itself."""
    impression, surface = row[IMPRESSION], row[SURFACE_PLACE]
    listed = draws.whole_part(draws.power(LONGEST_LIST + 1.0, draws.uniform("place", impression)))
    previewed = (surface == HOME) & draws.happens("preview", 0.2, impression)
    return {
        PLACE_IN_LIST: draws.where(surface == AUTOPLAY, 1, listed),
        STARTED_ITSELF: (surface == AUTOPLAY) | previewed,
    }


#: All of it, in order.
SHOWING = (session, person, occasion, opening, time, medium, attributes, length, context, place)


def scattered(draws: Draws, rank: Value, count: int) -> Value:
    """Return an id from 1 to ``count`` for a rank from 0: one to one, so that ids do not tell the popularity."""
    return draws.remainder(rank * _coprime(count) + count // 3, count) + 1


@functools.cache
def _coprime(count: int) -> int:
    """Return a number near the golden section of ``count`` that has no divisor in common with it."""
    factor = max(int(count * 0.618), 1)
    while math.gcd(factor, count) > 1:
        factor += 1
    return factor


def _arrived(draws: Draws, settings: SyntheticSettings, day_number: int, impression: Value) -> Value:
    """Return the id of a medium that arrived between start_date and the day, by days since then and by popularity.

    The days are exponential, cut off at start_date: floor(-d ln(1 - u (1 - exp(-n / d)))) for n days, d = 10.
    """
    per_day = settings.new_media_per_day
    drawn = draws.uniform("arrived", impression)
    reached = 1.0 - math.exp(-(day_number + 1) / NOVELTY_DAYS)
    days_here = draws.least(draws.whole_part(draws.log(1.0 - drawn * reached) * -NOVELTY_DAYS), day_number)
    popular = scattered(draws, draws.zipf("new media", per_day, settings.zipf_exponent, impression), per_day)
    return (day_number - days_here) * per_day + popular + settings.media
