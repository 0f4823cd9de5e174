"""What each user and each medium is: functions of the id alone, so that 100M rows need no join to know them."""

from __future__ import annotations

import math
from typing import NamedTuple

from winnow.synthetic.draws import Draws, Value
from winnow.synthetic.settings import SyntheticSettings


class Country(NamedTuple):
    """A country that users and media come from."""

    code: str
    #: Percentage of the users, and of the media.
    share: int
    #: Hours ahead of UTC; daylight saving is left out.
    utc_offset_h: float
    language: str


class Genre(NamedTuple):
    """A genre of media; what is sad, loud or fit for children is said by its words in the catalogue."""

    name: str
    #: Percentage of the media that have it as their main genre.
    share: int


class Kind(NamedTuple):
    """A kind of media by length."""

    name: str
    #: Percentage of the media.
    share: int
    shortest_s: int
    longest_s: int


COUNTRIES = (
    Country("US", 28, -6, "en"),
    Country("BR", 11, -3, "pt"),
    Country("FR", 10, 1, "fr"),
    Country("GB", 10, 0, "en"),
    Country("DE", 9, 1, "de"),
    Country("IN", 8, 5.5, "hi"),
    Country("ES", 7, 1, "es"),
    Country("MX", 7, -6, "es"),
    Country("JP", 6, 9, "ja"),
    Country("KR", 4, 9, "ko"),
)
COUNTRY_SHARES = tuple(country.share for country in COUNTRIES)
LANGUAGES = tuple(sorted({country.language for country in COUNTRIES}))
#: Place in LANGUAGES of each country's language.
LANGUAGE_PLACES = tuple(LANGUAGES.index(country.language) for country in COUNTRIES)
GENRES = (
    Genre("drama", 16),
    Genre("comedy", 16),
    Genre("documentary", 11),
    Genre("action", 10),
    Genre("thriller", 9),
    Genre("music", 8),
    Genre("crime", 7),
    Genre("romance", 6),
    Genre("science fiction", 5),
    Genre("horror", 4),
    Genre("animation", 3),
    Genre("kids", 5),  # the last, so that second genres can be drawn from those before it
)
GENRE_SHARES = tuple(genre.share for genre in GENRES)
KIDS = len(GENRES) - 1
ANIMATION = KIDS - 1
HORROR = KIDS - 2
KINDS = (
    Kind("clip", 40, 15, 180),
    Kind("short", 15, 180, 900),
    Kind("episode", 30, 1_200, 3_600),
    Kind("film", 15, 4_500, 9_000),
)
KIND_SHARES = tuple(kind.share for kind in KINDS)
EPISODE, FILM = 2, 3
#: Of each kind: the logarithm of the shortest, and of the longest over it.
_SHORTEST = tuple(math.log(kind.shortest_s) for kind in KINDS)
_LENGTH_SPREAD = tuple(math.log(kind.longest_s / kind.shortest_s) for kind in KINDS)
AGE_BANDS = ("18-24", "25-34", "35-44", "45-54", "55-64", "65+")
AGE_SHARES = (22, 28, 20, 14, 10, 6)
MATURITY_RATINGS = ("all", "7", "12", "16", "18")
#: Years before start_date over which the first catalogue was added and the accounts were made.
YEARS_BEFORE = 5
_DAYS_BEFORE = YEARS_BEFORE * 365
#: Hidden dimensions of taste, a byte of one hash each.
HIDDEN_DIMENSIONS = 8
#: A byte is uniform on 0..255: its mean, and its standard deviation.
_BYTE_MEAN, _BYTE_SD = 127.5, math.sqrt((256**2 - 1) / 12)

# ---- users ---------------------------------------------------------------------------------------------------------


def user_country(draws: Draws, user_id: Value) -> Value:
    """Return the place in COUNTRIES of the user's country."""
    return draws.pick("user country", COUNTRY_SHARES, user_id)


def user_language(draws: Draws, country: Value) -> Value:
    """Return the place in LANGUAGES of the language of a country's users."""
    return draws.look_up(LANGUAGE_PLACES, country)


def age_band(draws: Draws, user_id: Value) -> Value:
    """Return the place in AGE_BANDS of the user's age."""
    return draws.pick("age band", AGE_SHARES, user_id)


