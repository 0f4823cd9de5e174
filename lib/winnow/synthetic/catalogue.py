"""The catalogue tables that go with the log: what media and users are, by the same functions of their ids."""

from __future__ import annotations

import datetime as dt

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from winnow import schema
from winnow.synthetic import population, words
from winnow.synthetic.draws import ColumnDraws
from winnow.synthetic.settings import SyntheticSettings, days_since_epoch

#: Percentages: as stated by the user; the last place is null, not stated.
_GENDERS, _GENDER_SHARES = ("female", "male", "other", None), (45, 45, 2, 8)
#: Actors of the longest cast; the shortest has two.
_LARGEST_CAST = 5
#: Tags of a medium, at most: some of its words may be the same.
_TAGS = 4
#: Most seasons of a series; the later, the fewer.
_MOST_SEASONS = 12
#: Mean of the public rating and what quality and chance add to it; it is cut to 1 .. 10.
_RATING, _RATING_OF_QUALITY, _RATING_OF_CHANCE = 6.3, 1.1, 0.6
#: Of the revenue of films before they came: the logarithm's mean, and what quality and chance add to it.
_REVENUE, _REVENUE_OF_QUALITY, _REVENUE_OF_CHANCE = 15.5, 0.8, 1.2
#: Share of media that are set in the decade of their release; the others in one of the decades before.
_SET_IN_THEIR_TIME, _DECADES_BEFORE = 0.6, 15
_COUNTRY_CODES = tuple(country.code for country in population.COUNTRIES)


def media(spark: SparkSession, settings: SyntheticSettings, through: dt.date) -> DataFrame:
    """Return the media that came to the service up to and including the day ``through``: a row each, schema.MEDIA.

    Durations are whole seconds, 15 s to 2.5 hours. Duration, genres, country, language and added_date are those that
    the truth of the impressions is made of; public rating and revenue tell something of the quality that is hidden in it;
    names, texts, tags, season and period have no part in it.

    Raises SettingsError for a day before ``start_date``.
    """
    count = settings.media + settings.new_media_per_day * (settings.day_number(through) + 1)
    draws, media_id = ColumnDraws(settings.seed), F.col("id")
    ids = spark.range(1, count + 1, 1, _partitions(count))
    facts = _facts(draws, settings, media_id)
    columns = {**facts, **_texts(draws, media_id), **_background(draws, media_id, facts[schema.RELEASE_DATE])}
    return ids.select(*(columns[column].alias(column) for column in schema.MEDIA.columns))


def users(spark: SparkSession, settings: SyntheticSettings) -> DataFrame:
    """Return the accounts: a row each, the columns of schema.USERS. All were made before ``start_date``.

    Age and country are those that the truth is made of; gender has no part in it. The bot has no row.
    """
    draws, user_id = ColumnDraws(settings.seed), F.col("id")
    country = population.user_country(draws, user_id)
    columns = {
        schema.USER_ID: user_id,
        schema.AGE_BAND: draws.look_up(population.AGE_BANDS, population.age_band(draws, user_id)),
        schema.GENDER: draws.look_up(_GENDERS, draws.pick("gender", _GENDER_SHARES, user_id)),
        schema.LANGUAGE: draws.look_up(population.LANGUAGES, population.user_language(draws, country)),
        schema.COUNTRY: draws.look_up(_COUNTRY_CODES, country),
        schema.JOINED_DATE: _date(settings, population.joined_day(draws, user_id)),
    }
    ids = spark.range(1, settings.users + 1, 1, _partitions(settings.users))
    return ids.select(*(columns[column].alias(column) for column in schema.USERS.columns))


def _facts(draws: ColumnDraws, settings: SyntheticSettings, media_id: Column) -> dict[str, Column]:
    """Return what the truth is made of."""
    kind = population.media_kind(draws, media_id)
    main = population.main_genre(draws, media_id)
    second = population.second_genre(draws, media_id, main)
    country = population.media_country(draws, media_id)
    added = population.added_day(draws, settings, media_id)
    genre_names = [genre.name for genre in population.GENRES]
    # Clips are new when they come; films come up to thirty years after their release, most within a few.
    waited = draws.power(draws.uniform("released", media_id), 3.0) * F.when(kind == population.FILM, 10_950).otherwise(
        30
    )
    duration = population.duration_s(draws, population.log_length(draws, media_id, kind))
    return {
        schema.MEDIA_ID: media_id,
        schema.GENRES: F.array_distinct(F.array(draws.look_up(genre_names, main), draws.look_up(genre_names, second))),
        schema.LANGUAGE: draws.look_up(population.LANGUAGES, population.user_language(draws, country)),
        schema.COUNTRY: draws.look_up(_COUNTRY_CODES, country),
        schema.RELEASE_DATE: _date(settings, added - draws.whole_part(waited)),
        schema.ADDED_DATE: _date(settings, added),
        schema.MEDIA_DURATION_S: duration.cast("double"),
        schema.MATURITY_RATING: draws.look_up(
            population.MATURITY_RATINGS, population.maturity(draws, media_id, main, second)
        ),
    }


