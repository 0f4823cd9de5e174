"""Popularity: the media that most users engaged with in the days before; what cold users get."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from winnow import schema
from winnow.retrieval.interactions import Interactions
from winnow.retrieval.scoring import best
from winnow.retrieval.settings import RetrievalSettings


@dataclass(frozen=True)
class PopularityModel:
    """How many users engaged with each media."""

    #: media_id, factors: the number of users, as a vector of one.
    media: DataFrame

    def recommend(self, users: DataFrame, n: int, seen: DataFrame | None = None) -> DataFrame:
        """Return user_id, media_id, rank, score (users who engaged with it), reason for every user asked for."""
        everyone = users.select(schema.USER_ID).distinct().withColumn(schema.FACTORS, F.array(F.lit(1.0)))
        return best(everyone, self.media, n, seen).withColumn(schema.REASON, F.lit("popular now"))


def fit_popularity(known: Interactions, settings: RetrievalSettings) -> PopularityModel:
    """Count the users of each media in the window before the as-of day; a user counts once a media."""
    start = known.as_of - dt.timedelta(days=settings.popularity.window_days)
    recent = known.positives.where(F.col(schema.EVENT_DATE) >= F.lit(start))
    counted = recent.groupBy(schema.MEDIA_ID).agg(F.count_distinct(schema.USER_ID).cast("double").alias(schema.SCORE))
    return PopularityModel(counted.select(schema.MEDIA_ID, F.array(schema.SCORE).alias(schema.FACTORS)))
