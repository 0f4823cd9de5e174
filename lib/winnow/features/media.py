"""Features of the media: what the catalogue tells of it, and how it did in the days before."""

from __future__ import annotations

from functools import partial

from pyspark.sql import Column
from pyspark.sql import functions as F

from winnow import schema
from winnow.contracts import quotient
from winnow.features.kinds import Feature, Formula, Kind, Known
from winnow.features.settings import CONTENT, FeatureSettings
from winnow.features.smoothing import MEAN, STRENGTH, smoothed
from winnow.features.values import category, equals_any, has_any, log_count, not_negative, word
from winnow.features.windows import rate_of, window

#: Days after which a media is no longer new.
_NEW_DAYS = 7


def declared(settings: FeatureSettings) -> tuple[Feature, ...]:
    """Return the features of the media."""
    made = [*_facts(settings), *_history(settings)]
    made += has_any(settings, "media", "genre", lambda known: known.media(schema.GENRES))
    made += equals_any(settings, "media", str(schema.MEDIA_TYPE), lambda known: known.media(schema.MEDIA_TYPE))
    made += [
        _of(
            f"synopsis_has_{word(keyword)}",
            0.0,
            f'the synopsis has the word "{keyword}"',
            _has_word(keyword),
            kind="flag",
        )
        for keyword in settings.keywords
    ]
    made += [
        _of(
            f"{aspect}_rate",
            0.0,
            f"share of engaged impressions of media of the same {aspect}, smoothed, mean where there are several",
            _mean_rate(aspect),
            days=settings.longest_days,
        )
        for aspect in CONTENT
    ]
    return (*made, *_codes(settings))


def length_s(known: Known) -> Column:
    """Return the length in seconds: of the impression, else of the catalogue, else as last seen; null = not known."""
    seconds = known.first_of(
        lambda one: _usable(one.context(schema.MEDIA_DURATION_S)),
        lambda one: _usable(one.media(schema.MEDIA_DURATION_S)),
        lambda one: one.media("longest_s"),
    )
    return seconds


def engaged_rate(known: Known, days: int) -> Column:
    """Return the media's smoothed share of engaged impressions in the window."""
    return smoothed(
        known.media(window(schema.ENGAGED_ROWS, days)),
        known.media(window(schema.JUDGED_ROWS, days)),
        known.world(f"media_{MEAN}"),
        known.world(f"media_{STRENGTH}"),
    )


def maturity_years(known: Known) -> Column:
    """Return the age from which it may be seen: the number in the rating, 0 where there is none ("all")."""
    rating = known.media(schema.MATURITY_RATING)
    years = F.nullif(F.regexp_extract(rating, r"(\d+)", 1), F.lit("")).cast("double")
    return F.when(rating.isNotNull(), F.coalesce(years, F.lit(0.0)))


def _of(
    name: str,
    default: float,
    doc: str,
    formula: Formula,
    *,
    kind: Kind = "numeric",
    days: int | None = None,
) -> Feature:
    return Feature(f"media_{name}", kind, "media", default, doc, formula, days)


def _has_word(keyword: str) -> Formula:
    return lambda known: F.lower(known.media(schema.SYNOPSIS)).contains(keyword.lower())


def _mean_rate(aspect: str) -> Formula:
    """Return the mean rate of the media's values; that of all media where none was seen before."""
    return lambda known: F.coalesce(known.media(rate_of(aspect)) / 1e6, known.world(f"media_{MEAN}"))


def _popularity(days: int) -> Formula:
    return lambda known: log_count(known.media(window(schema.ROWS, days)))


def _usable(seconds: Column) -> Column:
    return F.when((seconds > 0) & (seconds < float("inf")), seconds)


def _days_since(date: Column, known: Known) -> Column:
    return not_negative(F.date_diff(known.context(schema.AS_OF_DATE), date))


