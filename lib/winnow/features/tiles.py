"""Daily tiles: what happened on one day, summed by user, by media, and by what both are told by.

Each step takes the valid, settled, labelled impressions of one day (``pipeline.labelled``, then ``prepared``). All sums are
of whole numbers, so that tiles are the same in any partitioning. What is shuffled is narrow: keys and five counters, summed
before the shuffle as well; no step sorts or holds more than a day.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from winnow import schema
from winnow.contracts import HELPER, Step
from winnow.features.moments import daypart, length_band, local_hour
from winnow.features.settings import CONTENT, CONTEXT, MEDIA_ASPECT, TERM_ASPECT, Clock, FeatureSettings

#: Helper columns of prepared rows.
HOUR, DAYPART, LENGTH = f"{HELPER}hour", f"{HELPER}daypart", f"{HELPER}length"
ASPECTS = f"{HELPER}aspects"
_ONE = f"{HELPER}aspect"
_ACTIONS = (schema.LIKED, schema.COMMENTED, schema.SHARED, schema.FOLLOWED)
#: Where the values of each aspect of a row stand.
_CONTEXT_COLUMNS = {
    str(schema.DEVICE): schema.DEVICE,
    str(schema.SURFACE): schema.SURFACE,
    "daypart": DAYPART,
    "length": LENGTH,
}
#: Aspects of the row for all users: those of CONTEXT, and what is too fine for one user's history.
SURFACE_LENGTH = "surface_length"
VALUE_COLUMNS = {**_CONTEXT_COLUMNS, "hour": HOUR, str(schema.COUNTRY): schema.COUNTRY}
#: Aspects of a media's own history.
MEDIA_ASPECTS = {str(schema.COUNTRY): schema.COUNTRY, str(schema.SURFACE): schema.SURFACE}


def prepared(settings: FeatureSettings, clock: Clock, day: dt.date) -> Step:
    """Return the step from labelled impressions to rows with the counters of a tile, keys and context.

    Optional columns that the log lacks (session, actions, device, ...) are null. Rows shown after the end of the log's day
    (clocks that run ahead) are left out: what they tell is not known before the next one.
    """
    label = F.col(schema.label_column(settings.label))

    def step(rows: DataFrame) -> DataFrame:
        has = set(rows.columns)

        def text(name: str) -> Column:
            return F.col(name).cast("string") if name in has else F.lit(None).cast("string")

        actions = [F.coalesce(F.col(name).cast("boolean"), F.lit(False)) for name in _ACTIONS if name in has]
        acted = F.lit(0).cast("bigint") if not actions else F.greatest(F.lit(False), *actions).cast("bigint")
        seconds = F.coalesce(F.col(schema.WATCH_S), F.lit(0.0))
        length = F.col(schema.MEDIA_DURATION_S)
        hour = local_hour(F.col(schema.IMPRESSION_TS), text(schema.COUNTRY), settings, clock)
        shown = rows.where(F.unix_micros(F.col(schema.IMPRESSION_TS)) < end_of(day, clock, 0.0))
        return shown.select(
            schema.USER_ID,
            schema.MEDIA_ID,
            schema.IMPRESSION_TS,
            length.alias(schema.MEDIA_DURATION_S),
            F.lit(1).cast("bigint").alias(schema.ROWS),
            F.when(label.isNull(), 0).otherwise(1).cast("bigint").alias(schema.JUDGED_ROWS),
            F.coalesce(label, F.lit(0)).cast("bigint").alias(schema.ENGAGED_ROWS),
            acted.alias(schema.ACTED_ROWS),
            F.rint(seconds * 1000).cast("bigint").alias(schema.WATCH_MS),
            *(text(name).alias(name) for name in (schema.SESSION_ID, schema.DEVICE, schema.SURFACE, schema.COUNTRY)),
            hour.cast("string").alias(HOUR),
            daypart(hour).alias(DAYPART),
            length_band(length).alias(LENGTH),
        )

    return step


def facts(media: DataFrame | None) -> DataFrame | None:
    """Return media_id and its aspects (genre, actor, ...) as an array, of the catalogue's columns that there are."""
    if media is None:
        return None
    lists = {"genre": schema.GENRES, "actor": schema.CAST, "tag": schema.TAGS}
    words = {
        str(schema.DIRECTOR): schema.DIRECTOR,
        str(schema.CREATOR): schema.CREATOR,
        str(schema.COMPOSER): schema.COMPOSER,
        str(schema.LANGUAGE): schema.LANGUAGE,
        str(schema.DISTRIBUTOR): schema.DISTRIBUTOR,
    }
    has = set(media.columns)
    arrays = [_several(aspect, F.col(name)) for aspect, name in lists.items() if name in has]
    arrays += [_several(aspect, F.array(F.col(name))) for aspect, name in words.items() if name in has]
    if not arrays:
        return None
    return media.select(schema.MEDIA_ID, F.concat(*arrays).alias(ASPECTS))