def joined_day(draws: Draws, user_id: Value) -> Value:
    """Return the day that the account was made, counted from start_date: always before it."""
    return -1 - draws.whole("joined", _DAYS_BEFORE, user_id)


def readiness(draws: Draws, user_id: Value) -> Value:
    """Return how readily the user watches anything to its end: mean 0, variance 1."""
    return draws.normal("readiness", user_id)


def genre_affinity(draws: Draws, user_id: Value, age: Value, genre: Value) -> Value:
    """Return how much the user likes the genre: mean 0, variance 1, in part (0.36) shared by the user's age."""
    return 0.8 * draws.normal("own affinity", user_id, genre) + 0.6 * draws.normal("age affinity", age, genre)


# ---- media ---------------------------------------------------------------------------------------------------------


def media_kind(draws: Draws, media_id: Value) -> Value:
    """Return the place in KINDS of the medium's kind."""
    return draws.pick("kind", KIND_SHARES, media_id)


def log_length(draws: Draws, media_id: Value, kind: Value) -> Value:
    """Return the logarithm of the length in seconds: uniform between the shortest and the longest of the kind."""
    spread = draws.look_up(_LENGTH_SPREAD, kind)
    return draws.look_up(_SHORTEST, kind) + spread * draws.uniform("duration", media_id)


def duration_s(draws: Draws, log_length: Value) -> Value:
    """Return the length in whole seconds, as a bigint."""
    return draws.whole_part(draws.exp(log_length) + 1e-6)  # the shortest is a whole number, but for the last bit


def main_genre(draws: Draws, media_id: Value) -> Value:
    """Return the place in GENRES of the main genre."""
    return draws.pick("main genre", GENRE_SHARES, media_id)


def second_genre(draws: Draws, media_id: Value, main: Value) -> Value:
    """Return the place in GENRES of the second genre; it may be the main one again, and is fit for children if that is."""
    return draws.where(main == KIDS, ANIMATION, draws.whole("second genre", KIDS, media_id))


def media_country(draws: Draws, media_id: Value) -> Value:
    """Return the place in COUNTRIES of the country where the medium was made."""
    return draws.pick("media country", COUNTRY_SHARES, media_id)


def maturity(draws: Draws, media_id: Value, main: Value, second: Value) -> Value:
    """Return the place in MATURITY_RATINGS: all for kids, 16 or 18 for horror."""
    for_adults = 3 + draws.whole("maturity", 2, media_id)
    is_horror = (main == HORROR) | (second == HORROR)
    return draws.where(main == KIDS, 0, draws.where(is_horror, for_adults, draws.whole("maturity", 4, media_id)))


def added_day(draws: Draws, settings: SyntheticSettings, media_id: Value) -> Value:
    """Return the day that the medium came to the service, counted from start_date.

    Ids up to ``settings.media`` were there before it, at any time of five years; then ``new_media_per_day`` a day.
    """
    before = -1 - draws.whole("added", _DAYS_BEFORE, media_id)
    if not settings.new_media_per_day:
        return before
    arrived = draws.quotient(media_id - (settings.media + 1), settings.new_media_per_day)
    return draws.where(media_id > settings.media, arrived, before)


def quality(draws: Draws, media_id: Value) -> Value:
    """Return how well anybody likes the medium: mean 0, variance 1."""
    return draws.normal("quality", media_id)


# ---- taste ---------------------------------------------------------------------------------------------------------


def hidden_match(draws: Draws, user_id: Value, media_id: Value) -> Value:
    """Return the product of the hidden tastes of user and medium, which no catalogue tells: mean 0, variance 1.

    Each has 8 dimensions, uniform, of mean 0 and variance 1; the sum of the 8 products is divided by sqrt(8).
    """
    of_user, of_media = draws.hash("hidden taste of user", user_id), draws.hash("hidden taste of media", media_id)
    total = 0.0
    for dimension in range(HIDDEN_DIMENSIONS):
        mine = draws.bits(of_user, 8 * dimension, 8) - _BYTE_MEAN
        its = draws.bits(of_media, 8 * dimension, 8) - _BYTE_MEAN
        total = total + mine * its
    return total * (1 / (_BYTE_SD**2 * math.sqrt(HIDDEN_DIMENSIONS)))
