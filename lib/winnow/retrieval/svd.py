"""SVD: the truncated singular value decomposition of the matrix of users and media, distributed by blocks of users.

As ALS does, a fit runs a job a pass. Each block of users works on the basis of the pass before, which every task is sent as
one row; one task sums what the blocks made, and the driver sees the new basis only: media x rank. Nothing needs the classic
session.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from winnow import schema
from winnow.local import fetch, kept, local_rows
from winnow.retrieval.factors import FactorModel, numbered
from winnow.retrieval.ids import number_ids
from winnow.retrieval.interactions import Beside, Interactions
from winnow.retrieval.settings import RetrievalSettings, SvdSettings
from winnow.retrieval.subspace import (
    Cells,
    Matrix,
    complete,
    first_basis,
    fold_all,
    orthonormal,
    power,
    project,
    strongest,
)

_BLOCK, _CELLS, _USER, _MEDIA, _VALUE = "block", "cells", "user", "media", "value"
_BASIS, _WIDTH, _SIZE = "basis", "width", "size"
_STATE = f"{_BLOCK} int, {_BASIS} binary, {_WIDTH} int"
_Batches = Iterator[pa.RecordBatch]
#: Directions beyond the rank that are carried along: the last ones wanted are found by fewer passes (Halko et al., section 4.2).
_SPARE = 8


def fit_svd(known: Interactions, settings: RetrievalSettings) -> FactorModel:
    """Decompose the matrix of ln(1 + confidence), where what was not watched is 0 (PureSVD, Cremonesi et al. 2010)."""
    pairs = known.pairs.where(F.col(schema.CONFIDENCE) > 0)
    cells = pairs.select(schema.USER_ID, schema.MEDIA_ID, F.log1p(schema.CONFIDENCE).alias(_VALUE))
    users, media = decompose(cells, _VALUE, settings.svd, known.beside)
    return FactorModel(users, media, settings.scoring)


def decompose(
    rows: DataFrame,
    value: str,
    settings: SvdSettings,
    beside: Beside,
    ridge: float | None = None,
    ids: DataFrame | None = None,
) -> tuple[DataFrame, DataFrame]:
    """Return the factors of the users (user_id, factors) and of the media (media_id, factors): products approximate the values.

    ``rows``: user_id, media_id and ``value``, one row a pair. ``ridge``: what has no row is unknown, and factors are drawn
    towards zero by so much for each row; None: it is 0. ``ids``: rows of the same ids that are cheaper to read. A task holds
    the basis (media x rank, doubles) and the cells of one of ``settings.blocks`` blocks of users.
    """
    told = rows if ids is None else ids
    numbers = number_ids(told, schema.MEDIA_ID, beside.media_ids)
    people = number_ids(told, schema.USER_ID, beside.user_ids)
    cells = (
        rows.join(numbers.withColumnRenamed(schema.ID_NUMBER, _MEDIA), schema.MEDIA_ID, how="inner")
        .join(people.withColumnRenamed(schema.ID_NUMBER, _USER), schema.USER_ID, how="inner")
        .select(F.struct(_USER, _MEDIA, F.col(value).cast("double").alias(_VALUE)).alias(_CELLS))
    )
    block = F.pmod(F.xxhash64(F.col(_CELLS)[_USER]), F.lit(settings.blocks)).cast("int")
    blocks = cells.groupBy(block.alias(_BLOCK)).agg(F.sort_array(F.collect_list(_CELLS)).alias(_CELLS))
    step = power if ridge is None else partial(complete, ridge=ridge)
    # Completed, a direction more is a degree of freedom more; of a whole matrix the spare ones are cut off in the end.
    width = settings.rank + (_SPARE if ridge is None else 0)
    spark = rows.sparkSession
    with kept(blocks):
        (found,) = fetch(numbers.agg((F.coalesce(F.max(schema.ID_NUMBER), F.lit(-1)) + 1).alias(_SIZE)))
        basis = first_basis(found[_SIZE], width, settings.seed)
        for _ in range(settings.iterations if len(basis) else 0):
            parts = _beside(blocks, _state(spark, basis)).mapInArrow(_each(step), _STATE)
            summed = parts.repartition(1).sortWithinPartitions(_BLOCK).mapInArrow(_sum, _STATE)
            (last,) = fetch(summed)
            total = _matrix(last[_BASIS], last[_WIDTH])
            basis = orthonormal(total)
    state = _state(spark, basis if ridge is not None or not len(basis) else strongest(total, settings.rank))
    fold = project if ridge is None else partial(fold_all, ridge=ridge)
    folded = _beside(blocks, state).mapInArrow(_users(fold), f"{_USER} int, {schema.FACTORS} array<float>")
    vectors = state.mapInArrow(_media, f"{_MEDIA} int, {schema.FACTORS} array<float>")
    named = numbered(vectors, numbers, number=_MEDIA, vector=schema.FACTORS)
    # A number that the map knows from other days has no cell here: what nobody watched has no vector.
    known = told.select(schema.MEDIA_ID).distinct()
    return (
        numbered(folded, people, number=_USER, vector=schema.FACTORS),
        named.join(known, schema.MEDIA_ID, how="left_semi"),
    )


def _beside(blocks: DataFrame, state: DataFrame) -> DataFrame:
    return blocks.crossJoin(F.broadcast(state.select(_BASIS, _WIDTH)))


def _state(spark: SparkSession, basis: Matrix) -> DataFrame:
    """Return the basis as one row."""
    return local_rows(spark, [(0, np.ascontiguousarray(basis).tobytes(), basis.shape[1])], _STATE)


def _each(step: Callable[[Cells, Matrix], Matrix]) -> Callable[[_Batches], _Batches]:
    def each(batches: _Batches) -> _Batches:
        for block, _, cells, basis in _unpacked(batches):
            yield _packed(block, step(cells, basis))

    return each


def _sum(batches: _Batches) -> _Batches:
    total = None
    for batch in batches:
        for place in range(batch.num_rows):
            part = _basis(batch, place)
            total = part if total is None else total + part
    if total is not None:
        yield _packed(0, total)


def _users(fold: Callable[[Cells, Matrix], Matrix]) -> Callable[[_Batches], _Batches]:
    def users(batches: _Batches) -> _Batches:
        for _, numbers, cells, basis in _unpacked(batches):
            yield _vectors(_USER, numbers, fold(cells, basis))

    return users


def _media(batches: _Batches) -> _Batches:
    for batch in batches:
        for place in range(batch.num_rows):
            basis = _basis(batch, place)
            yield _vectors(_MEDIA, np.arange(len(basis)), basis)


def _unpacked(batches: _Batches) -> Iterator[tuple[int, npt.NDArray[Any], Cells, Matrix]]:
    """Yield each block's number, the numbers of its users in order, its cells and the basis."""
    for batch in batches:
        for place in range(batch.num_rows):
            held = batch.column(_CELLS)[place].values
            users, media, values = (held.field(name).to_numpy(zero_copy_only=False) for name in (_USER, _MEDIA, _VALUE))
            numbers, starts = np.unique(users, return_index=True)
            cells = Cells(np.append(starts, len(users)), media.astype(np.int64), values)
            yield batch.column(_BLOCK)[place].as_py(), numbers, cells, _basis(batch, place)


