"""Models that are a vector a user and a vector a media, whose inner product is the score: ALS and SVD alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from winnow import schema
from winnow.contracts import Step
from winnow.retrieval.interactions import Asked
from winnow.retrieval.scoring import best
from winnow.retrieval.settings import RetrievalSettings, ScoringSettings

#: Helper columns: vectors side by side.
_OF_USER, _OF_MEDIA = "of_user", "of_media"


@dataclass(frozen=True)
class FactorModel:
    """Factors of users and of media."""

    #: user_id, factors.
    users: DataFrame
    #: media_id, factors.
    media: DataFrame
    scoring: ScoringSettings

    @classmethod
    def load(cls, parts: Mapping[str, DataFrame], settings: RetrievalSettings) -> FactorModel:
        """Return the model that ``parts`` are of."""
        return cls(parts["users"], parts["media"], settings.scoring)

    def parts(self) -> Mapping[str, DataFrame]:
        """Return what is stored of the model, by name."""
        return {"users": self.users, "media": self.media}

    def recommend(self, asked: Asked) -> DataFrame:
        """Return user_id, media_id, rank, score (inner product), reason; users that the fit did not know have no row."""
        wanted = self.users.join(asked.users.select(schema.USER_ID), schema.USER_ID, how="left_semi")
        found = best(wanted, self.media, asked.n, asked.seen, self.scoring)
        return found.withColumn(schema.REASON, F.lit(None).cast("string"))

    def predict(self, column: str) -> Step:
        """Return the step that adds the score of each row's user and media as ``column``; null where either is not known."""

        def step(rows: DataFrame) -> DataFrame:
            product = F.zip_with(_OF_USER, _OF_MEDIA, lambda one, other: one.cast("double") * other)
            score = F.aggregate(product, F.lit(0.0), lambda total, value: total + value)
            return (
                rows.join(self.users.withColumnRenamed(schema.FACTORS, _OF_USER), schema.USER_ID, how="left")
                .join(self.media.withColumnRenamed(schema.FACTORS, _OF_MEDIA), schema.MEDIA_ID, how="left")
                .withColumn(column, score)
                .drop(_OF_USER, _OF_MEDIA)
            )

        return step


def numbered(factors: DataFrame, numbers: DataFrame, *, number: str, vector: str) -> DataFrame:
    """Return the factors under the ids that their numbers stand for: id, factors."""
    renamed = factors.select(F.col(number).alias(schema.ID_NUMBER), F.col(vector).alias(schema.FACTORS))
    return numbers.join(renamed, schema.ID_NUMBER, how="inner").drop(schema.ID_NUMBER)
