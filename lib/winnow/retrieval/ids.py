"""Ids of any type as small whole numbers, which matrices are made of: an id once numbered keeps its number."""

from __future__ import annotations

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from winnow import schema


def new_ids(rows: DataFrame, column: str, known: DataFrame | None = None) -> DataFrame:
    """Return one row for each id of ``column`` that ``known`` does not number: the id and id_number, following in order.

    ``rows``: any rows with the column; nulls have no number. ``known``: ids and their id_number, from 0. One task numbers the
    new ids, so they should be ids and not rows; beyond 2,147,483,647 of them the cast fails the job.
    """
    found = rows.select(column).where(F.col(column).isNotNull()).distinct()
    place = F.row_number().over(Window.orderBy(column)) - 1
    if known is None:
        return found.select(column, place.cast("int").alias(schema.ID_NUMBER))
    following = known.agg(F.coalesce(F.max(schema.ID_NUMBER) + 1, F.lit(0)).alias("following"))
    new = found.join(known, column, how="left_anti").crossJoin(following)
    return new.select(column, (F.col("following").cast("bigint") + place).cast("int").alias(schema.ID_NUMBER))


def number_ids(rows: DataFrame, column: str, known: DataFrame | None = None) -> DataFrame:
    """Return one row an id of ``column``: the id and id_number; those of ``known`` stay, new ones follow."""
    new = new_ids(rows, column, known)
    return new if known is None else known.select(column, schema.ID_NUMBER).unionByName(new)
