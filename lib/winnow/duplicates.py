"""Duplicate log lines: of the copies of an impression_id one stays, whatever the order of the rows.

The copy that stays is the valid one with the largest watch_s (a player reports more than once); ties by full row order.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pyarrow as pa
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from winnow import schema
from winnow.contracts import HELPER, Step, named

#: Helper columns; never stored.
ID_HASH = f"{HELPER}id_hash"
LOG_LINES = f"{HELPER}log_lines"
_PLACE = f"{HELPER}place_among_copies"
_IS_REFUSED = f"{HELPER}is_refused"
_WATCH = f"{HELPER}watch_of_good_copy"
#: Ids of one task, about: a few tens of MB; and the parts that they are in, several, as parts fall on tasks by a hash, unevenly.
_IDS_A_TASK = 2_500_000
_PARTS_A_TASK = 4
#: Between the two halves of the search: a part of all hashes by its number, and some of them, sorted, eight bytes each.
_PART = f"{HELPER}part_of_hashes"
_HASHES = f"{HELPER}hashes"

_Batches = Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]


def repeated_ids(log_lines: int) -> Step:
    """Return the step from rows to the hashes of the ids that stand in more than one (column ID_HASH).

    ``log_lines``: about how many rows there are. Only eight bytes a row are shuffled. Two ids may share a hash: the hashes
    name candidates, never copies.
    """

    def step(rows: DataFrame) -> DataFrame:
        tasks = max(1, math.ceil(log_lines / _IDS_A_TASK))
        hashes = rows.where(F.col(schema.IMPRESSION_ID).isNotNull()).select(_id_hash().alias(ID_HASH))
        # Rows that are shuffled and grouped one by one cost an engine several times what the sorting of numbers costs.
        sorted_parts = hashes.mapInArrow(_sort(tasks * _PARTS_A_TASK), f"{_PART} int, {_HASHES} binary")
        return sorted_parts.repartition(tasks, _PART).mapInArrow(_repeated(), f"{ID_HASH} bigint")

    return step


def _sort(parts: int) -> _Batches:
    """Return the function from hashes to their sorted parts, a row a part, for as many hashes at a time as one task sorts."""
    # By value, as all functions in here go to the workers: a server of Spark Connect has no package of ours.
    edges = np.linspace(-(2.0**63), 2.0**63, parts + 1)[1:-1].astype(np.int64)

    def parts_of(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
        hashes = np.sort(np.concatenate([batch.column(0).to_numpy() for batch in batches]))
        starts = np.concatenate(([0], np.searchsorted(hashes, edges), [len(hashes)])).astype(np.int32)
        buffers = [None, pa.py_buffer(starts * hashes.itemsize), pa.py_buffer(hashes)]
        cut = pa.Array.from_buffers(pa.binary(), parts, buffers)
        return pa.RecordBatch.from_arrays([pa.array(range(parts), pa.int32()), cut], names=[_PART, _HASHES])

    def sort_batches(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        held: list[pa.RecordBatch] = []
        for batch in batches:
            held.append(batch)
            if sum(map(len, held)) >= _IDS_A_TASK:
                yield parts_of(held)
                held = []
        if held:
            yield parts_of(held)

    return sort_batches


def _repeated() -> _Batches:
    """Return the function from sorted parts to the hashes that stand in them more than once."""

    def repeated_in(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        by_part = defaultdict(list)
        for batch in batches:
            for part, hashes in zip(batch.column(0).to_pylist(), batch.column(1), strict=True):
                by_part[part].append(np.frombuffer(hashes.as_buffer(), np.int64))
        for found in by_part.values():
            hashes = np.sort(np.concatenate(found))
            repeated = np.unique(hashes[1:][hashes[1:] == hashes[:-1]])
            yield pa.RecordBatch.from_arrays([pa.array(repeated)], names=[ID_HASH])

    return repeated_in


def settle(refused: Column, order: Sequence[str], repeated: DataFrame | None = None) -> Step:
    """Return the step that keeps one row an impression_id and adds LOG_LINES, the number of rows that it had.

    ``refused``: whether a row is refused; such a row never displaces a good one.
    ``order``: the columns that decide between copies of equal watch_s, first column first, larger values first; two
    passes over different columns agree on the survivor's when the columns of the one lead the order of the other.
    ``repeated``: what ``repeated_ids`` found, small; only those rows are shuffled. None: any row may be a copy.
    Rows without an id are nobody's copy.
    """

    def step(rows: DataFrame) -> DataFrame:
        if repeated is None:
            has_id = F.col(schema.IMPRESSION_ID).isNotNull()
            singles, copies = rows.where(~has_id), rows.where(has_id)
        else:
            hashed = rows.withColumn(ID_HASH, _id_hash())
            candidates = F.broadcast(repeated)
            singles = hashed.join(candidates, on=ID_HASH, how="left_anti").drop(ID_HASH)
            copies = hashed.join(candidates, on=ID_HASH, how="left_semi").drop(ID_HASH)
        # What decides stands in columns: not every engine knows again, in a window's order, an expression that it has made
        # simpler. Of copies the id is the same.
        judged = copies.withColumns({_IS_REFUSED: refused, _WATCH: F.when(~refused, F.col(schema.WATCH_S))})
        keys = [F.col(_IS_REFUSED).asc(), F.col(_WATCH).desc_nulls_last()]
        keys += [_orderable(rows, name).desc_nulls_last() for name in order if name != schema.IMPRESSION_ID]
        of_one_id = Window.partitionBy(schema.IMPRESSION_ID)
        survivors = (
            judged.withColumn(_PLACE, F.row_number().over(of_one_id.orderBy(*keys)))
            .withColumn(LOG_LINES, F.count(F.lit(1)).over(of_one_id))
            .where(F.col(_PLACE) == 1)
            .drop(_PLACE, _IS_REFUSED, _WATCH)
        )
        return singles.withColumn(LOG_LINES, F.lit(1).cast("bigint")).unionByName(survivors)

    return step


def _id_hash() -> Column:
    return F.xxhash64(F.col(schema.IMPRESSION_ID))


def _orderable(rows: DataFrame, name: str) -> Column:
    """Return the column, or its text where its type has no order."""
    kind = dict(rows.dtypes)[name]
    return F.to_json(F.struct(named(name))) if "map<" in kind or "variant" in kind else named(name)
