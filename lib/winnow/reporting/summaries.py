"""What the page asks of large tables, as small aggregates: all of them lazy, none of them one row an impression."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from winnow import schema
from winnow.contracts import HELPER, Step

#: Width of the bins of weights; the page merges them into wider ones.
WEIGHT_BIN = 0.05
#: Tables whose models are measured by their lists.
_OF_LISTS = (schema.CANDIDATES.name, schema.RECOMMENDATIONS.name)
#: The last bin holds every larger weight too.
_MOST_WEIGHT = 50.0
#: Helper columns: the label's struct, the place of a row in its user's order, the share that was watched.
_OF_LABEL, PLACE, WATCHED_SHARE = f"{HELPER}of_label", f"{HELPER}place", f"{HELPER}watched_share"


def weight_bins(labels: Sequence[str]) -> Step:
    """Return the step from examples to one row a label and bin of its positives' weights: label, bin, rows."""

    def step(examples: DataFrame) -> DataFrame:
        of_labels = [
            F.struct(
                F.lit(label).alias(schema.LABEL),
                F.when(F.col(schema.label_column(label)) == 1, F.col(schema.weight_column(label))).alias(schema.WEIGHT),
            )
            for label in labels
        ]
        weights = examples.select(F.explode(F.array(*of_labels)).alias(_OF_LABEL)).select(f"{_OF_LABEL}.*")
        weight = F.least(F.col(schema.WEIGHT), F.lit(_MOST_WEIGHT))
        bins = F.floor(weight / WEIGHT_BIN + 1e-9).cast("int").alias(schema.BIN)
        known = weights.where(F.col(schema.WEIGHT).isNotNull())
        return known.groupBy(schema.LABEL, bins).agg(F.count(F.lit(1)).alias(schema.ROWS))

    return step


def newest_period() -> Step:
    """Return the step that keeps the rows of each protocol's newest period, of metrics or of curves."""

    def step(rows: DataFrame) -> DataFrame:
        newest = rows.groupBy(schema.PROTOCOL).agg(F.max(schema.END_DATE).alias(schema.END_DATE))
        return rows.join(newest, on=[*map(str, (schema.PROTOCOL, schema.END_DATE))], how="left_semi")

    return step


def told_apart(metrics: list[dict[str, Any]] | None) -> list[dict[str, Any]] | None:
    """Return the rows, each model's name with its table where two tables have lists of a model of that name."""
    tables: dict[str, set[str]] = {}
    for row in metrics or ():
        if row[schema.MEASURED] in _OF_LISTS:
            tables.setdefault(row[schema.MODEL], set()).add(row[schema.MEASURED])
    return metrics and [
        row | {schema.MODEL: f"{row[schema.MODEL]} ({row[schema.MEASURED]})"}
        if row[schema.MEASURED] in _OF_LISTS and len(tables[row[schema.MODEL]]) > 1
        else row
        for row in metrics
    ]


def sampled_users(lists: DataFrame, n: int, seed: int) -> Step:
    """Return the step from what users engaged with to ``n`` of those who have a list, by a hash of their id: user_id."""

    def step(positives: DataFrame) -> DataFrame:
        users = positives.select(schema.USER_ID).distinct()
        listed = users.join(lists.select(schema.USER_ID), on=schema.USER_ID, how="left_semi")
        return listed.orderBy(F.xxhash64(F.lit(seed), F.col(schema.USER_ID)), schema.USER_ID).limit(n)

    return step


def last_watched(n: int) -> Step:
    """Return the step from positives to the last ``n`` media of each user: user_id, media_id, event_date, WATCHED_SHARE."""

    def step(positives: DataFrame) -> DataFrame:
        duration = F.nullif(F.col(schema.MEDIA_DURATION_S), F.lit(0.0))
        last = positives.groupBy(schema.USER_ID, schema.MEDIA_ID).agg(
            F.max(schema.IMPRESSION_TS).alias(schema.IMPRESSION_TS),
            F.max(schema.EVENT_DATE).alias(schema.EVENT_DATE),
            F.max(F.col(schema.WATCH_S) / duration).alias(WATCHED_SHARE),
        )
        newest = Window.partitionBy(schema.USER_ID).orderBy(F.col(schema.IMPRESSION_TS).desc(), schema.MEDIA_ID)
        return last.withColumn(PLACE, F.row_number().over(newest)).where(F.col(PLACE) <= n)

    return step


def titled(media: DataFrame | None) -> Step:
    """Return the step that adds the title of each media, null where the catalogue has none."""

    def step(rows: DataFrame) -> DataFrame:
        if media is None or schema.TITLE not in media.columns:
            return rows.withColumn(schema.TITLE, F.lit(None).cast("string"))
        titles = media.groupBy(schema.MEDIA_ID).agg(F.max(schema.TITLE).alias(schema.TITLE))
        return rows.join(titles, on=schema.MEDIA_ID, how="left")

    return step


def in_last_days(days: int, newest: Column) -> Column:
    """Return whether a row's day is among the last ``days`` up to the newest."""
    return F.col(schema.EVENT_DATE) > F.date_sub(newest, days)
