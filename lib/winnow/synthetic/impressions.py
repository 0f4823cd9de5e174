"""A day of impressions, made by every task for itself of row numbers and hashes: no join, no shuffle, no driver."""

from __future__ import annotations

import datetime as dt
import math

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from winnow import schema
from winnow.synthetic import dirt, population, showing, truth, watching
from winnow.synthetic.draws import ColumnDraws
from winnow.synthetic.settings import SyntheticSettings, days_since_epoch

#: Rows of one partition where the caller leaves it open: some 60 MB as Parquet, and less than a second of work.
ROWS_PER_PARTITION = 1_000_000
_DAY_MS = 86_400_000

#: What makes a row, in order: each half is a generated method of its own.
_HALVES = (showing.SHOWING, (truth.score, truth.true_probability, *watching.WATCHING))


def impressions(
    spark: SparkSession, settings: SyntheticSettings, day: dt.date, partitions: int | None = None
) -> DataFrame:
    """Return the impressions of one day: ``rows_per_day`` rows, and the copies that ``[synthetic.dirt]`` asks for.

    Columns: those of schema.IMPRESSIONS; the actions liked, commented, shared, followed; the context surface, position,
    device, country, session_id, is_autoplay, app_version; and true_probability, with which the row is watched to
    ``positive_at_least`` of its duration, given that it does not end in the middle. Times are UTC, seconds are whole
    milliseconds. The rows are the same for any ``partitions`` (default: one a million rows) and any time zone.

    Raises SettingsError for a day before ``start_date``.
    """
    settings.day_number(day)
    partitions = partitions or math.ceil(settings.rows_per_day / ROWS_PER_PARTITION) or 1
    numbers = _dealt(spark, settings.rows_per_day, partitions)
    rows = _clean(numbers, settings, day, partitions)
    if settings.dirt.duplicate_rate:
        impression_id = F.col("id") + (days_since_epoch(day) << showing.DAY_SHIFT)
        copied = _clean(numbers.filter(dirt.is_copied(settings, impression_id)), settings, day, partitions)
        rows = rows.unionByName(dirt.copies(settings, copied))
    # As a log arrives: in the order of time. Rows in the order of their users would compress better than any log does.
    return dirt.soil(settings, rows).sortWithinPartitions(schema.IMPRESSION_TS)


def _dealt(spark: SparkSession, rows: int, partitions: int) -> DataFrame:
    """Return the row numbers ``id``, dealt to the partitions like cards.

    A user has numbers in a row, and each file of a log has rows of all users.
    """
    hand = math.ceil(rows / partitions) or 1
    dealt = F.col("id") % hand * partitions + F.floor(F.col("id") / hand)
    return spark.range(0, hand * partitions, 1, partitions).select(dealt.alias("id")).where(F.col("id") < rows)


def _clean(numbers: DataFrame, settings: SyntheticSettings, day: dt.date, partitions: int) -> DataFrame:
    """Return the clean rows of the row numbers ``id``."""
    draws = ColumnDraws(settings.seed)
    rows, row = numbers.withColumnRenamed("id", showing.ROW), {showing.ROW: F.col(showing.ROW)}
    for half in _HALVES:
        for step in half:
            made = step(draws, settings, day, row)
            rows, row = rows.withColumns(made), row | {name: F.col(name) for name in made}
        # To as many partitions as there are: nothing moves, but Spark ends the method that it generates. In one piece
        # it is longer than the 8000 bytes that the JVM compiles, and four times as slow.
        rows = rows.coalesce(partitions)
    return rows.select(*(column.alias(name) for name, column in _columns(draws, day).items()))


def _columns(draws: ColumnDraws, day: dt.date) -> dict[str, Column]:
    """Return the log's columns, in their order, of what the steps have made."""
    day_number = days_since_epoch(day)
    codes = [country.code for country in population.COUNTRIES]
    surfaces = [surface.name for surface in showing.SURFACES]
    devices = [device.name for device in showing.DEVICES]
    return {
        schema.IMPRESSION_ID: F.col(showing.IMPRESSION),
        schema.USER_ID: F.col(showing.USER),
        schema.MEDIA_ID: F.col(showing.MEDIA),
        schema.IMPRESSION_TS: F.timestamp_millis(F.col(showing.SHOWN_MS) + day_number * _DAY_MS),
        schema.EVENT_DATE: F.date_from_unix_date(F.lit(day_number)),
        schema.WATCH_S: F.col(watching.WATCH),
        schema.MEDIA_DURATION_S: F.col(showing.DURATION).cast("double"),
        **{action.column: F.col(action.column) for action in watching.ACTIONS},
        schema.SURFACE: draws.look_up(surfaces, F.col(showing.SURFACE_PLACE)),
        schema.POSITION: F.col(showing.PLACE_IN_LIST).cast("int"),
        schema.DEVICE: draws.look_up(devices, F.col(showing.DEVICE_PLACE)),
        schema.COUNTRY: draws.look_up(codes, F.col(showing.COUNTRY_PLACE)),
        schema.SESSION_ID: F.col(showing.SESSION),
        schema.IS_AUTOPLAY: F.col(showing.STARTED_ITSELF),
        schema.APP_VERSION: draws.look_up(showing.APP_VERSIONS, F.col(showing.APP_PLACE)),
        schema.TRUE_PROBABILITY: F.col(truth.PROBABILITY),
    }
