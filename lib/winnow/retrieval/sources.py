"""The sources of candidates by name: how each learns, and how it is asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

from pyspark.sql import DataFrame

from winnow.retrieval.als import fit_als
from winnow.retrieval.content import ContentModel, fit_content
from winnow.retrieval.explicit import fit_explicit
from winnow.retrieval.factors import FactorModel
from winnow.retrieval.interactions import Asked, Interactions
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
