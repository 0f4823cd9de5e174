"""Features as of a day: what is known of the user, the media and the context of a row before it happened.

Impressions are summed to daily tiles; tiles before a day are its profiles; profiles give rows a column for each declared
feature. Read ``featured.py`` first.
"""

from __future__ import annotations

from winnow.features.featured import (
    DEFAULTED,
    as_of_day,
    categories,
    columns,
    declared,
    featured,
    names,
    took_default,
    without_source,
)
from winnow.features.kinds import Feature, ListFeature
from winnow.features.lists import declared_lists
from winnow.features.profiles import Profiles, Tiles, Vectors, check_known, profiles
from winnow.features.settings import Clock, FeatureSettings

__all__ = [
    "DEFAULTED",
    "Clock",
    "Feature",
    "FeatureSettings",
    "ListFeature",
    "Profiles",
    "Tiles",
    "Vectors",
    "as_of_day",
    "categories",
    "check_known",
    "columns",
    "declared",
    "declared_lists",
    "featured",
    "names",
    "profiles",
    "took_default",
    "without_source",
]
