"""Content: media that are like what a user watched, or like the genres chosen at the start; new media have vectors too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from winnow import schema
from winnow.errors import InputNotReadyError
from winnow.retrieval.interactions import Asked, Interactions, most_confident
from winnow.retrieval.scoring import best
from winnow.retrieval.settings import ContentSettings, RetrievalSettings

_TERM, _SLOT, _VALUE, _COUNT, _MEDIA = "term_of_media", "slot", "value", "count", "media_count"
_ENTRIES, _FROM_HISTORY = "entries", "from_history"


@dataclass(frozen=True)
class ContentModel:
    """The vector of each media, and what each term weighs."""

    #: media_id, factors: of length 1.
    media: DataFrame
    #: term, value: its weight in a vector before that is brought to length 1.
    terms: DataFrame
    settings: RetrievalSettings

    @classmethod
    def load(cls, parts: Mapping[str, DataFrame], settings: RetrievalSettings) -> ContentModel:
        """Return the model that ``parts`` are of."""
        return cls(parts["media"], parts["terms"], settings)

    def parts(self) -> Mapping[str, DataFrame]:
        """Return what is stored of the model, by name."""
        return {"media": self.media, "terms": self.terms}

    def recommend(self, asked: Asked) -> DataFrame:
        """Return user_id, media_id, rank, score (cosine to the user's profile), reason.

        A profile is the sum of the vectors of what the user watched, times confidence, and of the genres chosen at the
        start; a user with neither has no row.
        """
        own = self.settings.content
        slots = self.media.select(schema.MEDIA_ID, F.posexplode(schema.FACTORS).alias(_SLOT, _VALUE))
        watched = (
            asked.histories.where(F.col(schema.CONFIDENCE) > 0)
            .transform(most_confident(own.most_per_user))
            .join(slots.where(F.col(_VALUE) != 0), schema.MEDIA_ID, how="inner")
            .select(
                schema.USER_ID,
                _SLOT,
                (F.col(_VALUE) * F.col(schema.CONFIDENCE)).alias(_VALUE),
                F.lit(1).alias(_FROM_HISTORY),
            )
        )
        onboarding = asked.known.beside.onboarding
        if onboarding is not None:
            chosen = onboarding.join(asked.users.select(schema.USER_ID), schema.USER_ID, how="left_semi").select(
                schema.USER_ID, F.explode(F.array_distinct(schema.GENRES)).alias(_TERM)
            )
            weighed = chosen.select(schema.USER_ID, _term(schema.GENRES, F.col(_TERM)).alias(_TERM)).join(
                self.terms, _TERM, how="inner"
            )
            value = F.col(_VALUE) * _sign() * own.onboarding_weight
            watched = watched.unionByName(
                weighed.select(
                    schema.USER_ID,
                    _slot(own.dimensions).alias(_SLOT),
                    value.alias(_VALUE),
                    F.lit(0).alias(_FROM_HISTORY),
                )
            )
        reasons = watched.groupBy(schema.USER_ID).agg(F.max(_FROM_HISTORY).alias(_FROM_HISTORY))
        profiles = _vectors(watched, schema.USER_ID, own.dimensions)
        found = best(profiles, self.media, asked.n, asked.seen, self.settings.scoring)
        reason = F.when(F.col(_FROM_HISTORY) == 1, "like what you watched").otherwise("by the genres you chose")
        return found.join(reasons, schema.USER_ID, how="inner").select(
            schema.USER_ID, schema.MEDIA_ID, schema.RANK, schema.SCORE, reason.alias(schema.REASON)
        )


def fit_content(known: Interactions, settings: RetrievalSettings) -> ContentModel:
    """Make a vector of the catalogue's texts for each media that is there on the as-of day.

    A term weighs field weight * (1 + ln tf) * ln((1 + N) / (1 + df)) (TF-IDF; Manning, Raghavan, Schuetze 2008, section 6.4). Terms
    are hashed to ``dimensions`` slots with a sign each, which keeps inner products right on average (feature hashing; Weinberger et
    al., ICML 2009), and a vector has length 1, so that the score is a cosine.

    Raises InputNotReadyError without a catalogue.
    """
    own, catalogue = settings.content, known.catalogue
    if catalogue is None:
        raise InputNotReadyError(
            "retrieval.content: expected the table media with genres, cast, director, language or synopsis, found none. "
            "Write it, or leave content out of retrieval.sources."
        )
    occurring = _occurring(catalogue, own)
    whole = catalogue.agg(F.count(F.lit(1)).alias(_MEDIA))
    idf = F.log((1.0 + F.col(_MEDIA)) / (1.0 + F.col(_COUNT)))
    terms = (
        occurring.groupBy(_TERM)
        .agg(F.count(F.lit(1)).alias(_COUNT), F.max(schema.WEIGHT).alias(schema.WEIGHT))
        .crossJoin(F.broadcast(whole))
        .select(_TERM, (F.col(schema.WEIGHT) * idf).alias(_VALUE))
    )
    weighed = occurring.join(terms, _TERM, how="inner").select(
        schema.MEDIA_ID,
        _slot(own.dimensions).alias(_SLOT),
        (F.col(_VALUE) * (1.0 + F.log(F.col(_COUNT).cast("double"))) * _sign()).alias(_VALUE),
    )
    return ContentModel(_vectors(weighed, schema.MEDIA_ID, own.dimensions), terms, settings)


def _occurring(catalogue: DataFrame, settings: ContentSettings) -> DataFrame:
    """Return media_id, term, weight (of its field) and count: how often the term stands in the media's texts."""
    kinds = dict(catalogue.dtypes)
    parts = []
    for field, weight in settings.fields.items():
        if field not in kinds or weight == 0:
            continue
        column = F.col(field)
        if field in settings.texts:
            words = F.filter(F.split(F.lower(column), r"[^\p{L}\p{N}]+"), lambda word: F.length(word) > 2)
        elif kinds[field].startswith("array"):
            words = F.array_distinct(column)
        else:
            words = F.array(column)
        exploded = catalogue.select(schema.MEDIA_ID, F.explode(words).alias(_TERM)).where(F.col(_TERM).isNotNull())
        parts.append(
            exploded.select(
                schema.MEDIA_ID, _term(field, F.col(_TERM)).alias(_TERM), F.lit(float(weight)).alias(schema.WEIGHT)
            )
        )
    if not parts:
        raise InputNotReadyError(
            f"retrieval.content.fields: expected columns of the table media, found none of {', '.join(settings.fields)}. "
            f"It has: {', '.join(catalogue.columns)}"
        )
    rows = parts[0]
    for part in parts[1:]:
        rows = rows.unionByName(part)
    return rows.groupBy(schema.MEDIA_ID, _TERM, schema.WEIGHT).agg(F.count(F.lit(1)).alias(_COUNT))


def _term(field: str, value: Column) -> Column:
    """Return the value as a term: a director is not an actor of the same name."""
    return F.concat(F.lit(f"{field}:"), F.lower(F.trim(value.cast("string"))))


def _slot(dimensions: int) -> Column:
    return F.pmod(F.xxhash64(F.lit("slot"), F.col(_TERM)), F.lit(dimensions)).cast("int")


def _sign() -> Column:
    return F.when(F.xxhash64(F.lit("sign"), F.col(_TERM)) < 0, F.lit(-1.0)).otherwise(F.lit(1.0))


def _vectors(values: DataFrame, key: str, dimensions: int) -> DataFrame:
    """Return key, factors: the sum of the values of each slot, brought to length 1; a vector of nothing is left out.

    Summed in billionths, so that a vector is the same in any partitioning.
    """
    whole = F.sum(F.rint(F.col(_VALUE) * 1e9).cast("bigint")) / 1e9
    summed = values.groupBy(key, _SLOT).agg(whole.alias(_VALUE)).where(F.col(_VALUE) != 0)
    in_order = Window.partitionBy(key).orderBy(_SLOT)
    everything = in_order.rowsBetween(Window.unboundedPreceding, Window.unboundedFollowing)
    length = F.sqrt(F.sum(F.col(_VALUE) * F.col(_VALUE)).over(everything))
    gap = F.col(_SLOT) - F.coalesce(F.lag(_SLOT).over(in_order), F.lit(-1)) - 1
    zero = F.lit(0.0).cast("float")
    rows = summed.select(key, _SLOT, (F.col(_VALUE) / length).alias(_VALUE), gap.alias(_COUNT))
    entry = F.struct(
        F.col(_SLOT), F.concat(F.array_repeat(zero, F.col(_COUNT)), F.array(F.col(_VALUE).cast("float"))).alias(_VALUE)
    )
    dense = rows.groupBy(key).agg(F.sort_array(F.collect_list(entry)).alias(_ENTRIES), F.max(_SLOT).alias(_SLOT))
    joined = F.flatten(F.transform(_ENTRIES, lambda of: of[_VALUE]))
    rest = F.array_repeat(zero, F.lit(dimensions - 1) - F.col(_SLOT))
    return dense.select(key, F.concat(joined, rest).alias(schema.FACTORS))
