"""Item-item: media that the same users watched ("because you watched X"), by cosine with shrinkage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from winnow import schema
from winnow.retrieval.interactions import Asked, Interactions, most_confident
from winnow.retrieval.settings import RetrievalSettings

#: The media that was watched, and how many users watched it; both; and a helper for ranks.
_WATCHED, _USERS, _OTHERS, _BOTH, _PLACE, _PART = "watched_id", "users", "others", "both", "place", "share"


@dataclass(frozen=True)
class ItemItemModel:
    """The nearest media of each media."""

    #: watched_id, media_id, score (similarity), the ``neighbours`` nearest of each watched_id.
    neighbours: DataFrame
    settings: RetrievalSettings

    @classmethod
    def load(cls, parts: Mapping[str, DataFrame], settings: RetrievalSettings) -> ItemItemModel:
        """Return the model that ``parts`` are of."""
        return cls(parts["neighbours"], settings)

    def parts(self) -> Mapping[str, DataFrame]:
        """Return what is stored of the model, by name."""
        return {"neighbours": self.neighbours}

    def recommend(self, asked: Asked) -> DataFrame:
        """Return user_id, media_id, rank, score, reason; users without a pair have no row.

        The score is the sum, over what the user watched, of similarity times confidence; the reason names what gave most.
        """
        own = self.settings.item_item
        histories = asked.histories.where(F.col(schema.CONFIDENCE) > 0).transform(most_confident(own.most_per_user))
        part = F.rint(F.col(schema.SCORE) * F.col(schema.CONFIDENCE) * 1e6).cast("bigint")
        found = (
            histories.withColumnRenamed(schema.MEDIA_ID, _WATCHED)
            .join(self.neighbours, _WATCHED, how="inner")
            .select(schema.USER_ID, schema.MEDIA_ID, _WATCHED, part.alias(_PART))
            .groupBy(schema.USER_ID, schema.MEDIA_ID)
            # Summed in millionths: the same in any partitioning. Of equal parts the larger id is named.
            .agg((F.sum(_PART) / 1e6).alias(schema.SCORE), F.max(F.struct(_PART, _WATCHED))[_WATCHED].alias(_WATCHED))
        )
        if asked.seen is not None:
            found = found.join(asked.seen, [str(schema.USER_ID), str(schema.MEDIA_ID)], how="left_anti")
        first = Window.partitionBy(schema.USER_ID).orderBy(F.col(schema.SCORE).desc(), schema.MEDIA_ID)
        ranked = found.withColumn(schema.RANK, F.row_number().over(first)).where(F.col(schema.RANK) <= asked.n)
        return _told(ranked, asked.known).select(
            schema.USER_ID, schema.MEDIA_ID, schema.RANK, schema.SCORE, schema.REASON
        )


def fit_item_item(known: Interactions, settings: RetrievalSettings) -> ItemItemModel:
    """Count the users that two media have in common, and keep the nearest of each media.

    s_ij = n_ij / sqrt(n_i n_j) * n_ij / (n_ij + shrinkage): the cosine of what is watched or not (Deshpande and Karypis,
    TOIS 2004), shrunk where few users tell of it (Koren, KDD 2008, section 2.2). Exact, by a join of the pairs within each
    user: its rows grow with the square of a user's pairs, so only the ``most_per_user`` most confident pairs of a user
    count. Those with confidence 0 do not.
    """
    own = settings.item_item
    watched = known.pairs.where(F.col(schema.CONFIDENCE) > 0).transform(most_confident(own.most_per_user))
    pairs = watched.select(schema.USER_ID, schema.MEDIA_ID)
    sizes = pairs.groupBy(schema.MEDIA_ID).agg(F.count(F.lit(1)).alias(_USERS))
    one = pairs.withColumnRenamed(schema.MEDIA_ID, _WATCHED)
    together = (
        one.join(pairs, schema.USER_ID, how="inner")
        .where(F.col(_WATCHED) < F.col(schema.MEDIA_ID))
        .groupBy(_WATCHED, schema.MEDIA_ID)
        .agg(F.count(F.lit(1)).alias(_BOTH))
        .where(F.col(_BOTH) >= own.least_users)
    )
    both = F.col(_BOTH).cast("double")
    similarity = both / F.sqrt(F.col(_USERS).cast("double") * F.col(_OTHERS)) * (both / (both + own.shrinkage))
    scored = (
        together.join(sizes, schema.MEDIA_ID, how="inner")
        .join(sizes.withColumnsRenamed({schema.MEDIA_ID: _WATCHED, _USERS: _OTHERS}), _WATCHED, how="inner")
        .select(_WATCHED, schema.MEDIA_ID, similarity.alias(schema.SCORE))
    )
    swapped = scored.select(
        F.col(schema.MEDIA_ID).alias(_WATCHED), F.col(_WATCHED).alias(schema.MEDIA_ID), schema.SCORE
    )
    nearest = Window.partitionBy(_WATCHED).orderBy(F.col(schema.SCORE).desc(), schema.MEDIA_ID)
    neighbours = scored.unionByName(swapped).withColumn(_PLACE, F.row_number().over(nearest))
    return ItemItemModel(neighbours.where(F.col(_PLACE) <= own.neighbours).drop(_PLACE), settings)


def _told(rows: DataFrame, known: Interactions) -> DataFrame:
    """Add the reason: the title of what was watched, or its id without a catalogue."""
    name = F.col(_WATCHED).cast("string")
    catalogue = known.beside.media
    if catalogue is not None and schema.TITLE in catalogue.columns:
        titles = catalogue.select(F.col(schema.MEDIA_ID).alias(_WATCHED), schema.TITLE)
        rows, name = rows.join(titles, _WATCHED, how="left"), F.coalesce(schema.TITLE, name)
    return rows.withColumn(schema.REASON, F.concat(F.lit("because you watched "), name))