def _facts(settings: FeatureSettings) -> list[Feature]:
    return [
        _of("is_known", 0.0, "the table media has it", lambda known: known.media("is_known"), kind="flag"),
        _of("log_length_s", 0.0, "log(1 + length in seconds)", lambda known: F.log1p(length_s(known))),
        _of("has_length", 0.0, "its length is known", lambda known: length_s(known).isNotNull(), kind="flag"),
        _of(
            "log_age_days",
            0.0,
            "log(1 + days since its release)",
            lambda known: F.log1p(_days_since(known.media(schema.RELEASE_DATE), known).cast("double")),
        ),
        _of(
            "log_days_on_service",
            0.0,
            "log(1 + days since it came to the service)",
            lambda known: F.log1p(_days_since(known.media(schema.ADDED_DATE), known).cast("double")),
        ),
        _of(
            "is_new",
            0.0,
            f"it came to the service less than {_NEW_DAYS} days before",
            lambda known: _days_since(known.media(schema.ADDED_DATE), known) < _NEW_DAYS,
            kind="flag",
        ),
        _of("release_year", 2000.0, "year of its release", lambda known: F.year(known.media(schema.RELEASE_DATE))),
        _of("maturity_years", 0.0, "age from which it may be seen", maturity_years),
        _of(schema.SEASON_NUMBER, 0.0, "season of a series; 0 = none", lambda known: known.media(schema.SEASON_NUMBER)),
        _of(
            schema.PUBLIC_RATING,
            5.0,
            "rating on public platforms, 0 to 10",
            lambda known: known.media(schema.PUBLIC_RATING),
        ),
        _of(
            "has_public_rating",
            0.0,
            "public platforms rate it",
            lambda known: known.media(schema.PUBLIC_RATING).isNotNull(),
            kind="flag",
        ),
        _of(
            "log_arrival_revenue",
            0.0,
            "log(1 + revenue before it came to the service)",
            lambda known: log_count(not_negative(known.media(schema.ARRIVAL_REVENUE))),
        ),
        _of(
            "content_year",
            2000.0,
            "first year of the period in which it is set",
            lambda known: known.media(schema.CONTENT_PERIOD),
        ),
        _of("number_of_tags", 0.0, "number of its tags", lambda known: F.array_size(known.media(schema.TAGS))),
        _of("number_of_genres", 0.0, "number of its genres", lambda known: F.array_size(known.media(schema.GENRES))),
        _of(
            "is_top_distributor",
            0.0,
            "its distributor is one of those with most impressions",
            lambda known: F.array_contains(known.world("top_distributors"), known.media(schema.DISTRIBUTOR)),
            kind="flag",
            days=settings.longest_days,
        ),
    ]


def _history(settings: FeatureSettings) -> list[Feature]:
    longest = settings.longest_days
    made = []
    for days in settings.windows_days:
        made += [
            _of(
                f"log_rows_{days}d",
                0.0,
                "log(1 + impressions): popularity",
                _popularity(days),
                days=days,
            ),
            _of(
                f"engaged_rate_{days}d",
                0.0,
                "share of engaged impressions, smoothed by empirical Bayes over media",
                partial(engaged_rate, days=days),
                days=days,
            ),
        ]
    return [
        *made,
        _of(
            "log_latest_rows",
            0.0,
            f"log(1 + impressions in the last {settings.last_hours} hours of the day before)",
            lambda known: log_count(known.media(schema.LATEST_ROWS)),
            days=1,
        ),
        _of(
            "watch_s_per_row",
            0.0,
            "mean seconds watched of an impression",
            lambda known: quotient(
                known.media(window(schema.WATCH_MS, longest)), known.media(window(schema.ROWS, longest)) * 1000.0
            ),
            days=longest,
        ),
        _of(
            "acted_rate",
            0.0,
            "share of impressions with an action: ratings by those who saw it",
            lambda known: quotient(
                known.media(window(schema.ACTED_ROWS, longest)), known.media(window(schema.ROWS, longest))
            ),
            days=longest,
        ),
    ]


def _codes(settings: FeatureSettings) -> list[Feature]:
    """Return the sparse ids, hashed."""
    columns: dict[str, tuple[Formula, str]] = {
        str(schema.MEDIA_ID): (lambda known: known.context(schema.MEDIA_ID), "the media itself"),
        "media_title": (lambda known: F.lower(known.media(schema.TITLE)), "its title"),
        "media_synopsis": (lambda known: F.lower(known.media(schema.SYNOPSIS)), "its synopsis"),
        "media_director": (lambda known: known.media(schema.DIRECTOR), "its director"),
        "media_lead": (lambda known: F.get(known.media(schema.CAST), F.lit(0)), "its first actor"),
        "media_distributor": (lambda known: known.media(schema.DISTRIBUTOR), "its distributor"),
        "media_genre": (lambda known: F.get(known.media(schema.GENRES), F.lit(0)), "its main genre"),
        "media_language": (lambda known: known.media(schema.LANGUAGE), "its language"),
        "media_origin": (lambda known: known.media(schema.ORIGIN), "its country of origin"),
    }
    return [category(settings, name, "media", of, doc) for name, (of, doc) in columns.items()]