def user_tiles(media: DataFrame | None) -> Step:
    """Return the step from prepared rows to one row a user: counters, visits, and what was engaged with last."""

    def step(rows: DataFrame) -> DataFrame:
        # Of two at one moment the larger media_id is the last one, so that there is one answer.
        last = F.max(
            F.when(F.col(schema.ENGAGED_ROWS) == 1, F.struct(schema.IMPRESSION_TS, schema.MEDIA_ID)),
        )
        tiles = rows.groupBy(schema.USER_ID).agg(
            *_sums(), F.count_distinct(schema.SESSION_ID).alias(schema.VISITS), last.alias(_ONE)
        )
        tiles = tiles.withColumn(schema.LAST_ENGAGED_TS, F.col(_ONE)[schema.IMPRESSION_TS])
        if media is None or schema.GENRES not in media.columns:
            return tiles.drop(_ONE).withColumn(schema.LAST_GENRE, F.lit(None).cast("string"))
        genres = media.select(
            F.col(schema.MEDIA_ID).alias(ASPECTS), F.get(schema.GENRES, F.lit(0)).alias(schema.LAST_GENRE)
        )
        joined = tiles.join(genres, on=F.col(_ONE)[schema.MEDIA_ID] == F.col(ASPECTS), how="left")
        return joined.drop(_ONE, ASPECTS)

    return step


def media_tiles(settings: FeatureSettings, clock: Clock, day: dt.date) -> Step:
    """Return the step from prepared rows to one row a media: counters, those of the last hours, the longest duration."""
    late_from = end_of(day, clock, 0.0) - settings.last_hours * 3_600_000_000
    is_late = F.unix_micros(F.col(schema.IMPRESSION_TS)) >= late_from
    known = F.when((F.col(schema.MEDIA_DURATION_S) > 0) & (F.col(schema.MEDIA_DURATION_S) < float("inf")), 1)

    def step(rows: DataFrame) -> DataFrame:
        return rows.groupBy(schema.MEDIA_ID).agg(
            *_sums(),
            F.count(F.when(is_late, 1)).alias(schema.LATEST_ROWS),
            F.max(known * F.col(schema.MEDIA_DURATION_S)).alias(schema.MEDIA_DURATION_S),
        )

    return step


def user_cross_tiles(
    settings: FeatureSettings, media_facts: DataFrame | None, searches: DataFrame | None = None
) -> Step:
    """Return the step from prepared rows to one row a user, aspect and value.

    Rows are first summed by user and media (or by user and context), then dealt to the values of each; ``searches``: those
    of the day, each counted as one row of its term, in lower case.
    """
    contents = [aspect for aspect in settings.crosses if aspect in CONTENT]
    contexts = {aspect: _CONTEXT_COLUMNS[aspect] for aspect in settings.crosses if aspect in CONTEXT}

    def step(rows: DataFrame) -> DataFrame:
        parts = []
        if contexts:
            parts.append(_by_context(rows, [schema.USER_ID], contexts))
        if MEDIA_ASPECT in settings.crosses:
            parts.append(_by_media(rows, media_facts, contents))
        elif contents and media_facts is not None:
            parts.append(_by_content(rows, [schema.USER_ID], media_facts, contents))
        if searches is not None:
            parts.append(_searched(searches))
        return _summed(rows, [schema.USER_ID], parts)

    return step


def media_cross_tiles() -> Step:
    """Return the step from prepared rows to one row a media, aspect (country, surface) and value."""

    def step(rows: DataFrame) -> DataFrame:
        return _summed(rows, [schema.MEDIA_ID], [_by_context(rows, [schema.MEDIA_ID], MEDIA_ASPECTS)])

    return step


def value_tiles(media_facts: DataFrame | None) -> Step:
    """Return the step from prepared rows to one row an aspect and value, of all users and media."""

    def step(rows: DataFrame) -> DataFrame:
        parts = [_by_context(rows, [], VALUE_COLUMNS, pairs={SURFACE_LENGTH: (schema.SURFACE, LENGTH)})]
        if media_facts is not None:
            parts.append(_by_content(rows, [], media_facts, None))
        return _summed(rows, [], parts)

    return step


def dated(day: dt.date, clock: Clock, run_id: str, table: schema.Table) -> Step:
    """Return the step that gives tiles their day, known_at and run, and the table's columns in their order."""

    def step(tiles: DataFrame) -> DataFrame:
        added: dict[str, Column] = {
            schema.EVENT_DATE: F.lit(day),
            schema.KNOWN_AT: F.timestamp_micros(F.lit(end_of(day, clock, clock.maturity_hours))),
            schema.RUN_ID: F.lit(run_id),
        }
        return tiles.withColumns(added).select(*table.columns)

    return step


