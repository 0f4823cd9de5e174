"""A published day made again from its record alone, and held against what is stored."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from winnow import pipeline, schema
from winnow.contracts import named
from winnow.errors import DataError, InputNotReadyError
from winnow.publishing.past_runs import PastRun, past_run, reading_again
from winnow.run import Run

#: Number of rows, and for each column the sum of its values' hashes: equal for equal rows, in any order.
Fingerprint = Mapping[str, int]


def verify_examples(run: Run, day: dt.date) -> None:
    """Prepare the day again, of the version and with the settings that its ledger's run had, and compare every column.

    Nothing is written but the record of this run. Raises InputNotReadyError for a day that was never published, DataError
    where the day is not reproducible, since its version of the log is gone, or where the stored rows are others.
    """
    tables, past = run.tables, past_run(run, day)
    stored = tables.read_slice(schema.EXAMPLES, {schema.EVENT_DATE: day})
    if stored is None:
        raise InputNotReadyError(
            f"{day}: expected examples at {tables.location(schema.EXAMPLES)}, found no table. Run prepare_examples.py."
        )
    with reading_again(run, past):
        rebuilt = _rebuilt(run, past)
    tables.describe(f"{day}: fingerprint of the stored rows")
    found = _fingerprint(stored)
    # A column that only one of them has is null in the other.
    differing = sorted(name for name in {*found, *rebuilt} if found.get(name, 0) != rebuilt.get(name, 0))
    if differing:
        raise DataError(
            f"{day}: expected the rows that run {past.run_id} ({past.code_version}) makes of version {past.version}, found "
            f"others in {', '.join(differing)} ({rebuilt[schema.ROWS]:,} rows made again, {found[schema.ROWS]:,} stored). "
            f"Were they changed by hand? prepare_examples.py --date {day} makes them right."
        )
    run.say(
        f"{day}: verified: {found[schema.ROWS]:,} rows, {len(found) - 1} columns equal, from version {past.version}"
    )


def _rebuilt(run: Run, past: PastRun) -> Fingerprint:
    log = run.tables.read(schema.IMPRESSIONS, past.version)
    prepared = pipeline.prepare(
        log, past.day, past.settings, mature_until=past.mature_until, describe=run.tables.describe
    )
    run.tables.describe(f"{past.day}: fingerprint of the rows made again")
    return _fingerprint(prepared.examples)


def _fingerprint(rows: DataFrame) -> Fingerprint:
    sums = [F.sum(_hash(name, kind).cast("decimal(38,0)")).alias(name) for name, kind in rows.dtypes]
    (found,) = pipeline.fetch(rows.agg(F.count(F.lit(1)).alias(schema.ROWS), *sums))
    return {name: int(value or 0) for name, value in found.items()}


def _hash(name: str, kind: str) -> Column:
    """Return the hash of a value, 0 of null; a map has no hash, but its text has."""
    column = F.to_json(F.struct(named(name))) if "map<" in kind or "variant" in kind else named(name)
    return F.when(named(name).isNotNull(), F.xxhash64(column)).otherwise(F.lit(0))
