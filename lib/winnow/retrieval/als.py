"""ALS: implicit matrix factorisation (Hu, Koren, Volinsky 2008), by Spark ML."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.errors import IllegalArgumentException
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from winnow import schema
from winnow.errors import DataError
from winnow.retrieval.ids import number_ids
from winnow.retrieval.interactions import Interactions
from winnow.retrieval.scoring import best
from winnow.retrieval.settings import RetrievalSettings


@dataclass(frozen=True)
class AlsModel:
    """Factors of users and of media."""

    #: user_id, factors.
    users: DataFrame
    #: media_id, factors.
    media: DataFrame

    def recommend(self, users: DataFrame, n: int, seen: DataFrame | None = None) -> DataFrame:
        """Return user_id, media_id, rank, score (inner product), reason; users that the fit did not know have no row."""
        wanted = self.users.join(users.select(schema.USER_ID).distinct(), schema.USER_ID, how="left_semi")
        return best(wanted, self.media, n, seen).withColumn(schema.REASON, F.lit(None).cast("string"))


def fit_als(known: Interactions, settings: RetrievalSettings) -> AlsModel:
    """Fit the factors to the pairs of confidence above 0: the preference is 1, its weight 1 + alpha r.

    The block counts and the seed are pinned, so two fits of the same pairs agree. Raises DataError without any pair.
    """
    from pyspark.ml.recommendation import ALS  # not everywhere where the rest of retrieval runs

    own = settings.als
    pairs = known.pairs.where(F.col(schema.CONFIDENCE) > 0)
    user_numbers, media_numbers = number_ids(pairs, schema.USER_ID), number_ids(pairs, schema.MEDIA_ID)
    user, item = "user", "item"
    ratings = (
        pairs.join(user_numbers.withColumnRenamed(schema.ID_NUMBER, user), schema.USER_ID, how="inner")
        .join(media_numbers.withColumnRenamed(schema.ID_NUMBER, item), schema.MEDIA_ID, how="inner")
        .select(user, item, schema.CONFIDENCE)
    )
    als = ALS(
        rank=own.rank,
        maxIter=own.iterations,
        regParam=own.regularisation,
        alpha=own.alpha,
        numUserBlocks=own.user_blocks,
        numItemBlocks=own.item_blocks,
        seed=own.seed,
        implicitPrefs=True,
        checkpointInterval=-1,
        userCol=user,
        itemCol=item,
        ratingCol=schema.CONFIDENCE,
    )
    try:
        fitted = als.fit(ratings)
    except IllegalArgumentException as fault:
        if "No ratings" not in str(fault):
            raise
        raise DataError(
            f"retrieval.als: expected pairs of a user and a media with a positive before {known.as_of}, found none. "
            "Prepare examples of earlier days, or name another retrieval.label."
        ) from fault
    return AlsModel(_named(fitted.userFactors, user_numbers), _named(fitted.itemFactors, media_numbers))


def _named(factors: DataFrame, numbers: DataFrame) -> DataFrame:
    """Return the factors under the ids that their numbers stand for."""
    renamed = factors.withColumnsRenamed({"id": schema.ID_NUMBER, "features": schema.FACTORS})
    return numbers.join(renamed, schema.ID_NUMBER, how="inner").drop(schema.ID_NUMBER)
