"""Lists of what is known of a user as of the day, for models that embed ids and words: media engaged with, terms searched."""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

from winnow.features.kinds import Known, ListFeature
from winnow.features.settings import MEDIA_ASPECT, TERM_ASPECT, FeatureSettings
from winnow.features.windows import ENGAGED, memory


def declared_lists(settings: FeatureSettings) -> tuple[ListFeature, ...]:
    """Return every list that the settings ask for, in the order of the columns."""
    made = [
        ListFeature(
            "user_terms",
            "user",
            "terms that the user searched for, in lower case, the most searched first",
            lambda known: _first(settings, F.map_keys(known.user(memory(TERM_ASPECT)))),
            settings.memory_days,
        )
    ]
    if MEDIA_ASPECT in settings.crosses:
        made.append(
            ListFeature(
                "user_media",
                "user",
                "media that the user engaged with, as text, those of most engagement first",
                lambda known: _first(settings, _engaged_with(known)),
                settings.memory_days,
            )
        )
    return tuple(made)


def _first(settings: FeatureSettings, values: Column) -> Column:
    return F.slice(values, 1, settings.most_listed)


def _engaged_with(known: Known) -> Column:
    remembered = known.user(memory(MEDIA_ASPECT))
    return F.filter(F.map_keys(remembered), lambda one: F.try_element_at(remembered, one)[ENGAGED] > 0)
