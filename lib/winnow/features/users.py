"""Features of the user: who they are, and what they did in the days before."""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

from winnow import schema
from winnow.contracts import quotient
from winnow.features.kinds import Feature, Known
from winnow.features.settings import TERM_ASPECT, FeatureSettings
from winnow.features.smoothing import MEAN, STRENGTH, smoothed
from winnow.features.values import category, equals_any, log_count, not_negative
from winnow.features.windows import DECAYED, MOST, ROWS, VALUES, sums, window

#: Ages where only "unknown" is told.
_UNKNOWN_AGE = 35.0
#: Bands that end at their number: nobody in them is that old.
_OPEN_BELOW = r"^\s*(under|below|<)"


def declared(settings: FeatureSettings) -> tuple[Feature, ...]:
    """Return the features of the user."""
    longest = settings.longest_days
    made = [
        Feature("user_is_known", "flag", "user", 0.0, "the table users has the user", _is_known),
        Feature(
            "user_age_years",
            "numeric",
            "user",
            _UNKNOWN_AGE,
            "lower end of the age band, or half the upper end where that is all it has",
            age_years,
        ),
        Feature(
            "user_account_days",
            "numeric",
            "user",
            0.0,
            "days since the account was made",
            lambda known: not_negative(F.date_diff(known.context(schema.AS_OF_DATE), known.user(schema.JOINED_DATE))),
        ),
    ]
    made += equals_any(settings, "user", str(schema.AGE_BAND), lambda known: known.user(schema.AGE_BAND))
    made += equals_any(settings, "user", str(schema.GENDER), lambda known: known.user(schema.GENDER))
    made += equals_any(settings, "user", str(schema.COUNTRY), country)
    for days in settings.windows_days:
        made += _windowed(days)
    made += [
        Feature(
            "user_session_s",
            "numeric",
            "user",
            0.0,
            "mean seconds watched in a session",
            lambda known: quotient(
                known.user(window(schema.WATCH_MS, longest)), known.user(window(schema.VISITS, longest)) * 1000.0
            ),
            longest,
        ),
        Feature(
            "user_acted_rate",
            "numeric",
            "user",
            0.0,
            "share of impressions with an action: liked, commented, shared, followed",
            lambda known: quotient(
                known.user(window(schema.ACTED_ROWS, longest)), known.user(window(schema.ROWS, longest))
            ),
            longest,
        ),
        Feature(
            "user_days_since_active",
            "numeric",
            "user",
            float(longest + 1),
            "days since the last day with an impression",
            lambda known: known.user("days_since_active"),
            longest,
        ),
        Feature(
            "user_log_searches",
            "numeric",
            "user",
            0.0,
            "log(1 + searches)",
            lambda known: log_count(_searches(known)),
            settings.memory_days,
        ),
        *_top_genre(settings),
        category(settings, "user_country", "user", country, "country of the user"),
        category(settings, "user_language", "user", lambda known: known.user(schema.LANGUAGE), "language of the user"),
        category(
            settings,
            "user_last_genre",
            "user",
            lambda known: known.user(schema.LAST_GENRE),
            "main genre of what the user engaged with last",
            longest,
        ),
    ]
    return tuple(made)


def age_years(known: Known) -> Column:
    """Return the lower end of the user's age band: the first whole number in it; of one such as under_18 half of that."""
    band = known.user(schema.AGE_BAND)
    years = F.nullif(F.regexp_extract(band, r"(\d+)", 1), F.lit("")).cast("double")
    return F.when(F.lower(band).rlike(_OPEN_BELOW), years / 2).otherwise(years)


def country(known: Known) -> Column:
    """Return the country of the user: of the impression, else of the account."""
    return known.first_of(lambda one: one.context(schema.COUNTRY), lambda one: one.user(schema.COUNTRY))


def engaged_rate(known: Known, days: int) -> Column:
    """Return the user's smoothed share of engaged impressions in the window."""
    return smoothed(
        known.user(window(schema.ENGAGED_ROWS, days)),
        known.user(window(schema.JUDGED_ROWS, days)),
        known.world(f"user_{MEAN}"),
        known.world(f"user_{STRENGTH}"),
    )


def _windowed(days: int) -> list[Feature]:
    return [
        Feature(
            f"user_log_rows_{days}d",
            "numeric",
            "user",
            0.0,
            "log(1 + impressions): activity",
            lambda known: log_count(known.user(window(schema.ROWS, days))),
            days,
        ),
        Feature(
            f"user_active_days_{days}d",
            "numeric",
            "user",
            0.0,
            "days with an impression",
            lambda known: known.user(window("active", days)),
            days,
        ),
        Feature(
            f"user_log_watch_s_{days}d",
            "numeric",
            "user",
            0.0,
            "log(1 + seconds watched)",
            lambda known: log_count(known.user(window(schema.WATCH_MS, days)) / 1000.0),
            days,
        ),
        Feature(
            f"user_engaged_rate_{days}d",
            "numeric",
            "user",
            0.0,
            "share of engaged impressions, smoothed by empirical Bayes over users",
            lambda known: engaged_rate(known, days),
            days,
        ),
    ]


def _is_known(known: Known) -> Column:
    return known.user("is_known")


def _searches(known: Known) -> Column:
    return known.user(sums(TERM_ASPECT))[ROWS]


def _top_genre(settings: FeatureSettings) -> list[Feature]:
    if "genre" not in settings.crosses:
        return []

    def of_all(known: Known, field: str) -> Column:
        return known.user(sums("genre"))[field]

    return [
        Feature(
            "user_top_genre_share",
            "numeric",
            "user",
            0.0,
            "share of the favourite genre in what the user engaged with, newer counts more",
            lambda known: quotient(of_all(known, MOST), of_all(known, DECAYED)),
            settings.memory_days,
        ),
        Feature(
            "user_genres",
            "numeric",
            "user",
            0.0,
            "genres that the user engaged with",
            lambda known: of_all(known, VALUES),
            settings.memory_days,
        ),
    ]
