"""Lists chosen from scored candidates: the new favoured, then one after the other what scores well and is not alike.

mmr    the next is the one of largest s * score - (1 - s) * likeness, where score is a share of the user's best, and
likeness that to the most alike in the list: shared values / all values (Carbonell and Goldstein, SIGIR 1998)
cap    the next is the best that no value (a genre, a creator) has too often already; where none is left, the best
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from winnow import schema
from winnow.contracts import HELPER, Step
from winnow.reranking.rules import AGE_DAYS, ALIKE
from winnow.reranking.settings import RerankingSettings

_POOL, _BEHIND = f"{HELPER}pool", "behind"
_NEW, _PICKED = "new", "picked for you"

_Floats = npt.NDArray[np.float64]


def choose(settings: RerankingSettings) -> Step:
    """Return the step from scored candidates to lists: user_id, media_id, rank (from 1), score, reason.

    Rows in: user_id, media_id, score (0 or more; null and NaN are left out), reason, ALIKE, AGE_DAYS, one row a pair. Ties go
    to the smaller media_id. A reason that nobody told is "new" for what came of late, else "picked for you": the
    score says so, whatever proposed it. A task holds the pools of a batch of users.
    """

    def step(rows: DataFrame) -> DataFrame:
        newness = F.greatest(F.lit(0.0), 1.0 - F.col(AGE_DAYS) / settings.fresh_days)
        fresh = F.coalesce(newness, F.lit(0.0))
        score = F.col(schema.SCORE) * (1.0 + settings.freshness * fresh)
        reason = F.coalesce(F.col(schema.REASON), F.when(fresh > 0, _NEW).otherwise(_PICKED))
        # Sorted upwards: the best is the least behind, and of equals the smaller id comes first.
        one = F.struct((-score).alias(_BEHIND), schema.MEDIA_ID, reason.alias(schema.REASON), ALIKE)
        pools = (
            rows.where(F.col(schema.SCORE).isNotNull() & ~F.isnan(schema.SCORE))
            .groupBy(schema.USER_ID)
            .agg(F.slice(F.sort_array(F.collect_list(one)), 1, settings.pool).alias(_POOL))
        )
        kinds = dict(rows.dtypes)
        ddl = (
            f"{schema.USER_ID} {kinds[schema.USER_ID]}, {schema.MEDIA_ID} {kinds[schema.MEDIA_ID]}, {schema.RANK} int, "
            f"{schema.SCORE} double, {schema.REASON} string"
        )
        return pools.mapInArrow(_choose(settings), ddl)

    return step


def chosen(scores: _Floats, alike: Sequence[Sequence[str]], settings: RerankingSettings) -> list[int]:
    """Return the places of the list in a pool: ``scores`` best first, and the values by which each is alike with others."""
    length = min(settings.length, len(scores))
    if settings.diversity == "none":
        return list(range(length))
    values = {value: place for place, value in enumerate(dict.fromkeys(value for own in alike for value in own))}
    has = np.zeros((len(scores), max(1, len(values))))
    for place, own in enumerate(alike):
        has[place, [values[value] for value in own]] = 1
    return (_mmr if settings.diversity == "mmr" else _capped)(scores, has, length, settings)


def _mmr(scores: _Floats, has: _Floats, length: int, settings: RerankingSettings) -> list[int]:
    shared, sizes = has @ has.T, has.sum(axis=1)
    together = sizes[:, None] + sizes[None, :] - shared
    likeness = np.divide(shared, together, out=np.zeros_like(shared), where=together > 0)
    best = scores.max()
    gain = settings.score_part * (scores / best if best > 0 else scores)
    nearest, is_left = np.zeros(len(scores)), np.ones(len(scores), dtype=bool)
    found: list[int] = []
    for _ in range(length):
        place = int(np.where(is_left, gain - (1 - settings.score_part) * nearest, -np.inf).argmax())
        found.append(place)
        is_left[place] = False
        nearest = np.maximum(nearest, likeness[place])
    return found


def _capped(scores: _Floats, has: _Floats, length: int, settings: RerankingSettings) -> list[int]:
    counts, found, later = np.zeros(has.shape[1]), list[int](), list[int]()
    for place in range(len(scores)):
        if (counts[has[place] > 0] >= settings.most_alike).any():
            later.append(place)
        elif len(found) < length:
            found.append(place)
            counts += has[place]
    return (found + later)[:length]


def _choose(settings: RerankingSettings) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    media_id, reason = str(schema.MEDIA_ID), str(schema.REASON)

    def choose_batches(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            pools = batch.column(_POOL)
            items, starts = pools.flatten(), np.diff(pools.offsets.to_numpy())
            scores, alike = -items.field(_BEHIND).to_numpy(zero_copy_only=False), items.field(ALIKE).to_pylist()
            places, ranks, people = list[int](), list[int](), list[int]()
            first = 0
            for person, size in enumerate(starts):
                mine = chosen(scores[first : first + size], alike[first : first + size], settings)
                places += [first + place for place in mine]
                ranks += range(1, len(mine) + 1)
                people += [person] * len(mine)
                first += size
            columns = {
                str(schema.USER_ID): pc.take(batch.column(str(schema.USER_ID)), pa.array(people, pa.int64())),
                media_id: pc.take(items.field(media_id), pa.array(places, pa.int64())),
                str(schema.RANK): pa.array(ranks, pa.int32()),
                str(schema.SCORE): pa.array(scores[places], pa.float64()),
                reason: pc.take(items.field(reason), pa.array(places, pa.int64())),
            }
            yield pa.RecordBatch.from_pydict(columns)

    return choose_batches
