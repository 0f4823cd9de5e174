"""The sources of candidates by name, and all of them fitted and asked at once."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from functools import reduce
from typing import Protocol

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from winnow import schema
from winnow.retrieval.als import fit_als
from winnow.retrieval.interactions import Interactions, interactions
from winnow.retrieval.popularity import fit_popularity
from winnow.retrieval.settings import RetrievalSettings


class Model(Protocol):
    """What a source has learnt."""

    def recommend(self, users: DataFrame, n: int, seen: DataFrame | None = None) -> DataFrame:
        """Return user_id, media_id, rank, score, reason: ``n`` rows a user at most, without what is in ``seen``."""


#: How each source learns. A further source is a line here and a name in ``settings.SOURCES``.
LEARNERS: Mapping[str, Callable[[Interactions, RetrievalSettings], Model]] = {
    "popularity": fit_popularity,
    "als": fit_als,
}


def fit_and_recommend(
    examples: DataFrame, as_of: dt.date, settings: RetrievalSettings, users: DataFrame, n: int | None = None
) -> DataFrame:
    """Fit each source to what was known before ``as_of`` and return its lists; nothing is stored.

    ``examples``: rows of one label, as ``pipeline.training_view(settings.label)`` gives them; later rows are left out here.
    ``users``: rows with user_id; ``n``: length of a list, by default ``settings.candidates``.

    Rows out: source, user_id, media_id, rank (from 1), score (larger is better, comparable within one source only), reason.
    A user without a positive before has rows of popularity only. Raises DataError where als has nothing to learn from.
    """
    known = interactions(examples, as_of, settings)
    lists = [
        recommend(name, known, settings, users, n).select(F.lit(name).alias(schema.CANDIDATE_SOURCE), "*")
        for name in settings.sources
    ]
    return reduce(DataFrame.unionByName, lists)


def recommend(
    source: str, known: Interactions, settings: RetrievalSettings, users: DataFrame, n: int | None = None
) -> DataFrame:
    """Fit one source to what is known and return its lists: user_id, media_id, rank, score, reason."""
    seen = known.pairs.select(schema.USER_ID, schema.MEDIA_ID) if settings.skip_seen else None
    return LEARNERS[source](known, settings).recommend(users, settings.candidates if n is None else n, seen)