def _background(draws: ColumnDraws, media_id: Column, released: Column) -> dict[str, Column]:
    """Return what is known of a medium beside what it is: its kind, its makers, and what the world said of it."""
    kind = population.media_kind(draws, media_id)
    quality = population.quality(draws, media_id)
    rating = _RATING + _RATING_OF_QUALITY * quality + _RATING_OF_CHANCE * draws.normal("public rating", media_id)
    revenue = _REVENUE + _REVENUE_OF_QUALITY * quality + _REVENUE_OF_CHANCE * draws.normal("revenue", media_id)
    season = 1 + draws.whole_part(_MOST_SEASONS * draws.power(draws.uniform("season", media_id), 3.0))
    before = 1 + draws.whole("decades before", _DECADES_BEFORE, media_id)
    back = draws.where(draws.happens("set in its time", _SET_IN_THEIR_TIME, media_id), 0, before)
    tags = [_word(draws, f"tag {place}", words.THEMES + words.TONES, media_id) for place in range(_TAGS)]
    return {
        schema.TAGS: F.array_distinct(F.array(*tags)),
        schema.SEASON_NUMBER: F.when(kind == population.EPISODE, season).otherwise(0).cast("int"),
        schema.PUBLIC_RATING: F.rint(F.greatest(F.lit(1.0), F.least(F.lit(10.0), rating)) * 10.0) / 10.0,
        schema.ARRIVAL_REVENUE: F.when(kind == population.FILM, F.rint(draws.exp(revenue))).otherwise(0.0),
        schema.CONTENT_PERIOD: ((F.floor(F.year(released) / 10) - back) * 10).cast("int"),
        schema.MEDIA_TYPE: draws.look_up([each.name for each in population.KINDS], kind),
        schema.CREATOR: _name(draws, "thought of by", media_id),
        schema.COMPOSER: _name(draws, "scored by", media_id),
    }


def _texts(draws: ColumnDraws, media_id: Column) -> dict[str, Column]:
    """Return what readers see."""
    return {
        schema.TITLE: title(draws, media_id),
        schema.CAST: _cast(draws, media_id),
        schema.DIRECTOR: director(draws, media_id),
        schema.SYNOPSIS: _synopsis(draws, media_id),
        schema.DISTRIBUTOR: _word(draws, "sold by", words.DISTRIBUTORS, media_id),
    }


def title(draws: ColumnDraws, media_id: Column) -> Column:
    """Return the title."""
    adjective = _word(draws, "title adjective", words.ADJECTIVES, media_id)
    noun = _word(draws, "title noun", words.NOUNS, media_id)
    other = _word(draws, "title other noun", words.NOUNS, media_id)
    form = draws.whole("title form", 3, media_id)
    plain, article = F.concat_ws(" ", adjective, noun), F.concat_ws(" ", F.lit("The"), adjective, noun)
    return F.when(form == 0, plain).when(form == 1, article).otherwise(F.concat_ws(" of ", noun, other))


def director(draws: ColumnDraws, media_id: Column) -> Column:
    """Return the name of who directed it."""
    return _name(draws, "head of", media_id)


def _cast(draws: ColumnDraws, media_id: Column) -> Column:
    names = F.array(*(_name(draws, f"actor {place}", media_id) for place in range(_LARGEST_CAST)))
    size = 2 + draws.whole("cast size", _LARGEST_CAST - 1, media_id)
    return F.array_distinct(F.slice(names, F.lit(1), size.cast("int")))


def _synopsis(draws: ColumnDraws, media_id: Column) -> Column:
    """Return three sentences made of the words of the main genre."""
    main = population.main_genre(draws, media_id)
    second = population.second_genre(draws, media_id, main)
    names = [genre.name for genre in population.GENRES]
    persons, events = ([word for genre in table for word in genre] for table in (words.PERSONS, words.EVENTS))
    own = main * 4
    return F.concat(
        _word(draws, "place", words.PLACES, media_id),
        F.lit(", "),
        draws.look_up(persons, own + draws.whole("person", 4, media_id)),
        F.lit(" must "),
        draws.look_up(events, own + draws.whole("event", 4, media_id)),
        F.lit(" "),
        _word(draws, "time", words.TIMES, media_id),
        F.lit(". "),
        _name(draws, "actor 0", media_id),
        F.lit(" leads a "),
        _word(draws, "tone", words.TONES, media_id),
        F.lit(" story of "),
        _word(draws, "theme", words.THEMES, media_id),
        F.lit(". For all who like "),
        F.concat_ws(" and ", F.array_distinct(F.array(draws.look_up(names, main), draws.look_up(names, second)))),
        F.lit("."),
    )


def _name(draws: ColumnDraws, role: str, media_id: Column) -> Column:
    first = _word(draws, f"{role} first name", words.FIRST_NAMES, media_id)
    return F.concat_ws(" ", first, _word(draws, f"{role} last name", words.LAST_NAMES, media_id))


def _word(draws: ColumnDraws, purpose: str, table: tuple[str, ...], media_id: Column) -> Column:
    word: Column = draws.look_up(table, draws.whole(purpose, len(table), media_id))
    return word


def _date(settings: SyntheticSettings, day: Column) -> Column:
    """Return the date of a day counted from start_date."""
    return F.date_from_unix_date((day + days_since_epoch(settings.start_date)).cast("int"))


def _partitions(rows: int) -> int:
    return max(1, rows // 250_000)
