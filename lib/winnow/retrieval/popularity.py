"""Popularity: the media that most users engaged with in the days before, by country; what cold users get."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from winnow import schema
from winnow.retrieval.interactions import Asked, Interactions
from winnow.retrieval.settings import RetrievalSettings

#: Why it is shown, as users may be told.
POPULAR_NOW = "popular now"
#: The country of the list that everybody gets of whose country nothing is known.
EVERYWHERE = "everywhere"
_LIST, _SEEN, _COUNT, _ALL = "list", "seen", "count", "all_users"


@dataclass(frozen=True)
class PopularityModel:
    """How large a share of the users of each country engaged with each media."""

    #: country, media_id, score; EVERYWHERE is a country too.
    shares: DataFrame

    @classmethod
    def load(cls, parts: Mapping[str, DataFrame], _settings: RetrievalSettings) -> PopularityModel:
        """Return the model that ``parts`` are of."""
        return cls(parts["shares"])

    def parts(self) -> Mapping[str, DataFrame]:
        """Return what is stored of the model, by name."""
        return {"shares": self.shares}

    def recommend(self, asked: Asked) -> DataFrame:
        """Return user_id, media_id, rank, score (share of users), reason for every user asked for.

        A country's list goes to all its users: as long as n and the most that one of them has seen.
        """
        kind = dict(self.shares.dtypes)[schema.MEDIA_ID]
        users = asked.users.select(schema.USER_ID)
        nothing = F.array().cast(f"array<{kind}>")
        watched = users.withColumn(_SEEN, nothing)
        if asked.seen is not None:
            seen = asked.seen.groupBy(schema.USER_ID).agg(F.sort_array(F.collect_list(schema.MEDIA_ID)).alias(_SEEN))
            watched = users.join(seen, schema.USER_ID, how="left").withColumn(_SEEN, F.coalesce(_SEEN, nothing))
        entry = F.struct((-F.col(schema.SCORE)).alias(schema.SCORE), schema.MEDIA_ID)
        ranked = self.shares.groupBy(schema.COUNTRY).agg(F.sort_array(F.collect_list(entry)).alias(_LIST))
        longest = watched.agg(F.coalesce(F.max(F.size(_SEEN)), F.lit(0)).alias("most"))
        lists = ranked.crossJoin(longest).select(
            schema.COUNTRY, F.slice(_LIST, F.lit(1), F.col("most") + asked.n).alias(_LIST)
        )
        left = F.filter(
            F.slice(_LIST, F.lit(1), F.size(_SEEN) + asked.n),
            lambda of: ~F.array_contains(F.col(_SEEN), of[schema.MEDIA_ID]),
        )
        found = (
            self._with_country(watched, asked.known)
            .join(F.broadcast(lists), schema.COUNTRY, how="inner")
            .select(schema.USER_ID, F.posexplode(F.slice(left, 1, asked.n)).alias("place", "of"))
        )
        return found.select(
            schema.USER_ID,
            F.col("of")[schema.MEDIA_ID].alias(schema.MEDIA_ID),
            (F.col("place") + 1).cast("int").alias(schema.RANK),
            (-F.col("of")[schema.SCORE]).alias(schema.SCORE),
            F.lit(POPULAR_NOW).alias(schema.REASON),
        )

    def _with_country(self, users: DataFrame, known: Interactions) -> DataFrame:
        """Add each user's country, or EVERYWHERE where it has no list."""
        countries = countries_of(known)
        if countries is None:
            return users.withColumn(schema.COUNTRY, F.lit(EVERYWHERE))
        listed = self.shares.select(F.col(schema.COUNTRY).alias(_ALL)).distinct()
        own = users.join(countries, schema.USER_ID, how="left").join(
            F.broadcast(listed), F.col(schema.COUNTRY) == F.col(_ALL), how="left"
        )
        return own.withColumn(schema.COUNTRY, F.coalesce(_ALL, F.lit(EVERYWHERE))).drop(_ALL)


def countries_of(known: Interactions) -> DataFrame | None:
    """Return user_id and country: what the accounts say, else the log's last word; None where neither does."""
    users = known.beside.users
    if users is not None and schema.COUNTRY in users.columns:
        told = users.select(schema.USER_ID, schema.COUNTRY)
    elif schema.COUNTRY in known.positives.columns:
        # Of equal times the country of the larger code, so that it is always the same one.
        last = F.max(F.struct(schema.IMPRESSION_TS, schema.COUNTRY))[schema.COUNTRY]
        told = known.positives.groupBy(schema.USER_ID).agg(last.alias(schema.COUNTRY))
    else:
        return None
    return told.where(F.col(schema.COUNTRY).isNotNull())


def fit_popularity(known: Interactions, settings: RetrievalSettings) -> PopularityModel:
    """Count the users of each media in the window before the as-of day; a user counts once a media.

    The share of a country's users is drawn towards that of all: (n_ci + s p_i) / (n_c + s), with n_ci of the country's n_c
    users, p_i the share of all users, and s = ``popularity.smoothing`` users that every country has of all (additive
    smoothing; Manning, Raghavan, Schuetze 2008, chapter 11). So a country of three users is not ranked by three.
    """
    own = settings.popularity
    start = known.as_of - dt.timedelta(days=own.window_days)
    recent = known.positives.where(F.col(schema.EVENT_DATE) >= F.lit(start))
    pairs = recent.select(schema.USER_ID, schema.MEDIA_ID).distinct()
    users = F.count_distinct(schema.USER_ID).cast("double")
    whole = pairs.agg(users.alias(_ALL))
    counted = pairs.groupBy(schema.MEDIA_ID).agg(F.count(F.lit(1)).alias(_COUNT))
    overall = counted.crossJoin(whole).select(schema.MEDIA_ID, (F.col(_COUNT) / F.col(_ALL)).alias(schema.SCORE))
    everywhere = overall.select(F.lit(EVERYWHERE).alias(schema.COUNTRY), schema.MEDIA_ID, schema.SCORE)
    countries = countries_of(known) if own.by_country else None
    if countries is None:
        return PopularityModel(everywhere)
    placed = pairs.join(countries, schema.USER_ID, how="inner")
    sizes = placed.groupBy(schema.COUNTRY).agg(users.alias(_ALL))
    mine = placed.groupBy(schema.COUNTRY, schema.MEDIA_ID).agg(F.count(F.lit(1)).alias(_COUNT))
    smoothed = (F.coalesce(_COUNT, F.lit(0)) + own.smoothing * F.col(schema.SCORE)) / (F.col(_ALL) + own.smoothing)
    by_country = (
        overall.crossJoin(F.broadcast(sizes))
        .join(mine, [str(schema.COUNTRY), str(schema.MEDIA_ID)], how="left")
        .select(schema.COUNTRY, schema.MEDIA_ID, smoothed.alias(schema.SCORE))
    )
    return PopularityModel(everywhere.unionByName(by_country))
