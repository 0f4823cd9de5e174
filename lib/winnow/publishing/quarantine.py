"""Refused rows, kept whole with every reason, so that nothing is lost silently."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from winnow import schema
from winnow.pipeline import fetch
from winnow.run import Run
from winnow.slices import Slice


def replace_quarantine(run: Run, refused: DataFrame | None, where: Slice, source: str) -> None:
    """Replace what this job refused in a slice by ``refused`` (event_date, reasons, row); None = nothing was refused.

    ``source``: what the rows came from. A slice that has no refused rows now may have had some.
    """
    where = {**where, schema.STAGE: run.job}
    if refused is None:
        former = run.tables.read_slice(schema.QUARANTINE, where)
        if former is None or not fetch(former.limit(1)):
            return
        refused = former.where(F.lit(False)).select(schema.EVENT_DATE, schema.REASONS, schema.ROW)
    own: dict[str, Column] = {
        schema.STAGE: F.lit(run.job),
        schema.SOURCE: F.lit(source),
        schema.RUN_ID: F.lit(run.run_id),
    }
    run.tables.describe("quarantine")
    rows = refused.withColumns(own).select(*schema.QUARANTINE.columns)
    run.tables.replace(schema.QUARANTINE, rows, where, record=run.metadata(), files=1)
