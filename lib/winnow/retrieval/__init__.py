"""Retrieval: from what users engaged with to lists of candidates, one a source."""

from __future__ import annotations

from winnow.retrieval.interactions import Interactions, interactions
from winnow.retrieval.settings import AlsSettings, PopularitySettings, RetrievalSettings
from winnow.retrieval.sources import LEARNERS, Model, fit_and_recommend, recommend

__all__ = [
    "LEARNERS",
    "AlsSettings",
    "Interactions",
    "Model",
    "PopularitySettings",
    "RetrievalSettings",
    "fit_and_recommend",
    "interactions",
    "recommend",
]
