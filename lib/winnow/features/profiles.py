"""Profiles as of days: the windows before each day, and what the catalogue tells, of users, of media and of the world."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from winnow import schema
from winnow.contracts import HELPER
from winnow.errors import LeakError
from winnow.features.settings import CONTENT, Clock, FeatureSettings
from winnow.features.smoothing import MEAN, STRENGTH, priors
from winnow.features.tiles import ASPECTS, SURFACE_LENGTH, VALUE_COLUMNS, facts
from winnow.features.windows import (
    RATE,
    ROWS,
    as_of_moment,
    media_memory,
    media_windows,
    rate_of,
    user_memory,
    user_windows,
    value_rates,
    window,
)

#: Helper column: an aspect with its value.
_ENTRY = f"{HELPER}entry"
_USER_KEYS: list[str] = [schema.AS_OF_DATE, schema.USER_ID]
_MEDIA_KEYS: list[str] = [schema.AS_OF_DATE, schema.MEDIA_ID]
#: Values of a context (surfaces, hours, ...) whose rates are known, at most.
_MOST_CONTEXTS = 1_000


@dataclass(frozen=True)
class Tiles:
    """The stored tiles, all of their days; lazy."""

    users: DataFrame
    media: DataFrame
    user_crosses: DataFrame
    media_crosses: DataFrame
    values: DataFrame


@dataclass(frozen=True)
class Vectors:
    """Vectors of users (user_id, factors) and media (media_id, factors) of one model, and the day before which it was fit."""

    users: DataFrame
    media: DataFrame
    known_before: dt.date


@dataclass(frozen=True)
class Profiles:
    """What is known as of each day; all of it lazy, one row an as_of_date and user, media, or nothing else."""

    users: DataFrame
    media: DataFrame
    world: DataFrame
    clock: Clock
    vectors: Vectors | None = None


def check_known(found: Sequence[tuple[str, dt.date, dt.datetime]], days: Sequence[dt.date], clock: Clock) -> None:
    """Raise LeakError where a tile that a day's windows hold was not known by that day.

    ``found``: table, day and latest known_at of stored tiles.
    """
    for table, tile_day, known_at in found:
        first_use = tile_day + dt.timedelta(days=1 + clock.lag_days)
        moment = dt.datetime.fromtimestamp(as_of_moment(first_use, clock) / 1e6, dt.UTC)
        known = known_at if known_at.tzinfo else known_at.replace(tzinfo=dt.UTC)
        if known > moment and any(day >= first_use for day in days):
            raise LeakError(
                f"{table}, {tile_day}: expected tiles known by {moment:%Y-%m-%d %H:%M} UTC, as the features of {first_use} "
                f"read them, found one known at {known:%Y-%m-%d %H:%M}. It tells of what came later: build that day's "
                "profiles again."
            )


def profiles(
    tiles: Tiles,
    days: Sequence[dt.date],
    settings: FeatureSettings,
    clock: Clock,
    *,
    users: DataFrame | None = None,
    media: DataFrame | None = None,
    holidays: DataFrame | None = None,
    vectors: Vectors | None = None,
) -> Profiles:
    """Return the profiles as of each of the days.

    ``users``, ``media``: the catalogue, where there is one; what it says is taken to hold on every day. ``holidays``: what
    ``calendar.holidays`` gives. Raises LeakError for vectors of a model that was fit to one of the days or later.
    """
    if vectors is not None and vectors.known_before > min(days):
        raise LeakError(
            f"vectors: expected a model that knows nothing from {min(days)} on, found one fit to what was before "
            f"{vectors.known_before}. Fit it to the days before, or ask for later days."
        )
    asked = _days(tiles.users, days)
    user_counts = tiles.users.transform(user_windows(days, settings, clock))
    media_counts = tiles.media.transform(media_windows(days, settings, clock))
    rates = tiles.values.transform(value_rates(days, settings, clock))
    world = _world(asked, user_counts, media_counts, rates, settings)
    remembered = tiles.user_crosses.transform(user_memory(days, settings, clock))
    of_users = user_counts.join(remembered, on=_USER_KEYS, how="full")
    crossed = tiles.media_crosses.transform(media_memory(days, settings, clock))
    of_media = media_counts.join(crossed, on=_MEDIA_KEYS, how="left")
    if users is not None:
        everybody = users.withColumn("is_known", F.lit(True)).crossJoin(F.broadcast(asked))
        of_users = of_users.join(everybody, on=_USER_KEYS, how="full")
    if media is not None:
        of_media = _with_catalogue(of_media, media, asked, rates)
    if vectors is not None:
        of_users = of_users.join(vectors.users.select(schema.USER_ID, schema.FACTORS), on=schema.USER_ID, how="left")
        of_media = of_media.join(vectors.media.select(schema.MEDIA_ID, schema.FACTORS), on=schema.MEDIA_ID, how="left")
    if holidays is not None:
        world = world.join(holidays, on=schema.AS_OF_DATE, how="left")
    return Profiles(of_users, of_media, world, clock, vectors)


def _days(rows: DataFrame, days: Sequence[dt.date]) -> DataFrame:
    """Return one row an as-of day."""
    one = rows.sparkSession.range(1)
    return one.select(F.explode(F.array(*map(F.lit, days))).alias(schema.AS_OF_DATE))


def _with_catalogue(windows: DataFrame, media: DataFrame, asked: DataFrame, rates: DataFrame) -> DataFrame:
    """Return the media of the catalogue and of the tiles, each with the mean rate of its genres, actors, director, ..."""
    keys = _MEDIA_KEYS
    everything = media.withColumn("is_known", F.lit(True)).crossJoin(F.broadcast(asked))
    known = windows.join(everything, on=keys, how="full")
    told = facts(media)
    if told is None:
        return known
    by_value = told.select(schema.MEDIA_ID, F.explode(ASPECTS).alias(_ENTRY)).select(schema.MEDIA_ID, f"{_ENTRY}.*")
    found = by_value.join(rates, on=[str(schema.ASPECT), str(schema.ASPECT_VALUE)], how="inner")
    means = found.groupBy(*keys).agg(
        *(F.avg(F.when(F.col(schema.ASPECT) == aspect, F.col(RATE))).alias(rate_of(aspect)) for aspect in CONTENT)
    )
    return known.join(means, on=keys, how="left")


def _world(
    asked: DataFrame, user_counts: DataFrame, media_counts: DataFrame, rates: DataFrame, settings: FeatureSettings
) -> DataFrame:
    """Return one row an as-of day: the priors of users and media, rates by context, the distributors of most rows."""
    aspect, days = F.col(schema.ASPECT), [str(schema.AS_OF_DATE)]
    contexts = (*VALUE_COLUMNS, SURFACE_LENGTH)

    def of(name: str) -> Column:
        entry = F.when(aspect == name, F.struct(F.col(schema.ASPECT_VALUE), F.col(RATE)))
        return F.map_from_entries(F.slice(F.sort_array(F.collect_list(entry)), 1, _MOST_CONTEXTS)).alias(rate_of(name))

    sold = F.sort_array(
        F.collect_list(
            F.when(aspect == str(schema.DISTRIBUTOR), F.struct(-F.col(ROWS), F.col(schema.ASPECT_VALUE).alias("name")))
        )
    )
    top = F.transform(F.slice(sold, 1, settings.top_distributors), lambda one: one["name"])
    by_context = rates.where(aspect.isin(*contexts, str(schema.DISTRIBUTOR))).groupBy(*days)
    world = asked.join(
        by_context.agg(*map(of, contexts), top.alias("top_distributors")), on=schema.AS_OF_DATE, how="left"
    )
    judged, engaged = (window(name, settings.longest_days) for name in (schema.JUDGED_ROWS, schema.ENGAGED_ROWS))
    for name, groups in (("user", user_counts), ("media", media_counts)):
        prior = groups.transform(priors(days, judged, engaged))
        named = prior.withColumnsRenamed({MEAN: f"{name}_{MEAN}", STRENGTH: f"{name}_{STRENGTH}"})
        world = world.join(named, on=schema.AS_OF_DATE, how="left")
    return world
