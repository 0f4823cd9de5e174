"""ALS by Spark ML: implicit matrix factorisation (Hu, Koren, Volinsky 2008), and explicit of what a bias model leaves."""

from __future__ import annotations

from typing import Any

from pyspark.errors import IllegalArgumentException
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from winnow import schema
from winnow.errors import DataError
from winnow.retrieval.factors import FactorModel, numbered
from winnow.retrieval.ids import number_ids
from winnow.retrieval.interactions import Beside, Interactions
from winnow.retrieval.settings import AlsSettings, RetrievalSettings

_USER, _ITEM, _VALUE = "user", "item", "value"


def fit_als(known: Interactions, settings: RetrievalSettings) -> FactorModel:
    """Fit the factors to the pairs of confidence above 0: the preference is 1, its weight 1 + alpha r.

    The block counts and the seed are pinned, so two fits of the same pairs agree. Raises DataError without any pair.
    """
    own = settings.als
    pairs = known.pairs.where(F.col(schema.CONFIDENCE) > 0).withColumnRenamed(schema.CONFIDENCE, _VALUE)
    lacking = (
        f"retrieval.als: expected pairs of a user and a media with a positive before {known.as_of}, found none. "
        "Prepare examples of earlier days, or name another retrieval.label."
    )
    users, media = factorise(pairs, _VALUE, own, known.beside, lacking, implicitPrefs=True, alpha=own.alpha)
    return FactorModel(users, media, settings.scoring)


def factorise(
    rows: DataFrame,
    value: str,
    settings: AlsSettings,
    beside: Beside,
    lacking: str,
    ids: DataFrame | None = None,
    **how: Any,
) -> tuple[DataFrame, DataFrame]:
    """Return the factors of the users (user_id, factors) and of the media (media_id, factors) of a sparse matrix.

    ``rows``: user_id, media_id and ``value``, one row a pair. ``ids``: rows of the same ids that are cheaper to read. ``how``: more parameters of Spark's ALS. Raises DataError, saying
    ``lacking``, without any row.
    """
    from pyspark.ml.recommendation import ALS  # not everywhere where the rest of retrieval runs

    told = rows if ids is None else ids
    users = number_ids(told, schema.USER_ID, beside.user_ids)
    media = number_ids(told, schema.MEDIA_ID, beside.media_ids)
    cells = (
        rows.join(users.withColumnRenamed(schema.ID_NUMBER, _USER), schema.USER_ID, how="inner")
        .join(media.withColumnRenamed(schema.ID_NUMBER, _ITEM), schema.MEDIA_ID, how="inner")
        .select(_USER, _ITEM, F.col(value).cast("float").alias(_VALUE))
    )
    als = ALS(
        rank=settings.rank,
        maxIter=settings.iterations,
        regParam=settings.regularisation,
        numUserBlocks=settings.user_blocks,
        numItemBlocks=settings.item_blocks,
        seed=settings.seed,
        checkpointInterval=-1,
        userCol=_USER,
        itemCol=_ITEM,
        ratingCol=_VALUE,
        **how,
    )
    try:
        fitted = als.fit(cells)
    except IllegalArgumentException as fault:
        if "No ratings" not in str(fault):
            raise
        raise DataError(lacking) from fault
    return (
        numbered(fitted.userFactors, users, number="id", vector="features"),
        numbered(fitted.itemFactors, media, number="id", vector="features"),
    )
