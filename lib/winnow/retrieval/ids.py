"""Ids of any type as small whole numbers, which matrices are made of: an id once numbered keeps its number."""

from __future__ import annotations

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from winnow import schema

#: Blocks of ids that are numbered each by itself, by a hash of the id.
_BLOCKS = 1024
_BLOCK, _SIZE, _FIRST = "block", "size", "first"


def new_ids(rows: DataFrame, column: str, known: DataFrame | None = None) -> DataFrame:
    """Return one row for each id of ``column`` that ``known`` does not number: the id and id_number, following those.

    ``rows``: any rows with the column; nulls have no number. ``known``: ids and their id_number, from 0. Ids are numbered
    block by block, in a block in order: the same numbers in any partitioning, and no task sees all ids. Beyond 2,147,483,647 of
    them the cast fails the job.
    """
    found = rows.select(column).where(F.col(column).isNotNull()).distinct()
    if known is not None:
        found = found.join(known, column, how="left_anti")
    in_blocks = found.withColumn(_BLOCK, F.pmod(F.xxhash64(column), F.lit(_BLOCKS)))
    sizes = in_blocks.groupBy(_BLOCK).agg(F.count(F.lit(1)).alias(_SIZE))
    # Over a row a block: the one window that a single task works on.
    earlier = Window.orderBy(_BLOCK).rowsBetween(Window.unboundedPreceding, -1)
    firsts = sizes.select(_BLOCK, F.coalesce(F.sum(_SIZE).over(earlier), F.lit(0)).alias(_FIRST))
    if known is not None:
        following = known.agg(F.coalesce(F.max(schema.ID_NUMBER).cast("bigint") + 1, F.lit(0)).alias(_SIZE))
        firsts = firsts.crossJoin(following).select(_BLOCK, (F.col(_FIRST) + F.col(_SIZE)).alias(_FIRST))
    place = F.row_number().over(Window.partitionBy(_BLOCK).orderBy(column)) - 1
    placed = in_blocks.withColumn(_SIZE, place).join(F.broadcast(firsts), _BLOCK, how="inner")
    return placed.select(column, (F.col(_FIRST) + F.col(_SIZE)).cast("int").alias(schema.ID_NUMBER))


def number_ids(rows: DataFrame, column: str, known: DataFrame | None = None) -> DataFrame:
    """Return one row an id of ``column``: the id and id_number; those of ``known`` stay, new ones follow."""
    new = new_ids(rows, column, known)
    return new if known is None else known.select(column, schema.ID_NUMBER).unionByName(new)
