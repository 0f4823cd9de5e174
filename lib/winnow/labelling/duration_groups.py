"""The thresholds of ``duration_quantile`` labels: watch times compared among media about as long."""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from winnow import schema
from winnow.contracts import Step
from winnow.errors import SettingsError
from winnow.labelling.kinds import DurationQuantile, Label, decimal_ratio, has_duration


def needs_duration_groups(labels: Mapping[str, Label]) -> bool:
    """Return whether any label is of kind duration_quantile, so that ``duration_groups`` must be run first."""
    return any(isinstance(label, DurationQuantile) for label in labels.values())


def duration_groups(labels: Mapping[str, Label]) -> Step:
    """Return the step from valid, settled rows to one row a duration_quantile label and duration group.

    Rows out: the fields of ``DurationGroup``: label, longest_s, positive_from_s, negative_to_s (seconds). The groups
    hold equally many rows, but for rows of one duration, which stay together.
    """

    def step(rows: DataFrame) -> DataFrame:
        # Only these two: a log may call a column of its own rows, group or total.
        times = rows.select(schema.WATCH_S, schema.MEDIA_DURATION_S)
        played = times.where(has_duration() & F.col(schema.WATCH_S).isNotNull())
        found: DataFrame | None = None
        for name, label in labels.items():
            if isinstance(label, DurationQuantile):
                thresholds = _thresholds(played, name, label)
                found = thresholds if found is None else found.unionByName(thresholds)
        if found is None:
            raise SettingsError("labels: expected a label of kind duration_quantile, found none")
        return found

    return step


def _thresholds(played: DataFrame, name: str, label: DurationQuantile) -> DataFrame:
    watch, duration = F.col(schema.WATCH_S), F.col(schema.MEDIA_DURATION_S)
    shorter = Window.orderBy(duration).rowsBetween(Window.unboundedPreceding, -1)
    durations = (
        played.groupBy(duration)
        .agg(F.count(F.lit(1)).alias("rows"))
        .withColumn("below", F.coalesce(F.sum("rows").over(shorter), F.lit(0)))
        .withColumn("total", F.sum("rows").over(Window.partitionBy(F.lit(0))))
        .select(duration, F.floor(F.col("below") * label.groups / F.col("total")).alias("group"))
    )
    in_group = Window.partitionBy("group")
    less = in_group.orderBy(watch).rowsBetween(Window.unboundedPreceding, -1)
    watch_times = (
        played.join(F.broadcast(durations), on=schema.MEDIA_DURATION_S, how="inner")
        .groupBy("group", watch)
        .agg(F.count(F.lit(1)).alias("rows"), F.max(duration).alias("longest_s"))
        .withColumn("below", F.coalesce(F.sum("rows").over(less), F.lit(0)))
        .withColumn("total", F.sum("rows").over(in_group))
    )
    # In whole numbers: 0.55 * 100 rows are 55.00000000000001, which 55 rows would not reach.
    high, low = decimal_ratio(label.positive_at_least), decimal_ratio(label.negative_at_most)
    reaches_positive = (F.col("below") + F.col("rows")) * high.denominator >= F.col("total") * high.numerator
    stays_negative = F.col("below") * low.denominator <= F.col("total") * low.numerator
    return (
        watch_times.groupBy("group")
        .agg(
            F.lit(name).alias(schema.LABEL),
            F.max("longest_s").alias("longest_s"),
            F.min(F.when(reaches_positive, watch)).alias("positive_from_s"),
            F.max(F.when(stays_negative, watch)).alias("negative_to_s"),
        )
        .drop("group")
    )
