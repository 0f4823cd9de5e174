"""The true probability that a row is engaged, and the intercept that gives it its mean.

logit P = intercept + taste + what all like + where and when it is shown + what it is like. P is the probability
that a row which does not end in the middle is watched to ``positive_at_least`` of its duration or further.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import math

from winnow.synthetic import population
from winnow.synthetic.draws import Draws, NumberDraws, Row, Value
from winnow.synthetic.settings import DirtSettings, SyntheticSettings
from winnow.synthetic.showing import (
    ADDED_DAY,
    AGE,
    COUNTRY_PLACE,
    DEVICE_PLACE,
    DEVICES,
    GENRE_PLACE,
    KIND_PLACE,
    LENGTH,
    LOCAL_HOUR,
    LONGEST_LIST,
    MEDIA,
    PLACE_IN_LIST,
    ROW,
    SECOND_GENRE_PLACE,
    SHOWING,
    SURFACE_PLACE,
    SURFACES,
    USER,
)

#: What the truth adds to a row.
TASTE, SCORE, PROBABILITY = "_taste", "_score", "_probability"

#: Effects on the logit. Seen from a day's rows the whole has a standard deviation of some 1.7.
OWN_GENRE, SECOND_GENRE, HIDDEN, LANGUAGE = 0.7, 0.35, 0.7, 0.4
READINESS, QUALITY = 0.4, 0.5
#: Of the logarithm of the place in the list: people begin at the top.
POSITION = -0.2
#: Of the logarithm of the duration over ten minutes: what is short is soon seen to its end.
DURATION_EFFECT = -0.3
#: Of a medium that came today, fading by a factor e in each two weeks.
FRESHNESS, FRESHNESS_DAYS = 0.6, 14.0
#: Of a film on Saturdays and Sundays, and of anything else then.
WEEKEND_FILM, WEEKEND_OTHER = 0.4, -0.05

#: Of the local hour: most at nine in the evening, least at nine in the morning.
_HOUR_EFFECTS = tuple(0.3 * math.cos((hour - 21) / 24 * 2 * math.pi) for hour in range(24))
#: By the place in the list; there is no place 0.
_POSITION_EFFECTS = (0.0, *(POSITION * math.log(place) for place in range(1, LONGEST_LIST + 1)))
_SURFACE_EFFECTS = tuple(surface.effect for surface in SURFACES)
_DEVICE_EFFECTS = tuple(device.effect for device in DEVICES)
_PER_LENGTH = tuple(DURATION_EFFECT + device.per_length for device in DEVICES)

#: Rows of a day that its intercept is worked out from: its mean is then right to 1 or 2 % of itself (sigma).
CALIBRATION_ROWS = 12_000


def taste(draws: Draws, settings: SyntheticSettings, row: Row) -> Value:
    """Return the personal part of the logit: the user's affinity to the genres, hidden tastes and the language."""
    user, media, age = row[USER], row[MEDIA], row[AGE]
    main = population.genre_affinity(draws, user, age, row[GENRE_PLACE])
    second = population.genre_affinity(draws, user, age, row[SECOND_GENRE_PLACE])
    hidden = population.hidden_match(draws, user, media)
    own_language = population.user_language(draws, row[COUNTRY_PLACE])
    language = population.user_language(draws, population.media_country(draws, media))
    understood = draws.where(own_language == language, LANGUAGE, -LANGUAGE)
    return settings.taste_strength * (OWN_GENRE * main + SECOND_GENRE * second + HIDDEN * hidden + understood)


def where_effect(draws: Draws, row: Row) -> Value:
    """Return the effect of the surface, the place in its list, and the device with the length of the medium."""
    length = row[LENGTH] - math.log(600.0)
    per_length = draws.look_up(_PER_LENGTH, row[DEVICE_PLACE])
    return (
        draws.look_up(_SURFACE_EFFECTS, row[SURFACE_PLACE])
        + draws.look_up(_DEVICE_EFFECTS, row[DEVICE_PLACE])
        + draws.look_up(_POSITION_EFFECTS, row[PLACE_IN_LIST])
        + per_length * length
    )


def when_effect(draws: Draws, day_number: int, is_weekend: bool, row: Row) -> Value:
    """Return the effect of the hour, the weekday, and how new the medium is."""
    films = draws.where(row[KIND_PLACE] == population.FILM, WEEKEND_FILM, WEEKEND_OTHER) if is_weekend else 0.0
    days_here = day_number - row[ADDED_DAY]
    return (
        draws.look_up(_HOUR_EFFECTS, row[LOCAL_HOUR]) + films + FRESHNESS * draws.exp(days_here * (-1 / FRESHNESS_DAYS))
    )


def score(draws: Draws, settings: SyntheticSettings, day: dt.date, row: Row) -> dict[str, Value]:
    """Return the logit without its intercept, and the personal part of it."""
    personal = taste(draws, settings, row)
    shared = QUALITY * population.quality(draws, row[MEDIA]) + READINESS * population.readiness(draws, row[USER])
    where = where_effect(draws, row)
    when = when_effect(draws, settings.day_number(day), day.weekday() >= 5, row)
    return {TASTE: personal, SCORE: personal + shared + where + when}


def true_probability(draws: Draws, settings: SyntheticSettings, day: dt.date, row: Row) -> dict[str, Value]:
    """Return P of the score: 1 / (1 + exp(-intercept - score))."""
    return {PROBABILITY: draws.logistic(row[SCORE] + intercept(settings, day))}


def intercept(settings: SyntheticSettings, day: dt.date) -> float:
    """Return the intercept that gives the day's rows a mean probability of ``engaged_rate``.

    It is worked out in plain Python from rows of the day itself, evenly spaced, and solved by halving: the mean rises
    with the intercept. The day's rows are not read and no Spark job runs. It takes about a second.
    """
    return _intercept(dataclasses.replace(settings, dirt=DirtSettings()), day)  # dirt comes after the truth


@functools.lru_cache(maxsize=64)
def _intercept(settings: SyntheticSettings, day: dt.date) -> float:
    draws = NumberDraws(settings.seed)
    count = min(settings.rows_per_day, CALIBRATION_ROWS)
    scores = [score_of(draws, settings, day, row * settings.rows_per_day // count) for row in range(count)]
    low, high = -60.0, 60.0
    while scores and high - low > 1e-9:
        middle = (low + high) / 2
        mean = sum(1 / (1 + math.exp(-middle - value)) for value in scores) / count
        low, high = (middle, high) if mean < settings.engaged_rate else (low, middle)
    return (low + high) / 2


def score_of(draws: Draws, settings: SyntheticSettings, day: dt.date, number: int) -> float:
    """Return the score of the day's row of that number, from 0, by the steps that the log is made by."""
    row: dict[str, Value] = {ROW: number}
    for step in (*SHOWING, score):
        row |= step(draws, settings, day, row)
    return float(row[SCORE])
