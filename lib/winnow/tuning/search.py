"""Searches: what to try next, given the trials so far. All of them say the same after a restart as without one."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Iterator, Mapping, Sequence

from winnow.tuning.sequential import propose
from winnow.tuning.settings import Dimension, TuningSettings, Value
from winnow.tuning.trials import Trial, Tried, as_plain

#: Draws in a row that were all tried before: the space has then as good as nothing new.
_MOST_REPEATS = 200


def proposals(settings: TuningSettings, history: Sequence[Trial], n: int) -> list[Tried]:
    """Return up to ``n`` points that no trial of the history tried, fewer where the space has no more.

    ``history``: all trials so far, in the order of their places. The answer depends on it and the settings alone.
    """
    known = {_name(trial.tried) for trial in history}
    found: list[Tried] = []
    for tried in _candidates(settings, history):
        if len(found) == n:
            break
        if _name(tried) not in known:
            known.add(_name(tried))
            found.append(tried)
    return found


def grid(space: Mapping[str, Dimension]) -> Iterator[Tried]:
    """Yield every point of the grid: all choices, and ``steps`` points of each range with both its ends."""
    points = [_points(dimension) for dimension in space.values()]
    for values in itertools.product(*points):
        yield dict(zip(space, values, strict=True))


def _candidates(settings: TuningSettings, history: Sequence[Trial]) -> Iterator[Tried]:
    """Yield points in the order in which they should be tried; some may have been."""
    if settings.search == "grid":
        yield from grid(settings.dimensions)
        return
    drawn = _drawn(settings, len(history))
    if settings.search == "sequential" and len(history) >= settings.startup:
        yield from propose(settings, history)
    yield from drawn


def _drawn(settings: TuningSettings, place: int) -> Iterator[Tried]:
    """Yield points at random; what is drawn for a place is the same whatever was drawn before it.

    The first ``startup`` points are a Latin hypercube (McKay, Beckman, Conover, Technometrics 1979): each setting is cut
    into so many strips, and each strip is drawn from once.
    """
    space = settings.dimensions
    for at in range(place, settings.startup):
        yield {
            key: one.at((_strip(settings, key, at) + _share(settings, key, at, 0)) / settings.startup)
            for key, one in space.items()
        }
    for attempt in range(_MOST_REPEATS):
        yield {key: dimension.at(_share(settings, key, place, attempt + 1)) for key, dimension in space.items()}


def _strip(settings: TuningSettings, key: str, at: int) -> int:
    strips = list(range(settings.startup))
    random.Random(f"{settings.seed} {key}").shuffle(strips)
    return strips[at]


def _share(settings: TuningSettings, key: str, place: int, attempt: int) -> float:
    # A string seeds by its digest: neighbouring places are as independent as any.
    return random.Random(f"{settings.seed} {key} {place} {attempt}").random()


def _points(dimension: Dimension) -> Sequence[Value]:
    if dimension.choices:
        return dimension.choices
    return list(dict.fromkeys(dimension.at(place / (dimension.steps - 1)) for place in range(dimension.steps)))


def _name(tried: Tried) -> str:
    return json.dumps(as_plain(tried), sort_keys=True)
