"""The sources of candidates by name, and all of them fitted and asked at once."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any, NamedTuple, Protocol

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from winnow import schema
from winnow.retrieval.als import fit_als
from winnow.retrieval.content import ContentModel, fit_content
from winnow.retrieval.explicit import fit_explicit
from winnow.retrieval.factors import FactorModel
from winnow.retrieval.interactions import NOTHING, Asked, Beside, Interactions, interactions
from winnow.retrieval.item_item import ItemItemModel, fit_item_item
from winnow.retrieval.popularity import PopularityModel, fit_popularity
from winnow.retrieval.settings import RetrievalSettings
from winnow.retrieval.svd import fit_svd
from winnow.retrieval.two_tower import TwoTowerModel, fit_two_tower


class Model(Protocol):
    """What a source has learnt."""

    def recommend(self, asked: Asked) -> DataFrame:
        """Return user_id, media_id, rank, score, reason: ``asked.n`` rows a user at most, without what was seen."""

    def parts(self) -> Mapping[str, DataFrame | bytes]:
        """Return the tables and files (those have an ending) that the model is, by name: it is loaded from them again."""


class Learner(NamedTuple):
    """How a source learns, and how what it has learnt is made of its stored parts again."""

    fit: Callable[[Interactions, RetrievalSettings], Model]
    load: Callable[[Mapping[str, Any], RetrievalSettings], Model]


#: A further source is a line here and a name in ``settings.SOURCES``.
LEARNERS: Mapping[str, Learner] = {
    "popularity": Learner(fit_popularity, PopularityModel.load),
    "als": Learner(fit_als, FactorModel.load),
    "item_item": Learner(fit_item_item, ItemItemModel.load),
    "content": Learner(fit_content, ContentModel.load),
    "svd": Learner(fit_svd, FactorModel.load),
    "als_explicit": Learner(fit_explicit, FactorModel.load),
    "two_tower": Learner(fit_two_tower, TwoTowerModel.load),
}


def fit_and_recommend(
    examples: DataFrame,
    as_of: dt.date,
    settings: RetrievalSettings,
    users: DataFrame,
    n: int | None = None,
    beside: Beside = NOTHING,
) -> DataFrame:
    """Fit each source to what was known before ``as_of`` and return its lists; nothing is stored: for searches and notebooks.

    ``examples``: rows of one label, as ``pipeline.training_view(settings.label)`` gives them; later rows are left out here.
    ``users``: rows with user_id; ``n``: length of a list, by default ``settings.candidates``; ``beside``: catalogue and more.

    Rows out: source, user_id, media_id, rank (from 1), score (larger is better, comparable within one source only), reason.
    A user without a positive before has rows of popularity only. Raises DataError where als has nothing to learn from.
    """
    known = interactions(examples, as_of, settings, beside)
    asked = Asked(
        users.select(schema.USER_ID).distinct(), settings.candidates if n is None else n, known, settings.skip_seen
    )
    return lists_of({name: LEARNERS[name].fit(known, settings) for name in settings.sources}, asked)


def lists_of(models: Mapping[str, Model], asked: Asked) -> DataFrame:
    """Return the lists of the models, each under the name of its source."""
    lists = [
        model.recommend(asked).select(F.lit(name).alias(schema.CANDIDATE_SOURCE), "*") for name, model in models.items()
    ]
    return reduce(DataFrame.unionByName, lists)
