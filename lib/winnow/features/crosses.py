"""Features of user and media together: what the user did with media like this one, and whether the two fit."""

from __future__ import annotations

from functools import partial

from pyspark.sql import Column
from pyspark.sql import functions as F

from winnow import schema
from winnow.contracts import quotient
from winnow.features.kinds import Feature, Formula, Kind, Known
from winnow.features.media import engaged_rate as media_rate
from winnow.features.media import length_s, maturity_years
from winnow.features.moments import daypart, length_band, local_hour
from winnow.features.settings import MEDIA_ASPECT, TERM_ASPECT, Clock, FeatureSettings
from winnow.features.smoothing import STRENGTH, smoothed
from winnow.features.users import age_years, country
from winnow.features.users import engaged_rate as user_rate
from winnow.features.values import log_count
from winnow.features.windows import DECAYED, ENGAGED, JUDGED, ROWS, memory, sums

#: What is asked of the values of a row.
_FIELDS = (JUDGED, ENGAGED, DECAYED)


def declared(settings: FeatureSettings, clock: Clock) -> tuple[Feature, ...]:
    """Return the features of user and media together."""
    made: list[Feature] = []
    entries = _entries(settings, clock)
    for aspect in settings.crosses:
        made += _remembered(settings, aspect, entries[aspect])
    made += [*_in_place(settings, str(schema.COUNTRY), country), *_in_place(settings, str(schema.SURFACE), _surface)]
    return (*made, *_matches(settings))


def _entries(settings: FeatureSettings, clock: Clock) -> dict[str, Formula]:
    """Return by aspect what the user's memory has of the values of the row: JUDGED, ENGAGED and DECAYED, in sum."""

    def hour(known: Known) -> Column:
        return local_hour(known.context(schema.IMPRESSION_TS), country(known), settings, clock)

    several: dict[str, Formula] = {
        "genre": lambda known: known.media(schema.GENRES),
        "actor": lambda known: known.media(schema.CAST),
        "tag": lambda known: known.media(schema.TAGS),
    }
    single: dict[str, Formula] = {
        str(schema.DEVICE): lambda known: known.context(schema.DEVICE),
        str(schema.SURFACE): _surface,
        "daypart": lambda known: daypart(hour(known)),
        "length": lambda known: length_band(length_s(known)),
        MEDIA_ASPECT: lambda known: known.context(schema.MEDIA_ID).cast("string"),
    }
    of_media = (schema.DIRECTOR, schema.CREATOR, schema.COMPOSER, schema.LANGUAGE, schema.DISTRIBUTOR)
    single |= {str(column): partial(Known.media, name=column) for column in of_media}
    return {
        **{aspect: _summed(memory(aspect), values) for aspect, values in several.items()},
        # One value is looked up by generated code; what has a lambda in it is interpreted, row by row.
        **{aspect: _found(memory(aspect), value) for aspect, value in single.items()},
    }


def _summed(remembered: str, values: Formula) -> Formula:
    def of(known: Known) -> Column:
        found = F.transform(F.array_compact(values(known)), lambda one: F.try_element_at(known.user(remembered), one))
        nothing = F.struct(*(F.lit(0).cast("bigint").alias(field) for field in _FIELDS))
        return F.aggregate(
            found,
            nothing,
            lambda total, one: F.struct(
                *((total[field] + F.coalesce(one[field], F.lit(0))).alias(field) for field in _FIELDS)
            ),
        )

    return of


def _found(remembered: str, value: Formula) -> Formula:
    def of(known: Known) -> Column:
        entry = F.try_element_at(known.user(remembered), value(known))
        return F.struct(*(F.coalesce(entry[field], F.lit(0)).alias(field) for field in _FIELDS))

    return of


