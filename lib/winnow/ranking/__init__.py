"""Ranking: from rows with features to the probability of each label, by one of several learners."""

from __future__ import annotations

from winnow.ranking.learners import LEARNERS, Learner, Model
from winnow.ranking.ranker import Ranker
from winnow.ranking.settings import RankingSettings
from winnow.ranking.survey import Survey, read_survey, survey
from winnow.ranking.vectors import FEATURES, NUMBERS, Vector, frequent_levels, kinds, read_levels, vectorise

__all__ = [
    "FEATURES",
    "LEARNERS",
    "NUMBERS",
    "Learner",
    "Model",
    "Ranker",
    "RankingSettings",
    "Survey",
    "Vector",
    "frequent_levels",
    "kinds",
    "read_levels",
    "read_survey",
    "survey",
    "vectorise",
]
