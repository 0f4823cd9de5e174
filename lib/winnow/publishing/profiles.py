"""The tiles of a day put in the place of former ones, and profiles read from them: never from what came later."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from winnow import features, pipeline, schema
from winnow.errors import InputNotReadyError, SettingsError
from winnow.features import Clock, Profiles, Tiles, Vectors, calendar
from winnow.features import tiles as tile
from winnow.run import Run
from winnow.slices import Slice


def publish_tiles(run: Run, day: dt.date) -> None:
    """Sum the day's valid impressions to tiles and replace those of the day, table by table.

    Raises InputNotReadyError for a day without a valid impression or one that is younger than ``labelling.maturity_hours``: its
    tiles would pass for what was known once it is settled. Raises SettingsError where the label of ``[features]`` is none of the run's.
    """
    tables, settings = run.tables, run.settings.features
    run.settings.labelling.check_settled(day, run.started, "Run again then.")
    if settings.label not in run.settings.labels:
        known = ", ".join(run.settings.labels)
        raise SettingsError(f"features.label: expected a label of [labels], found {settings.label!r}. Known: {known}")
    clock = clock_of(run)
    log = tables.read(schema.IMPRESSIONS)
    rows = pipeline.labelled(log, day, run.settings, describe=tables.describe)
    rows = rows.transform(tile.prepared(settings, clock, day))
    tables.describe(f"{day}: is there an impression")
    if not pipeline.fetch(rows.select(schema.USER_ID).limit(1)):
        raise InputNotReadyError(
            f"{day}: expected valid impressions at {tables.location(schema.IMPRESSIONS)}, found none. Run again when the "
            "day has arrived."
        )
    media = run.tables.read_if_there(schema.MEDIA)
    facts = tile.facts(media)
    searches = _of_day(run.tables.read_if_there(schema.SEARCHES), day)
    made: dict[schema.Table, DataFrame] = {
        schema.MEDIA_TILES: rows.transform(tile.media_tiles(settings, clock, day)),
        schema.USER_TILES: rows.transform(tile.user_tiles(media)),
        schema.USER_CROSS_TILES: rows.transform(tile.user_cross_tiles(settings, facts, searches)),
        schema.MEDIA_CROSS_TILES: rows.transform(tile.media_cross_tiles()),
        schema.VALUE_TILES: rows.transform(tile.value_tiles(facts)),
    }
    where: Slice = {schema.EVENT_DATE: day}
    for table, sums in made.items():
        tables.describe(f"{day}: {table}")
        dated = sums.transform(tile.dated(day, clock, run.run_id, table))
        tables.replace(table, dated, where, record=run.metadata(), files=tables.parallelism())
        if table is schema.MEDIA_TILES and not run.is_dry:
            _tell(run, day)
    run.say(f"{day}: tiles published")


def read_profiles(run: Run, days: Sequence[dt.date], vectors: Vectors | None = None) -> Profiles:
    """Return the profiles as of each of the days, from stored tiles and the catalogue; lazy but for the check of known_at.

    Raises LeakError where a stored tile was not known by a day whose windows hold it, InputNotReadyError without tiles.
    """
    settings, clock = run.settings.features, clock_of(run)
    stored = [run.tables.read(table) for table in schema.TILES]
    reach = dt.timedelta(days=max(settings.longest_days, settings.memory_days) + clock.lag_days)
    for table, rows in zip(schema.TILES, stored, strict=True):
        run.tables.describe(f"{table}: what is known by when")
        in_reach = rows.where(F.col(schema.EVENT_DATE).between(F.lit(min(days) - reach), F.lit(max(days))))
        latest = in_reach.groupBy(schema.EVENT_DATE).agg(F.max(schema.KNOWN_AT).alias(schema.KNOWN_AT))
        found = [(table.name, row[schema.EVENT_DATE], row[schema.KNOWN_AT]) for row in pipeline.fetch(latest)]
        features.check_known(found, days, clock)
    return features.profiles(
        Tiles(*stored),
        days,
        settings,
        clock,
        users=run.tables.read_if_there(schema.USERS),
        media=run.tables.read_if_there(schema.MEDIA),
        holidays=calendar.holidays(run.tables.spark, days, settings),
        vectors=vectors,
    )


def tell_missing(run: Run, rows: DataFrame, profiles: Profiles) -> None:
    """Warn once of the features whose sources are not there: they have their defaults in every row."""
    missing = features.without_source(rows, profiles, run.settings.features)
    if missing:
        sources = sorted({source for sources in missing.values() for source in sources})
        run.warn(
            f"features: {len(missing)} of {len(features.declared(run.settings.features))} have their default in every row, "
            f"as there is no {', '.join(sources)}"
        )


def clock_of(run: Run) -> Clock:
    """Return when the log's days begin and when they are settled, as other sections of the settings say."""
    return Clock(run.settings.splitting.utc_offset_h, run.settings.labelling.maturity_hours)


def _of_day(rows: DataFrame | None, day: dt.date) -> DataFrame | None:
    return None if rows is None else rows.where(F.col(schema.EVENT_DATE) == F.lit(day))


def _tell(run: Run, day: dt.date) -> None:
    """Say how many impressions the day's tiles hold."""
    of_day = _of_day(run.tables.read_latest(schema.MEDIA_TILES), day)
    assert of_day is not None, "it was written a moment ago"
    (row,) = pipeline.fetch(
        of_day.agg(
            *(F.sum(name).alias(name) for name in (schema.ROWS, schema.ENGAGED_ROWS)),
            F.count(F.lit(1)).alias(schema.UNITS),
        )
    )
    run.say(
        f"{day}: {row[schema.ROWS]:,} impressions of {row[schema.UNITS]:,} media, {row[schema.ENGAGED_ROWS]:,} engaged"
    )
