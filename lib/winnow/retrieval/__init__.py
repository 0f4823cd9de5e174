"""Retrieval: from what users engaged with to lists of candidates, one a source, and merged."""

from __future__ import annotations

from winnow.retrieval.interactions import Asked, Beside, Interactions, interactions
from winnow.retrieval.merging import MERGED, merge
from winnow.retrieval.popularity import POPULAR_NOW
from winnow.retrieval.settings import (
    AlsSettings,
    ContentSettings,
    ItemItemSettings,
    MergingSettings,
    PopularitySettings,
    RatingsSettings,
    RetrievalSettings,
    ScoringSettings,
    SvdSettings,
)
from winnow.retrieval.sources import LEARNERS, Learner, Model
from winnow.retrieval.tower_settings import TwoTowerSettings

__all__ = [
    "LEARNERS",
    "MERGED",
    "POPULAR_NOW",
    "AlsSettings",
    "Asked",
    "Beside",
    "ContentSettings",
    "Interactions",
    "ItemItemSettings",
    "Learner",
    "MergingSettings",
    "Model",
    "PopularitySettings",
    "RatingsSettings",
    "RetrievalSettings",
    "ScoringSettings",
    "SvdSettings",
    "TwoTowerSettings",
    "interactions",
    "merge",
]
