"""What retrieval learns from: the positives before a day, and one row a (user, media) pair with its confidence."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from winnow import schema
from winnow.contracts import Step, micros
from winnow.retrieval.settings import RetrievalSettings


@dataclass(frozen=True)
class Beside:
    """What is known beside the log; each may be missing, and whoever needs it says so."""

    #: The catalogue, ``schema.MEDIA``; a media that comes later than the as-of day is left out.
    media: DataFrame | None = None
    #: The accounts, ``schema.USERS``.
    users: DataFrame | None = None
    #: user_id and the genres that they chose when they came, ``schema.ONBOARDING``.
    onboarding: DataFrame | None = None
    #: What users said of media, ``schema.RATINGS``.
    ratings: DataFrame | None = None
    #: The numbers that stand for ids, ``schema.USER_IDS`` and ``schema.MEDIA_IDS``; without them ids are numbered anew.
    user_ids: DataFrame | None = None
    media_ids: DataFrame | None = None


NOTHING = Beside()


@dataclass(frozen=True)
class Interactions:
    """What is known as of a day: all of it lazy."""

    as_of: dt.date
    #: The positive rows, with their context.
    positives: DataFrame
    #: user_id, media_id, confidence.
    pairs: DataFrame
    beside: Beside = NOTHING

    @property
    def catalogue(self) -> DataFrame | None:
        """The media that are there on the as-of day; None without a catalogue."""
        media = self.beside.media
        if media is None or schema.ADDED_DATE not in media.columns:
            return media
        is_there = F.coalesce(F.col(schema.ADDED_DATE) <= F.lit(self.as_of), F.lit(True))
        return media.where(is_there)


@dataclass(frozen=True)
class Asked:
    """Whose lists are wanted, how long, and what is known of the users on the day of the lists."""

    #: user_id, one row a user.
    users: DataFrame
    n: int
    known: Interactions
    skip_seen: bool = True

    @property
    def seen(self) -> DataFrame | None:
        """user_id, media_id that are left out of the lists; None where nothing is."""
        return self.known.pairs.select(schema.USER_ID, schema.MEDIA_ID) if self.skip_seen else None

    @property
    def histories(self) -> DataFrame:
        """The pairs of the users asked for: user_id, media_id, confidence."""
        return self.known.pairs.join(self.users.select(schema.USER_ID), schema.USER_ID, how="left_semi")


def known_before(as_of: dt.date) -> Step:
    """Return the step that keeps the rows whose log day and event time both lie before ``as_of`` (midnight UTC)."""
    midnight_us = round(dt.datetime.combine(as_of, dt.time(), dt.UTC).timestamp()) * 1_000_000

    def step(rows: DataFrame) -> DataFrame:
        is_shown_before = F.unix_micros(F.col(schema.IMPRESSION_TS)) < midnight_us
        return rows.where((F.col(schema.EVENT_DATE) < F.lit(as_of)) & is_shown_before)

    return step


def confidence(settings: RetrievalSettings) -> Step:
    """Return the step from rows of one label to one row a pair with a positive: user_id, media_id, confidence.

    r = sum over the pair's views of min(T / duration, cap) (DESIGN.md, Retrieval confidence). A positive whose ratio is not
    known (null, NaN or not positive duration; null, NaN or negative watch) counts as one view, a negative as none. A pair
    that was only liked, with nothing watched, has confidence 0. Summed in millionths: the same in any partitioning.
    """

    def step(rows: DataFrame) -> DataFrame:
        watch_us, duration_us = micros(F.col(schema.WATCH_S)), micros(F.col(schema.MEDIA_DURATION_S))
        is_positive = F.col(schema.CLASS) == 1
        # NaN is the largest double: it is asked for by name.
        is_known = ~F.isnan(watch_us) & (watch_us >= 0) & ~F.isnan(duration_us) & (duration_us > 0)
        views = F.least(watch_us / F.nullif(duration_us, F.lit(0.0)), F.lit(settings.cap))
        unknown = F.when(is_positive, F.lit(min(1.0, settings.cap))).otherwise(F.lit(0.0))
        millionths = F.rint(F.when(is_known, views).otherwise(unknown) * 1e6).cast("bigint")
        return (
            rows.groupBy(schema.USER_ID, schema.MEDIA_ID)
            .agg((F.sum(millionths) / 1e6).alias(schema.CONFIDENCE), F.max(schema.CLASS).alias(schema.CLASS))
            .where(F.col(schema.CLASS) == 1)
            .drop(schema.CLASS)
        )

    return step


def interactions(
    examples: DataFrame, as_of: dt.date, settings: RetrievalSettings, beside: Beside = NOTHING
) -> Interactions:
    """Return what the examples of one label (``pipeline.training_view``) tell before ``as_of``."""
    known = examples.transform(known_before(as_of)).where(
        F.col(schema.USER_ID).isNotNull() & F.col(schema.MEDIA_ID).isNotNull()
    )
    return Interactions(as_of, known.where(F.col(schema.CLASS) == 1), known.transform(confidence(settings)), beside)


def most_confident(count: int) -> Step:
    """Return the step that keeps each user's ``count`` most confident pairs, ties to the smaller media_id."""
    first = Window.partitionBy(schema.USER_ID).orderBy(F.col(schema.CONFIDENCE).desc(), schema.MEDIA_ID)

    def step(pairs: DataFrame) -> DataFrame:
        return pairs.withColumn("place", F.row_number().over(first)).where(F.col("place") <= count).drop("place")

    return step
