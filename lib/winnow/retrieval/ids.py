"""Ids of any type as small whole numbers, which ALS asks for: an id once numbered keeps its number."""

from __future__ import annotations

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from winnow import schema


def number_ids(rows: DataFrame, column: str, known: DataFrame | None = None) -> DataFrame:
    """Return one row an id of ``column``: the id and id_number, from 0; those of ``known`` stay, new ones follow in order.

    ``rows``: any rows with the column; nulls have no number. ``known``: what this returned before, kept whole. One task
    numbers the new ids, so they should be ids and not rows.
    """
    found = rows.select(column).where(F.col(column).isNotNull()).distinct()
    place = F.row_number().over(Window.orderBy(column)) - 1
    if known is None:
        return found.select(column, place.alias(schema.ID_NUMBER))
    following = known.agg(F.coalesce(F.max(schema.ID_NUMBER) + 1, F.lit(0)).alias("following"))
    new = found.join(known, column, how="left_anti").crossJoin(following)
    numbered = new.select(column, (F.col("following") + place).cast("int").alias(schema.ID_NUMBER))
    return known.select(column, schema.ID_NUMBER).unionByName(numbered)
