"""The exact best media of each user by inner product, in blocks of users that are worked on as Arrow."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from winnow import schema
from winnow.retrieval.search import Floats, Found, Places, Seen, flat_index, load_index, search, stored_index
from winnow.retrieval.settings import ScoringSettings

_BLOCK, _BLOCKS, _USERS, _SEEN = "block", "blocks", "users", "seen"
#: The catalogue as one row: ids in order, their vectors one after the other, and the index of the vectors where it is stored.
_IDS, _VECTORS, _INDEX = "ids", "vectors", "index"
#: Blocks of users there are at least, so that every core has some.
_LEAST_BLOCKS = 16
_EXACT = ScoringSettings()


def best(
    users: DataFrame, media: DataFrame, n: int, seen: DataFrame | None = None, settings: ScoringSettings = _EXACT
) -> DataFrame:
    """Return the ``n`` media of largest inner product for each user: user_id, media_id, rank (from 1), score.

    ``users``: user_id, factors, one row a user; ``media``: media_id, factors, one row a media; ``seen``: user_id, media_id
    that are left out. Ties go to the smaller media_id. A user with fewer media left has a shorter list.

    Users are worked on in blocks of some ``settings.users_per_block``, by a hash of their id; the lists are the same for any
    number. A task holds all media and one block in memory: 4 bytes a number. ``settings.index``: how the best are found.
    """
    kinds = dict(users.dtypes)[schema.USER_ID], dict(media.dtypes)[schema.MEDIA_ID]
    watched = users.select(schema.USER_ID, F.array().cast(f"array<{kinds[1]}>").alias(_SEEN))
    if seen is not None:
        lists = seen.groupBy(schema.USER_ID).agg(F.sort_array(F.collect_list(schema.MEDIA_ID)).alias(_SEEN))
        watched = users.select(schema.USER_ID).join(lists, schema.USER_ID, how="left")
    person = F.struct(schema.USER_ID, schema.FACTORS, _SEEN)
    blocks = F.greatest(F.lit(_LEAST_BLOCKS), F.ceil(F.count(F.lit(1)) / settings.users_per_block)).cast("bigint")
    in_blocks = (
        users.join(watched, schema.USER_ID, how="inner")
        .crossJoin(F.broadcast(users.agg(blocks.alias(_BLOCKS))))
        .groupBy(F.pmod(F.xxhash64(schema.USER_ID), F.col(_BLOCKS)).alias(_BLOCK))
        .agg(F.sort_array(F.collect_list(person)).alias(_USERS))
    )
    ddl = f"{schema.USER_ID} {kinds[0]}, {schema.MEDIA_ID} {kinds[1]}, {schema.RANK} int, {schema.SCORE} double"
    together = in_blocks.crossJoin(F.broadcast(_catalogue(media, kinds[1], settings)))
    return together.select(_USERS, _IDS, _VECTORS, _INDEX).mapInArrow(_score(n), ddl)


def _catalogue(media: DataFrame, kind: str, settings: ScoringSettings) -> DataFrame:
    """Return all media as one row, made by one task: what tasks share is then a copy of bytes, not of numbers."""
    together = media.select(schema.MEDIA_ID, schema.FACTORS).repartition(1)
    return together.mapInArrow(_pack(settings), f"{_IDS} array<{kind}>, {_VECTORS} binary, {_INDEX} binary")


def _pack(settings: ScoringSettings) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    media_id, factors = str(schema.MEDIA_ID), str(schema.FACTORS)

    def pack(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        held = [batch for batch in batches if batch.num_rows]
        if not held:
            return
        ids = pa.concat_arrays([batch.column(media_id) for batch in held])
        order = pc.sort_indices(ids)
        ids = pc.take(ids, order)
        vectors = np.concatenate([_matrix(batch.column(factors)) for batch in held])[order.to_numpy()]
        columns = {
            _IDS: pa.ListArray.from_arrays(pa.array([0, len(ids)], pa.int32()), ids),
            _VECTORS: pa.array([vectors.tobytes()], pa.binary()),
            _INDEX: pa.array([stored_index(vectors, settings)], pa.binary()),
        }
        yield pa.RecordBatch.from_pydict(columns)

    return pack


def _score(n: int) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    user_id, factors = str(schema.USER_ID), str(schema.FACTORS)

    def score_batches(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        index, vectors = None, np.empty((0, 0), np.float32)
        for batch in batches:
            for place in range(batch.num_rows):
                people, ids = batch.column(_USERS)[place].values, batch.column(_IDS)[place].values
                stored = batch.column(_INDEX)[place].as_py()
                if index is None:  # the same in every row: a task unpacks it once
                    packed = np.frombuffer(batch.column(_VECTORS)[place].as_buffer(), np.float32)
                    vectors = packed.reshape(len(ids), -1).copy()
                    index = flat_index(vectors) if stored is None else load_index(stored)
                seen = _seen(people.field(_SEEN), ids)
                found = search(_matrix(people.field(factors)), vectors, n, seen, index, is_exact=stored is None)
                yield _rows(people.field(user_id), ids, found)

    return score_batches


def _seen(lists: pa.ListArray, ids: pa.Array) -> Seen:
    places = pc.fill_null(pc.index_in(lists.flatten(), value_set=ids), -1).to_numpy(zero_copy_only=False)
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
    return Seen.of(np.repeat(np.arange(len(lists)), lengths), places.astype(np.int64), len(ids))


def _rows(users: pa.Array, ids: pa.Array, found: Found) -> pa.RecordBatch:
    firsts = np.flatnonzero(np.diff(found.rows, prepend=-1))
    lengths = np.diff(firsts, append=len(found.rows))
    ranks: Places = np.arange(len(found.rows)) - np.repeat(firsts, lengths) + 1
    return pa.RecordBatch.from_pydict(
        {
            str(schema.USER_ID): pc.take(users, pa.array(found.rows)),
            str(schema.MEDIA_ID): pc.take(ids, pa.array(found.places)),
            str(schema.RANK): pa.array(ranks.astype(np.int32)),
            str(schema.SCORE): pa.array(found.scores),
        }
    )


def _matrix(lists: pa.ListArray) -> Floats:
    flat: Floats = lists.flatten().to_numpy(zero_copy_only=False).astype(np.float32)
    return flat.reshape(len(lists), -1)
