"""Rows with a column for each declared feature, and of each whether it took its default."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Set as AbstractSet

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from winnow import schema
from winnow.contracts import HELPER, Step, named
from winnow.errors import ContractError
from winnow.features import context, crosses, media, users
from winnow.features.kinds import Feature, Known, ListFeature, of_source
from winnow.features.lists import declared_lists
from winnow.features.profiles import Profiles
from winnow.features.settings import Clock, FeatureSettings

#: Helper column: for each declared feature whether the row has its default, for want of a usable value.
DEFAULTED = f"{HELPER}defaulted"


def declared(settings: FeatureSettings, clock: Clock | None = None) -> tuple[Feature, ...]:
    """Return every feature that the settings ask for, in the order of the columns."""
    moments = clock or Clock()
    return (
        *users.declared(settings),
        *media.declared(settings),
        *context.declared(settings, moments),
        *crosses.declared(settings, moments),
    )


def names(settings: FeatureSettings) -> set[str]:
    """Return the names of all features, lists too."""
    return {feature.name for feature in declared(settings)} | {one.name for one in declared_lists(settings)}


def columns(settings: FeatureSettings) -> list[str]:
    """Return the names of the features that a tree and a linear model train on: numbers and flags."""
    return [feature.name for feature in declared(settings) if feature.kind != "category"]


def categories(settings: FeatureSettings) -> list[str]:
    """Return the names of the hashed categories, whole numbers from 0 to ``buckets`` - 1, for models that embed them."""
    return [feature.name for feature in declared(settings) if feature.kind == "category"]


def as_of_day(clock: Clock) -> Step:
    """Return the step that adds as_of_date to impressions: the day before which all that they may know happened.

    It is the earlier of the log's day and the day of the impression itself: a row logged after midnight knows nothing of
    the minutes before it.
    """
    local_us = F.unix_micros(F.col(schema.IMPRESSION_TS)) + round(clock.utc_offset_h * 3_600_000_000)
    shown = F.date_from_unix_date(F.floor(local_us / 86_400_000_000).cast("int"))

    def step(rows: DataFrame) -> DataFrame:
        return rows.withColumn(schema.AS_OF_DATE, F.least(F.col(schema.EVENT_DATE), shown))

    return step


def featured(profiles: Profiles, settings: FeatureSettings) -> Step:
    """Return the step that adds a column for each declared feature and list to rows, none null, NaN or infinite, and DEFAULTED.

    Rows in: user_id, media_id, as_of_date; impression_ts, media_duration_s, device, surface, position, country where they
    are there. Rows whose day, user or media has no profile have defaults. Rows are joined to users by (as_of_date, user_id),
    to media by (as_of_date, media_id), and to one row a day; nothing is dealt out or grouped.
    """

    def step(rows: DataFrame) -> DataFrame:
        features, lists = declared(settings, profiles.clock), declared_lists(settings)
        listed = [one.name for one in lists]
        made = {*listed, *(feature.name for feature in features)}
        # What a formula gives is looked at more than once, so it is a column first.
        raw = _joined(rows, profiles, made).transform(_raw(rows.columns, features, lists))
        defaulted = F.array(*(~_is_usable(feature.name) for feature in features)).alias(DEFAULTED)
        return raw.select(*map(named, rows.columns), *map(_filled, features), *listed, defaulted)

    return step


def took_default(rows: DataFrame, settings: FeatureSettings) -> dict[str, Column]:
    """Return for each declared feature whether a row took its default; nothing of rows that are not out of ``featured``."""
    if DEFAULTED not in rows.columns:
        return {}
    return {feature.name: F.col(DEFAULTED)[place] for place, feature in enumerate(declared(settings))}


def without_source(rows: DataFrame, profiles: Profiles, settings: FeatureSettings) -> dict[str, list[str]]:
    """Return the features whose sources are missing, each with the columns that it asks for in vain; nothing is read."""
    sources = {"user": profiles.users, "media": profiles.media, "world": profiles.world}
    beside = {of_source(source, name) for source, profile in sources.items() for name in profile.columns}
    columns, found = {*rows.columns, *beside}, {}
    for feature in declared(settings, profiles.clock):
        known = Known(columns)
        feature.of(known)
        if known.missing:
            found[feature.name] = sorted(known.missing)
    return found


def _joined(rows: DataFrame, profiles: Profiles, made: AbstractSet[str]) -> DataFrame:
    """Return the rows with the columns of their user, media and day beside them; ``made``: names that are still to come."""
    needed = (schema.USER_ID, schema.MEDIA_ID, schema.AS_OF_DATE)
    lacking = [str(name) for name in needed if name not in rows.columns]
    taken = sorted(made & set(rows.columns))
    if lacking or taken:
        faults = [f"missing {name}" for name in lacking] + [f"{name} is there already" for name in taken]
        raise ContractError(
            f"features: expected rows with {', '.join(needed)} and without the features' names, found: "
            f"{'; '.join(faults)}. It has: {', '.join(rows.columns)}."
        )
    keys = {"user": schema.USER_ID, "media": schema.MEDIA_ID}
    joined = rows
    for source, profile in (("user", profiles.users), ("media", profiles.media)):
        on: list[str] = [schema.AS_OF_DATE, keys[source]]
        joined = joined.join(_beside(profile, source, on), on=on, how="left")
    world = _beside(profiles.world, "world", [schema.AS_OF_DATE])
    return joined.join(F.broadcast(world), on=schema.AS_OF_DATE, how="left")


def _beside(profile: DataFrame, source: str, keys: list[str]) -> DataFrame:
    return profile.withColumnsRenamed({name: of_source(source, name) for name in profile.columns if name not in keys})


def _raw(kept: Iterable[str], features: Iterable[Feature], lists: Iterable[ListFeature]) -> Step:
    """Return the step from joined rows to those kept, each feature as a double, null where its source is missing, and lists."""

    def step(joined: DataFrame) -> DataFrame:
        columns, made = joined.columns, []
        for feature in features:
            known = Known(columns)
            column = feature.of(known)
            made.append((F.lit(None) if known.missing else column).cast("double").alias(feature.name))
        for one in lists:
            known, nothing = Known(columns), F.array().cast("array<string>")
            column = one.of(known)
            made.append((nothing if known.missing else F.coalesce(column, nothing)).alias(one.name))
        return joined.select(*map(named, kept), *made)

    return step


def _is_usable(name: str) -> Column:
    """Return whether it is a finite number: NaN is the largest double."""
    return F.coalesce(F.abs(F.col(name)) < float("inf"), F.lit(False))


def _filled(feature: Feature) -> Column:
    filled = F.when(_is_usable(feature.name), F.col(feature.name)).otherwise(F.lit(feature.default))
    return filled.cast("int" if feature.kind == "category" else "double").alias(feature.name)
