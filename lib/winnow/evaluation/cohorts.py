"""Slices that are worked out: users and media that are new as of a day, and how active users were before it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from winnow import schema
from winnow.contracts import HELPER, Step
from winnow.evaluation.settings import EvaluationSettings

IS_NEW_USER, IS_NEW_MEDIA, ACTIVITY = "is_new_user", "is_new_media", "activity"
#: The slices that are worked out where the rows have no column of that name.
COHORTS = (IS_NEW_USER, IS_NEW_MEDIA, ACTIVITY)
#: What is known of a row's user or media: its first day, or a count.
_KNOWN = f"{HELPER}known"


def with_cohorts(
    names: Sequence[str],
    before: DataFrame,
    is_positive: Column,
    as_of: dt.date,
    settings: EvaluationSettings,
    *,
    users: DataFrame | None = None,
    media: DataFrame | None = None,
) -> Step:
    """Return the step that adds those of COHORTS that are among ``names`` and that the rows do not have.

    ``before``: rows of the time before ``as_of``, with event_date; ``is_positive``: which of them are engagements. ``users``
    with joined_date and ``media`` with added_date: where they tell of one, they are believed; else it is new since the first
    row before ``as_of``, and unseen until then is new.

    Rows in: user_id, media_id. ``is_new_user`` and ``is_new_media`` are booleans, ``activity`` is a band such as "5-19" of
    the user's positives before.
    """

    def step(rows: DataFrame) -> DataFrame:
        asked = [name for name in COHORTS if name in names and name not in rows.columns]
        if IS_NEW_USER in asked:
            first = _first_days(before, schema.USER_ID, users, schema.JOINED_DATE)
            rows = rows.transform(_add(IS_NEW_USER, first, _is_new(as_of, settings.new_user_days)))
        if IS_NEW_MEDIA in asked:
            first = _first_days(before, schema.MEDIA_ID, media, schema.ADDED_DATE)
            rows = rows.transform(_add(IS_NEW_MEDIA, first, _is_new(as_of, settings.new_media_days)))
        if ACTIVITY in asked:
            counted = before.where(is_positive).groupBy(schema.USER_ID).agg(F.count(F.lit(1)).alias(_KNOWN))
            rows = rows.transform(_add(ACTIVITY, counted, _band(F.coalesce(_KNOWN, F.lit(0)), settings.activity_bands)))
        return rows

    return step


def _add(name: str, known: DataFrame, told: Column) -> Step:
    """Return the step that adds the column ``name``: ``told`` of what is known of the row's key, the other column of ``known``."""

    def step(rows: DataFrame) -> DataFrame:
        (key,) = (column for column in known.columns if column != _KNOWN)
        return rows.join(known, on=key, how="left").withColumn(name, told).drop(_KNOWN)

    return step


def _is_new(as_of: dt.date, days: int) -> Column:
    return F.coalesce(F.col(_KNOWN) >= F.lit(as_of - dt.timedelta(days=days)), F.lit(True))


def _first_days(before: DataFrame, key: schema.Column, table: DataFrame | None, day: schema.Column) -> DataFrame:
    """Return each key's first day: what the table says, or else the first row's."""
    seen = before.groupBy(key).agg(F.min(schema.EVENT_DATE).alias(_KNOWN))
    if table is None or day not in table.columns:
        return seen
    told = table.groupBy(key).agg(F.min(day).alias("told"))
    return told.join(seen, on=key, how="full").select(key, F.coalesce("told", _KNOWN).alias(_KNOWN))


def _band(count: Column, edges: Sequence[int]) -> Column:
    """Return the band that the count lies in: below the first edge, from one edge to before the next, from the last on."""
    starts = [0, *edges]
    names = [
        f"{start}" if start == end - 1 else f"{start}-{end - 1}" for start, end in zip(starts, edges, strict=False)
    ]
    band: Column = F.lit(f"{edges[-1]}+")
    for edge, name in reversed(list(zip(edges, names, strict=True))):
        band = F.when(count < edge, name).otherwise(band)
    return band