def _remembered(settings: FeatureSettings, aspect: str, entry: Formula) -> list[Feature]:
    """Return what the user did with the values of one aspect that the row has."""

    def total(known: Known, field: str) -> Column:
        return entry(known)[field]

    def rate(known: Known) -> Column:
        prior = user_rate(known, settings.longest_days)
        return smoothed(total(known, ENGAGED), total(known, JUDGED), prior, known.world(f"user_{STRENGTH}"))

    days = settings.memory_days
    return [
        Feature(
            f"cross_log_{aspect}_engaged",
            "numeric",
            "cross",
            0.0,
            f"log(1 + engaged impressions of the user of the same {aspect})",
            lambda known: log_count(total(known, ENGAGED)),
            days,
        ),
        Feature(
            f"cross_{aspect}_rate",
            "numeric",
            "cross",
            0.0,
            f"the user's share of engaged impressions of the same {aspect}, smoothed towards the user's own rate",
            rate,
            days,
        ),
        Feature(
            f"cross_{aspect}_share",
            "numeric",
            "cross",
            0.0,
            f"share of the same {aspect} in all that the user engaged with, halved each {settings.half_life_days} days",
            lambda known: quotient(total(known, DECAYED), known.user(sums(aspect))[DECAYED]),
            days,
        ),
    ]


def _in_place(settings: FeatureSettings, aspect: str, value: Formula) -> list[Feature]:
    """Return how the media did in the row's own country, or on its surface."""
    days = settings.longest_days

    def field(known: Known, name: str) -> Column:
        return F.try_element_at(known.media(memory(aspect)), value(known))[name]

    return [
        Feature(
            f"cross_log_rows_in_{aspect}",
            "numeric",
            "cross",
            0.0,
            f"log(1 + impressions of the media in the same {aspect})",
            lambda known: log_count(field(known, ROWS)),
            days,
        ),
        Feature(
            f"cross_rate_in_{aspect}",
            "numeric",
            "cross",
            0.0,
            f"the media's share of engaged impressions in the same {aspect}, smoothed towards its own rate",
            lambda known: smoothed(
                field(known, ENGAGED),
                field(known, JUDGED),
                media_rate(known, days),
                known.world(f"media_{STRENGTH}"),
            ),
            days,
        ),
    ]


def _matches(settings: FeatureSettings) -> list[Feature]:
    def of(name: str, kind: Kind, doc: str, formula: Formula, days: int | None = None) -> Feature:
        return Feature(f"cross_{name}", kind, "cross", 0.0, doc, formula, days)

    return [
        of(
            "language_match",
            "flag",
            "the media is in the user's language",
            lambda known: known.media(schema.LANGUAGE) == known.user(schema.LANGUAGE),
        ),
        of(
            "country_match",
            "flag",
            "the media comes from the user's country",
            lambda known: known.media(schema.ORIGIN) == country(known),
        ),
        of(
            "age_match",
            "flag",
            "the user is old enough for its maturity rating",
            lambda known: age_years(known) >= maturity_years(known),
        ),
        of(
            "last_genre_match",
            "flag",
            "it has the main genre of what the user engaged with last",
            lambda known: F.array_contains(known.media(schema.GENRES), known.user(schema.LAST_GENRE)),
            settings.longest_days,
        ),
        of(
            "search_match",
            "flag",
            "its title, genres, actors or director are what the user searched for",
            _is_searched,
            settings.memory_days,
        ),
        of(
            "vector_similarity",
            "numeric",
            "inner product of the vectors of user and media, where a model's are handed in",
            _similarity,
        ),
    ]


def _surface(known: Known) -> Column:
    return known.context(schema.SURFACE)


def _is_searched(known: Known) -> Column:
    named = F.concat(
        F.array(known.media(schema.TITLE), known.media(schema.DIRECTOR)),
        F.coalesce(known.media(schema.GENRES), F.array().cast("array<string>")),
        F.coalesce(known.media(schema.CAST), F.array().cast("array<string>")),
    )
    words = F.transform(F.array_compact(named), F.lower)
    return F.arrays_overlap(F.map_keys(known.user(memory(TERM_ASPECT))), words)


def _similarity(known: Known) -> Column:
    products = F.transform(  # by place: not every engine zips
        known.user(schema.FACTORS), lambda one, place: one.cast("double") * F.get(known.media(schema.FACTORS), place)
    )
    return F.aggregate(products, F.lit(0.0), lambda summed, one: summed + one)
