"""Rows with the columns that rankers learn from: features as of each row's day, where the settings ask for any."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from pyspark.sql import DataFrame

from winnow import features, schema
from winnow.config import Settings
from winnow.features import Vectors
from winnow.publishing.models import stored_before
from winnow.publishing.profiles import clock_of, read_profiles, tell_missing
from winnow.ranking import LEARNERS
from winnow.retrieval.factors import FactorModel
from winnow.run import Run


def ranked_by(settings: Settings) -> list[str]:
    """Return the columns that rankers learn from: those that the settings name, or else every feature of numbers."""
    return list(settings.ranking.columns) or features.columns(settings.features)


def reads_features(settings: Settings) -> bool:
    """Return whether rankers learn from any feature, or embed any list of them."""
    ranking = settings.ranking
    asked = {*ranked_by(settings), *LEARNERS[ranking.model].reads(ranking)}
    return bool(asked & features.names(settings.features))


def with_features(run: Run, rows: DataFrame, days: Sequence[dt.date]) -> DataFrame:
    """Return the rows with every declared feature as of their day; as they are where no feature is asked for.

    ``rows``: user_id, media_id, and as_of_date, or else event_date and impression_ts, by which the day is told; ``days``:
    the days that they are of. Raises InputNotReadyError where the tiles that features are made of are not there, or no model
    whose vectors are asked for knows as little as the first of the days does.
    """
    if not reads_features(run.settings):
        return rows
    if schema.AS_OF_DATE not in rows.columns:
        rows = rows.transform(features.as_of_day(clock_of(run)))
        days = [min(days) - dt.timedelta(days=1), *days]  # what was shown before midnight and logged after it
    profiles = read_profiles(run, days, _vectors(run, min(days)))
    tell_missing(run, rows, profiles)
    return rows.transform(features.featured(profiles, run.settings.features))


def _vectors(run: Run, first: dt.date) -> Vectors | None:
    """Return the vectors that ``features.vectors`` asks for, of a model that knows nothing from the first day on."""
    source = run.settings.features.vectors
    if source is None:
        return None
    model, known_before = stored_before(run, source, first)
    assert isinstance(model, FactorModel)
    run.say(f"features: vectors of {source}, fitted to what was before {known_before}")
    return Vectors(model.users, model.media, known_before)