def end_of(day: dt.date, clock: Clock, more_h: float) -> int:
    """Return the moment ``more_h`` hours after the end of the log's day, in microseconds since the epoch."""
    midnight = dt.datetime.combine(day + dt.timedelta(days=1), dt.time(), dt.UTC)
    return round((midnight.timestamp() + (more_h - clock.utc_offset_h) * 3600) * 1_000_000)


def _sums() -> list[Column]:
    return [F.sum(counter).alias(counter) for counter in schema.COUNTERS]


def _several(aspect: str, values: Column) -> Column:
    """Return the values that are not null, each once, as structs of aspect and value; an empty array for none."""
    known = F.array_distinct(F.array_compact(F.coalesce(values, F.array().cast("array<string>"))))
    return F.transform(known, lambda value: _pair(F.lit(aspect), value))


def _pair(aspect: Column, value: Column) -> Column:
    return F.struct(aspect.alias(schema.ASPECT), value.alias(schema.ASPECT_VALUE))


def _by_context(
    rows: DataFrame,
    keys: list[schema.Column],
    columns: Mapping[str, str],
    pairs: Mapping[str, tuple[str, str]] | None = None,
) -> DataFrame:
    alike = rows.groupBy(*keys, *dict.fromkeys(columns.values())).agg(*_sums())
    told = [_pair(F.lit(aspect), F.col(name)) for aspect, name in columns.items()]
    for aspect, (one, other) in (pairs or {}).items():
        told.append(_pair(F.lit(aspect), F.concat(F.col(one), F.lit("|"), F.col(other))))
    return _dealt(alike, keys, F.array(*told))


def _by_content(
    rows: DataFrame, keys: list[schema.Column], media_facts: DataFrame, aspects: Collection[str] | None
) -> DataFrame:
    alike = rows.groupBy(*keys, schema.MEDIA_ID).agg(*_sums()).join(media_facts, on=schema.MEDIA_ID, how="inner")
    return _dealt(alike, keys, F.col(ASPECTS) if aspects is None else _of(aspects))


def _by_media(rows: DataFrame, media_facts: DataFrame | None, aspects: Collection[str]) -> DataFrame:
    """Return what each user did with each media, known to the catalogue or not, and with each value that it is told by."""
    alike = rows.groupBy(schema.USER_ID, schema.MEDIA_ID).agg(*_sums())
    told = F.array(_pair(F.lit(MEDIA_ASPECT), F.col(schema.MEDIA_ID).cast("string")))
    if aspects and media_facts is not None:
        alike = alike.join(media_facts, on=schema.MEDIA_ID, how="left")
        told = F.concat(told, F.coalesce(_of(aspects), F.filter(told, lambda _: F.lit(False))))
    return _dealt(alike, [schema.USER_ID], told)


def _of(aspects: Collection[str]) -> Column:
    """Return what a media is told by, of the aspects alone."""
    return F.filter(F.col(ASPECTS), lambda one: one[schema.ASPECT].isin(*aspects))


def _searched(searches: DataFrame) -> DataFrame:
    term = F.lower(F.trim(F.col(schema.TERM)))
    nothing = [F.lit(0).cast("bigint").alias(counter) for counter in schema.COUNTERS[1:]]
    return searches.where(F.col(schema.USER_ID).isNotNull() & (term != "")).select(
        schema.USER_ID,
        F.lit(TERM_ASPECT).alias(schema.ASPECT),
        term.alias(schema.ASPECT_VALUE),
        F.lit(1).cast("bigint").alias(schema.ROWS),
        *nothing,
    )


def _dealt(alike: DataFrame, keys: list[schema.Column], told: Column) -> DataFrame:
    """Return a row for each of the aspects ``told`` that has a value."""
    dealt = alike.select(*keys, F.explode(told).alias(_ONE), *schema.COUNTERS)
    return dealt.select(*keys, f"{_ONE}.*", *schema.COUNTERS).where(F.col(schema.ASPECT_VALUE).isNotNull())


def _summed(rows: DataFrame, keys: list[schema.Column], parts: list[DataFrame]) -> DataFrame:
    """Return the parts summed by keys, aspect and value; where there is no part, no row."""
    if not parts:
        parts = [_by_context(rows, keys, {str(schema.SURFACE): schema.SURFACE}).limit(0)]
    united = parts[0]
    for part in parts[1:]:
        united = united.unionByName(part)
    return united.groupBy(*keys, schema.ASPECT, schema.ASPECT_VALUE).agg(*_sums())
