"""Faults of real logs, laid on clean rows at known rates; the truth was made before and is not touched."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from winnow import schema
from winnow.synthetic.draws import ColumnDraws
from winnow.synthetic.settings import SyntheticSettings
from winnow.synthetic.showing import DAY_SHIFT

#: The bot's rows of a day are one session, whose number is the last that a day has room for.
_LAST_OF_DAY = (1 << DAY_SHIFT) - 1
_DAY_US = 86_400_000_000


def bot_user_id(settings: SyntheticSettings) -> int:
    """Return the id of the bot: the first that is no user's."""
    return settings.users + 1


def is_copied(settings: SyntheticSettings, impression_id: Column) -> Column:
    """Return whether the impression has a second log line."""
    copied: Column = _draws(settings).happens("dirt copied", settings.dirt.duplicate_rate, impression_id)
    return copied


def copies(settings: SyntheticSettings, impressions: DataFrame) -> DataFrame:
    """Return the second log lines: half are the same, half are heartbeats, sent while less was watched.

    The first line has the largest watch_s of the two, and is the clean row whole.
    """
    draws, key = _draws(settings), F.col(schema.IMPRESSION_ID)
    so_far = F.floor(F.col(schema.WATCH_S) * 1_000 * draws.uniform("dirt heartbeat", key)) / 1_000
    is_heartbeat = draws.happens("dirt is heartbeat", 0.5, key)
    return impressions.withColumn(schema.WATCH_S, F.when(is_heartbeat, so_far).otherwise(F.col(schema.WATCH_S)))


def soil(settings: SyntheticSettings, impressions: DataFrame) -> DataFrame:
    """Return the rows with every fault but duplicates; the lines of one impression have the same faults."""
    faults = {
        **_watch_faults(settings),
        **_duration_faults(settings),
        **_time_faults(settings),
        **_surface_faults(settings),
        **_bot(settings),
    }
    return impressions.withColumns(faults) if faults else impressions


def _watch_faults(settings: SyntheticSettings) -> dict[str, Column]:
    dirt, draws = settings.dirt, _draws(settings)
    below_zero = -1.0 - draws.whole("dirt below zero", 60_000, F.col(schema.IMPRESSION_ID)) / 1_000
    return _replaced(
        settings,
        schema.WATCH_S,
        "dirt watch",
        [
            (dirt.nan_watch_rate, F.lit(float("nan"))),
            (dirt.negative_watch_rate, below_zero),
            (dirt.null_watch_rate, F.lit(None).cast("double")),
            (dirt.infinite_watch_rate, F.lit(float("inf"))),
        ],
    )


def _duration_faults(settings: SyntheticSettings) -> dict[str, Column]:
    dirt = settings.dirt
    faults = [(dirt.zero_duration_rate, F.lit(0.0)), (dirt.null_duration_rate, F.lit(None).cast("double"))]
    return _replaced(settings, schema.MEDIA_DURATION_S, "dirt duration", faults)


def _time_faults(settings: SyntheticSettings) -> dict[str, Column]:
    dirt, draws, key = settings.dirt, _draws(settings), F.col(schema.IMPRESSION_ID)
    begins_us = F.unix_date(F.col(schema.EVENT_DATE)).cast("bigint") * _DAY_US
    late_us = (1 + draws.whole("dirt late", 600_000, key)) * 1_000
    ahead_us = F.unix_micros(F.col(schema.IMPRESSION_TS)) + (3 + draws.whole("dirt ahead", 7, key)) * _DAY_US
    faults = [
        (dirt.late_rate, F.timestamp_micros(begins_us - late_us)),
        (dirt.ahead_rate, F.timestamp_micros(ahead_us)),
    ]
    return _replaced(settings, schema.IMPRESSION_TS, "dirt time", faults)


def _surface_faults(settings: SyntheticSettings) -> dict[str, Column]:
    faults = [(settings.dirt.null_surface_rate, F.lit(None).cast("string"))]
    return _replaced(settings, schema.SURFACE, "dirt surface", faults)


def _bot(settings: SyntheticSettings) -> dict[str, Column]:
    rate = settings.dirt.bot_rate
    last = F.col(schema.IMPRESSION_ID).bitwiseOR(F.lit(_LAST_OF_DAY))
    return {
        **_replaced(settings, schema.USER_ID, "dirt bot", [(rate, F.lit(bot_user_id(settings)).cast("bigint"))]),
        **_replaced(settings, schema.SESSION_ID, "dirt bot", [(rate, last)]),
    }


def _replaced(
    settings: SyntheticSettings, column: schema.Column, purpose: str, faults: Sequence[tuple[float, Column]]
) -> dict[str, Column]:
    """Return the column with each fault at its rate: one draw a row, so that at most one of them strikes it."""
    drawn = _draws(settings).uniform(purpose, F.col(schema.IMPRESSION_ID))
    below, replaced = sum(rate for rate, _ in faults), F.col(column)
    if not below:
        return {}
    for rate, fault in reversed(faults):
        replaced = F.when(drawn < below, fault).otherwise(replaced) if rate else replaced
        below -= rate
    return {str(column): replaced}


def _draws(settings: SyntheticSettings) -> ColumnDraws:
    return ColumnDraws(settings.seed)
