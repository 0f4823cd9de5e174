"""The exact best media of each user by inner product, in blocks of users: numpy inside Arrow batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from winnow import schema

#: Blocks of users, told by a hash of their id and not by partitions: sums have one order, whatever the cluster.
_BLOCKS = 32
_BLOCK, _USERS, _MEDIA, _SEEN = "block", "users", "items", "seen"


def best(users: DataFrame, media: DataFrame, n: int, seen: DataFrame | None = None) -> DataFrame:
    """Return the ``n`` media of largest inner product for each user: user_id, media_id, rank (from 1), score.

    ``users``: user_id, factors, one row a user; ``media``: media_id, factors, one row a media; ``seen``: user_id, media_id
    that are left out. Ties go to the smaller media_id. A user with fewer media left has a shorter list. All media travel
    with each block of users: a task has to hold them and its blocks in memory.
    """
    watched = users.select(schema.USER_ID, F.array().cast(f"array<{_type_of(media)}>").alias(_SEEN))
    if seen is not None:
        lists = seen.groupBy(schema.USER_ID).agg(F.sort_array(F.collect_list(schema.MEDIA_ID)).alias(_SEEN))
        watched = users.select(schema.USER_ID).join(lists, schema.USER_ID, how="left")
    person = F.struct(schema.USER_ID, schema.FACTORS, _SEEN)
    blocks = (
        users.join(watched, schema.USER_ID, how="inner")
        .groupBy(F.pmod(F.xxhash64(schema.USER_ID), F.lit(_BLOCKS)).alias(_BLOCK))
        .agg(F.sort_array(F.collect_list(person)).alias(_USERS))
    )
    one = F.struct(schema.MEDIA_ID, schema.FACTORS)
    catalogue = media.agg(F.sort_array(F.collect_list(one)).alias(_MEDIA))
    kinds = dict(users.dtypes)[schema.USER_ID], _type_of(media)
    ddl = f"{schema.USER_ID} {kinds[0]}, {schema.MEDIA_ID} {kinds[1]}, {schema.RANK} int, {schema.SCORE} double"
    return blocks.crossJoin(F.broadcast(catalogue)).select(_USERS, _MEDIA).mapInArrow(_score(n), ddl)


def top(scores: npt.NDArray[np.float64], n: int) -> npt.NDArray[np.intp]:
    """Return the places of the ``n`` largest finite scores, the largest first, the earlier place first among equals."""
    places = np.flatnonzero(np.isfinite(scores))
    if len(places) > n:
        least = np.partition(scores[places], len(places) - n)[len(places) - n]
        places = places[scores[places] >= least]
    best_first: npt.NDArray[np.intp] = places[np.argsort(-scores[places], kind="stable")][:n]
    return best_first


def _type_of(media: DataFrame) -> str:
    return dict(media.dtypes)[schema.MEDIA_ID]


def _score(n: int) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    user_id, media_id, factors = str(schema.USER_ID), str(schema.MEDIA_ID), str(schema.FACTORS)
    rank, score = str(schema.RANK), str(schema.SCORE)

    def score_batches(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for place in range(batch.num_rows):
                people = batch.column(_USERS)[place].values
                items = batch.column(_MEDIA)[place].values
                if items is None or len(items) == 0:
                    continue
                ids = items.field(media_id)
                place_of = {item: at for at, item in enumerate(ids.to_pylist())}
                scores = _matrix(people.field(factors)) @ _matrix(items.field(factors)).T
                lists = []
                for at, known in enumerate(people.field(_SEEN).to_pylist()):
                    scores[at, [place_of[item] for item in known or () if item in place_of]] = -np.inf
                    lists.append(top(scores[at], n))
                rows = np.repeat(np.arange(len(lists)), [len(found) for found in lists])
                found = np.concatenate(lists)
                ranks = np.concatenate([np.arange(1, len(mine) + 1, dtype=np.int32) for mine in lists])
                columns = {
                    user_id: _at(people.field(user_id), rows),
                    media_id: _at(ids, found),
                    rank: pa.array(ranks),
                    score: pa.array(scores[rows, found]),
                }
                yield pa.RecordBatch.from_pydict(columns)

    return score_batches


def _at(ids: pa.Array, places: npt.NDArray[np.intp]) -> pa.Array:
    plain = ids.to_pylist()
    return pa.array([plain[place] for place in places], type=ids.type)


def _matrix(lists: pa.ListArray) -> npt.NDArray[np.float64]:
    flat: npt.NDArray[np.float64] = lists.flatten().to_numpy(zero_copy_only=False).astype(np.float64)
    return flat.reshape(len(lists), -1)
