"""Rows whose parts were told by time, held against the promise that no part knows of what comes after it."""

from __future__ import annotations

from collections.abc import Collection

from pyspark.sql import DataFrame

from winnow import pipeline, schema, splitting
from winnow.run import Run


def checked_parts(run: Run, parted: DataFrame, gap_days: int, called: str) -> Collection[str]:
    """Return the parts that have rows, ``called`` so on screen; raises LeakError where one reaches into the next."""
    run.tables.describe(f"{called}: the split")
    found = {row[schema.SPLIT]: row for row in pipeline.fetch(parted.transform(splitting.bounds()))}
    splitting.check_no_leak({part: (row["first_us"], row["last_us"]) for part, row in found.items()}, gap_days)
    return found.keys()
