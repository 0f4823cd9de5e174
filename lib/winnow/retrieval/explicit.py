"""What users say: a bias model of ratings, and factors (ALS or SVD) of what it leaves."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from winnow import schema
from winnow.contracts import Step
from winnow.errors import InputNotReadyError
from winnow.retrieval.als import factorise
from winnow.retrieval.factors import FactorModel
from winnow.retrieval.interactions import Interactions
from winnow.retrieval.settings import RetrievalSettings
from winnow.retrieval.svd import decompose

_MEAN, _OF_USER, _OF_MEDIA, _LEFT = "mean_rating", "bias_of_user", "bias_of_media", "residual"
_TOLD = "told"


@dataclass(frozen=True)
class BiasModel:
    """The mean of all ratings, and by how much a user and a media lie above it."""

    #: One row: mean_rating.
    mean: DataFrame
    #: user_id, bias_of_user.
    users: DataFrame
    #: media_id, bias_of_media.
    media: DataFrame

    def predict(self, column: str) -> Step:
        """Return the step that adds mean + b_u + b_i as ``column``; the bias of whoever has no rating is 0."""

        def step(rows: DataFrame) -> DataFrame:
            both = F.coalesce(_OF_USER, F.lit(0.0)) + F.coalesce(_OF_MEDIA, F.lit(0.0))
            return (
                rows.crossJoin(F.broadcast(self.mean))
                .join(self.users, schema.USER_ID, how="left")
                .join(self.media, schema.MEDIA_ID, how="left")
                .withColumn(column, F.col(_MEAN) + both)
                .drop(_MEAN, _OF_USER, _OF_MEDIA)
            )

        return step

    def lift(self, users: DataFrame, media: DataFrame) -> tuple[DataFrame, DataFrame]:
        """Return factors whose products are those of the given ones and the biases: [u, mean + b_u, 1] . [v, 1, b_i]."""
        one = F.lit(1.0).cast("float")
        base = (F.col(_MEAN) + F.col(_OF_USER)).cast("float")
        of_user = F.concat(F.col(schema.FACTORS), F.array(base, one))
        of_media = F.concat(F.col(schema.FACTORS), F.array(one, F.col(_OF_MEDIA).cast("float")))
        return (
            users.join(self.users, schema.USER_ID, how="inner")
            .crossJoin(F.broadcast(self.mean))
            .select(schema.USER_ID, of_user.alias(schema.FACTORS)),
            media.join(self.media, schema.MEDIA_ID, how="inner").select(
                schema.MEDIA_ID, of_media.alias(schema.FACTORS)
            ),
        )


def fit_bias(ratings: DataFrame, settings: RetrievalSettings) -> BiasModel:
    """Estimate the biases one after the other, each drawn towards 0.

    b_i = sum of (r - mean) / (lambda_i + n_i), then b_u = sum of (r - mean - b_i) / (lambda_u + n_u) (Koren, TKDD 2010,
    section 2.1). ``ratings``: user_id, media_id, rating, one row a pair. Summed in millionths.
    """
    own = settings.ratings
    mean = ratings.agg((_sum(F.col(schema.RATING)) / F.count(schema.RATING)).alias(_MEAN))
    centred = ratings.crossJoin(F.broadcast(mean)).withColumn(_LEFT, F.col(schema.RATING) - F.col(_MEAN))
    count = F.count(F.lit(1))
    media = centred.groupBy(schema.MEDIA_ID).agg((_sum(F.col(_LEFT)) / (own.media_shrinkage + count)).alias(_OF_MEDIA))
    left = centred.join(media, schema.MEDIA_ID, how="inner").withColumn(_LEFT, F.col(_LEFT) - F.col(_OF_MEDIA))
    users = left.groupBy(schema.USER_ID).agg((_sum(F.col(_LEFT)) / (own.user_shrinkage + count)).alias(_OF_USER))
    return BiasModel(mean, users, media)


def fit_explicit(
    known: Interactions, settings: RetrievalSettings, *, by: str = "als", ratings: DataFrame | None = None
) -> FactorModel:
    """Fit biases to the ratings before the as-of day, factors to what they leave, ``by`` als or svd, and the biases again.

    A first bias holds some of what the factors tell, by the luck of which media a user rated: it is fitted anew to what the
    factors leave (a step of backfitting; Breiman and Friedman, JASA 1985). ``ratings``: in place of the known ones.

    Raises InputNotReadyError without a table of ratings, DataError by als without a rating.
    """
    rows = known_ratings(known) if ratings is None else ratings
    first = rows.transform(_less(fit_bias(rows, settings).predict(_TOLD)))
    users, media = _factors(known, first, rows, settings, by)
    rest = rows.transform(_less(FactorModel(users, media, settings.scoring).predict(_TOLD)))
    users, media = fit_bias(rest, settings).lift(users, media)
    return FactorModel(users, media, settings.scoring)


def _factors(
    known: Interactions, left: DataFrame, rows: DataFrame, settings: RetrievalSettings, by: str
) -> tuple[DataFrame, DataFrame]:
    """Return the factors of users and of media of what is left of the ratings of ``rows``."""
    own = settings.ratings
    if by == "svd":
        like = replace(settings.svd, rank=own.rank, iterations=own.iterations)
        return decompose(left, schema.RATING, like, known.beside, own.regularisation, ids=rows)
    lacking = (
        f"retrieval.als_explicit: expected ratings before {known.as_of}, found none. Bring them in by import_ratings, or "
        "leave als_explicit out of retrieval.sources."
    )
    how = replace(settings.als, rank=own.rank, iterations=own.iterations, regularisation=own.regularisation)
    return factorise(left, schema.RATING, how, known.beside, lacking, ids=rows, implicitPrefs=False)


def _less(predict: Step) -> Step:
    """Return the step that takes from each rating what is predicted of it: user_id, media_id, rating."""

    def step(rows: DataFrame) -> DataFrame:
        rest = (F.col(schema.RATING) - F.col(_TOLD)).alias(schema.RATING)
        return rows.transform(predict).select(schema.USER_ID, schema.MEDIA_ID, rest)

    return step


def known_ratings(known: Interactions) -> DataFrame:
    """Return the ratings before the as-of day (midnight UTC).

    Raises InputNotReadyError where there is no table of them.
    """
    rows = known.beside.ratings
    if rows is None:
        raise InputNotReadyError(
            "retrieval.als_explicit: expected the table ratings, found none. Bring them in by import_ratings, or leave "
            "als_explicit out of retrieval.sources."
        )
    midnight_s = F.unix_date(F.lit(known.as_of)).cast("bigint") * 86_400
    return rows.where(F.coalesce(F.unix_seconds(schema.RATED_TS) < midnight_s, F.lit(True)))


def _sum(value: Column) -> Column:
    return F.sum(F.rint(value * 1e6).cast("bigint")) / 1e6
