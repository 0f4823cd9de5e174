"""The largest inner products of a block of users, as whole-array work: faiss where it is there, else numpy.

What is found in single precision is scored again in double, sorted by score and then by place, and proved: what was not
fetched scores at most as much as the least that was. Where that proof fails (ties across the border, users who have seen
nearly all that is good) a user is searched whole. So a list does not depend on the block, the threads or the library.
"""

from __future__ import annotations

import functools
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from winnow.errors import SettingsError
from winnow.retrieval.settings import ScoringSettings

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]

#: Fetched beyond what is needed, so that what ties at the border is seen.
_SPARE = 16
#: Most of a user's seen media that are fetched and masked; a user with more is searched whole.
_MOST_MASKED = 256
#: Scores that are held at a time.
_AT_ONCE = 1 << 24
#: How far single precision may be off, as a share of the largest product of norms.
_SLACK = 1e-5


class Found(NamedTuple):
    """Lists of several users, one after the other, the best first."""

    rows: Places
    places: Places
    scores: Doubles


class Seen(NamedTuple):
    """Pairs of a user's row and the place of a media that is left out, sorted by row and place, each once."""

    rows: Places
    places: Places

    @classmethod
    def of(cls, rows: Places, places: Places, items: int) -> Seen:
        """Sort the pairs, and drop those of media that are not in the catalogue (place below 0)."""
        known = places >= 0
        keys = np.unique(rows[known] * items + places[known])
        return cls(keys // items, keys % items)


@functools.cache
def faiss_or_none() -> ModuleType | None:
    """Return faiss where the extra ``ann`` is installed, set to one thread: a task has one core."""
    try:
        import faiss
    except ImportError:
        return None
    faiss.omp_set_num_threads(1)
    module: ModuleType = faiss
    return module


def flat_index(items: Floats) -> Any:
    """Return faiss's index of all items, which looks at each; None without faiss."""
    faiss = faiss_or_none()
    if faiss is None:
        return None
    index = faiss.IndexFlatIP(items.shape[1])
    index.add(items)
    return index


def stored_index(items: Floats, settings: ScoringSettings) -> bytes | None:
    """Return the bytes of the index that the settings ask for, None where every item is looked at.

    hnsw: the graph of Malkov and Yashunin, TPAMI 2020. Raises SettingsError without faiss.
    """
    if settings.index == "exact":
        return None
    faiss = faiss_or_none()
    if faiss is None:
        raise SettingsError(
            'retrieval.scoring.index: "hnsw" takes faiss. Install winnow[ann] where tasks run, or take index = "exact".'
        )
    index = faiss.IndexHNSWFlat(items.shape[1], settings.links, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction, index.hnsw.efSearch = settings.explored_to_build, settings.explored
    index.add(items)
    packed: bytes = faiss.serialize_index(index).tobytes()
    return packed


def load_index(packed: bytes) -> Any:
    """Return the index that ``stored_index`` made."""
    faiss = faiss_or_none()
    if faiss is None:
        raise SettingsError("retrieval.scoring.index: a stored index takes faiss. Install winnow[ann] where tasks run.")
    return faiss.deserialize_index(np.frombuffer(packed, np.uint8))


def search(people: Floats, items: Floats, n: int, seen: Seen, index: Any = None, *, is_exact: bool = True) -> Found:
    """Return the ``n`` items of largest inner product for each row of ``people``, without what is in ``seen``.

    ``index``: faiss's index of the items, None = numpy; ``is_exact``: whether the index looks at every item. Ties go to the
    earlier place. A score that is not finite is in no list.
    """
    counts = np.bincount(seen.rows, minlength=len(people))
    fetched = min(len(items), n + _SPARE + min(_MOST_MASKED, int(counts.max(initial=0))))
    parts, unproved = [], []
    step = max(1, _AT_ONCE // max(fetched * items.shape[1], len(items) if index is None else 1))
    slack = _SLACK * float(np.sqrt((items.astype(np.float64) ** 2).sum(axis=1).max(initial=0.0)))
    for start in range(0, len(people), step):
        mine = people[start : start + step]
        least, places = _fetch(mine, items, fetched, index)
        scores = _scores(mine, items, places)
        scores[places < 0] = -np.inf
        scores[_is_seen(places, start, seen, len(items))] = -np.inf
        order = np.lexsort((places, -scores), axis=1)[:, :n]
        best = np.take_along_axis(scores, order, axis=1)
        norms = np.sqrt((mine.astype(np.float64) ** 2).sum(axis=1))
        last = best[:, -1] if best.shape[1] == min(n, len(items)) else np.full(len(mine), -np.inf)
        is_proved = (last > least + slack * norms) | (fetched == len(items))
        if not is_exact:  # what an approximate index has not found is not looked for, unless a list would be short
            is_proved = np.isfinite(last) | (fetched == len(items))
        unproved.append(np.flatnonzero(~is_proved) + start)
        is_kept = np.isfinite(best) & is_proved[:, None]
        rows = np.repeat(np.arange(start, start + len(mine)), is_kept.sum(axis=1))
        parts.append(Found(rows, np.take_along_axis(places, order, axis=1)[is_kept], best[is_kept]))
    parts += [_search_whole(people, items, n, seen, row) for row in np.concatenate([*unproved, np.empty(0, np.int64)])]
    rows = np.concatenate([part.rows for part in parts])
    by_row = np.argsort(rows, kind="stable")
    places, scores = (np.concatenate([part[field] for part in parts])[by_row] for field in (1, 2))
    return Found(rows[by_row], places, scores)


def top(scores: Doubles, n: int) -> Places:
    """Return the places of the ``n`` largest finite scores, the largest first, the earlier place first among equals."""
    places = np.flatnonzero(np.isfinite(scores))
    if len(places) > n:
        least = np.partition(scores[places], len(places) - n)[len(places) - n]
        places = places[scores[places] >= least]
    best_first: Places = places[np.argsort(-scores[places], kind="stable")][:n]
    return best_first


def _fetch(people: Floats, items: Floats, count: int, index: Any) -> tuple[Doubles, Places]:
    """Return the least score fetched of each user, in single precision, and the places of the ``count`` best."""
    if index is not None:
        scores, places = index.search(np.ascontiguousarray(people), count)
        return scores[:, -1].astype(np.float64), places
    scores = people @ items.T
    if count < len(items):
        places = np.argpartition(scores, len(items) - count, axis=1)[:, len(items) - count :]
    else:
        places = np.broadcast_to(np.arange(len(items)), scores.shape)
    return np.take_along_axis(scores, places, axis=1).min(axis=1).astype(np.float64), places.astype(np.int64)


def _scores(people: Floats, items: Floats, places: Places) -> Doubles:
    """Return the inner products with the items at the places, in double precision."""
    products: Doubles = np.einsum("ur,ukr->uk", people.astype(np.float64), items[places].astype(np.float64))
    return products


def _is_seen(places: Places, start: int, seen: Seen, items: int) -> npt.NDArray[np.bool_]:
    """Return which of the places, of the users from ``start`` on, the user has seen."""
    keys = seen.rows * items + seen.places
    if not len(keys):
        return np.zeros(places.shape, dtype=bool)
    wanted = places + (np.arange(len(places))[:, None] + start) * items
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    is_seen: npt.NDArray[np.bool_] = keys[at] == wanted
    return is_seen


def _search_whole(people: Floats, items: Floats, n: int, seen: Seen, row: int) -> Found:
    """Return one user's list, all items scored in double precision."""
    scores = _scores(people[row : row + 1], items, np.arange(len(items))[None, :])[0]
    scores[seen.places[np.searchsorted(seen.rows, row) : np.searchsorted(seen.rows, row, side="right")]] = -np.inf
    places = top(scores, n)
    return Found(np.full(len(places), row), places, scores[places])