def _basis(batch: pa.RecordBatch, place: int) -> Matrix:
    return _matrix(batch.column(_BASIS)[place].as_buffer(), batch.column(_WIDTH)[place].as_py())


def _matrix(packed: Any, width: int) -> Matrix:
    """Return the matrix that the bytes are; it has no row where it has no column: without a pair there is no rank."""
    return np.frombuffer(packed, np.float64).reshape(-1 if width else 0, width)


def _packed(block: int, basis: Matrix) -> pa.RecordBatch:
    columns = {
        _BLOCK: pa.array([block], pa.int32()),
        _BASIS: pa.array([np.ascontiguousarray(basis).tobytes()], pa.binary()),
        _WIDTH: pa.array([basis.shape[1]], pa.int32()),
    }
    return pa.RecordBatch.from_pydict(columns)


def _vectors(name: str, numbers: npt.NDArray[Any], vectors: Matrix) -> pa.RecordBatch:
    flat = pa.array(np.ascontiguousarray(vectors, dtype=np.float32).reshape(-1))
    offsets = pa.array(np.arange(len(vectors) + 1, dtype=np.int32) * vectors.shape[1])
    lists = pa.ListArray.from_arrays(offsets, flat)
    return pa.RecordBatch.from_pydict({name: pa.array(numbers.astype(np.int32)), str(schema.FACTORS): lists})
