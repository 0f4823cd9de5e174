"""What users search for on a day: mostly what is to their taste. Made of row numbers and hashes, as the impressions are."""

from __future__ import annotations

import datetime as dt

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from winnow import schema
from winnow.contracts import Step
from winnow.synthetic import population
from winnow.synthetic.catalogue import director, title
from winnow.synthetic.draws import ColumnDraws
from winnow.synthetic.settings import SyntheticSettings, days_since_epoch
from winnow.synthetic.showing import DAY_SHIFT, WEEKDAY_HOURS, scattered

#: Media of the first catalogue that come to a user's mind; the one whose genre they like most is searched for.
_CONSIDERED = 3
#: Percentages: a search is for a genre, a title or a director.
_SOUGHT = (40, 40, 20)
_ROWS_PER_PARTITION = 1_000_000
#: Columns on the way.
_SEARCH, _PLACE, _USER, _AGE, _MEDIA, _MAIN = "search", "place_among_users", "user", "age", "media", "main_genre"
_DAY_MS, _HOUR_MS = 86_400_000, 3_600_000


def searches(spark: SparkSession, settings: SyntheticSettings, day: dt.date) -> DataFrame:
    """Return the searches of one day: ``searches_per_day`` rows, the columns of schema.SEARCHES.

    Users search as often as they watch. Of three media that come to mind they search for the one whose main genre they
    like most: for its genre, its title or its director, in lower case. Impressions know nothing of it.

    Raises SettingsError for a day before ``start_date``.
    """
    settings.day_number(day)
    draws = ColumnDraws(settings.seed)
    partitions = max(1, settings.searches_per_day // _ROWS_PER_PARTITION)
    rows = spark.range(0, settings.searches_per_day, 1, partitions)
    rows = rows.select((F.col("id") + (days_since_epoch(day) << DAY_SHIFT)).alias(_SEARCH))
    search, user, media, main = (F.col(name) for name in (_SEARCH, _USER, _MEDIA, _MAIN))
    rank = draws.zipf("searching user", settings.users, settings.activity_exponent, search)
    # A step a column, as for impressions: as one expression they are nested deeper than Connect sends.
    rows = rows.withColumn(_PLACE, rank).withColumn(_USER, scattered(draws, F.col(_PLACE), settings.users))
    rows = rows.transform(_with_liking(draws, settings))
    rows = rows.withColumn(_MEDIA, F.array_max(F.array(*map(_thought, range(_CONSIDERED))))["media"])
    rows = rows.withColumn(_MAIN, population.main_genre(draws, media))
    genre = draws.look_up([each.name for each in population.GENRES], main)
    sought = draws.pick("sought", _SOUGHT, search)
    term = F.when(sought == 0, genre).when(sought == 1, title(draws, media)).otherwise(director(draws, media))
    hour = draws.pick("searching hour", WEEKDAY_HOURS, search)
    moment_ms = draws.whole_part((hour + draws.uniform("searching minute", search)) * _HOUR_MS)
    columns = {
        schema.USER_ID: user,
        schema.SEARCH_TS: F.timestamp_millis(moment_ms + days_since_epoch(day) * _DAY_MS),
        schema.EVENT_DATE: F.date_from_unix_date(F.lit(days_since_epoch(day))),
        schema.TERM: F.lower(term),
    }
    return rows.select(*(columns[name].alias(name) for name in schema.SEARCHES.columns))


def _with_liking(draws: ColumnDraws, settings: SyntheticSettings) -> Step:
    """Return the step that adds each media that comes to mind, with how much the user likes its main genre."""
    search, user = F.col(_SEARCH), F.col(_USER)

    def step(rows: DataFrame) -> DataFrame:
        rows = rows.withColumn(_AGE, population.age_band(draws, user))
        for place in range(_CONSIDERED):
            media = draws.whole(f"comes to mind {place}", settings.media, search) + 1
            rows = rows.withColumn(_MEDIA, media).withColumn(_MAIN, population.main_genre(draws, F.col(_MEDIA)))
            liking = population.genre_affinity(draws, user, F.col(_AGE), F.col(_MAIN))
            # The larger liking is the dearer one; of equals the larger id.
            rows = rows.withColumn(f"thought_{place}", F.struct(liking.alias("liking"), F.col(_MEDIA).alias("media")))
        return rows

    return step


def _thought(place: int) -> Column:
    return F.col(f"thought_{place}")
