"""The run that published a day, read back from its ledger rows and its record: what it was asked, and what it read."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from pyspark.sql import functions as F

from winnow import schema
from winnow.config import Settings
from winnow.errors import DataError, InputNotReadyError
from winnow.pipeline import fetch
from winnow.run import Run
from winnow.settings import build

_OF_THE_RUN = (schema.RUN_ID, schema.CONFIG, schema.INPUT_VERSIONS, schema.STARTED_TS, schema.CODE_VERSION)


@dataclass(frozen=True)
class PastRun:
    """The run whose rows a day of the ledger has."""

    run_id: str
    day: dt.date
    #: As the run resolved them; secrets in places of tables are masked, so the places are those of the run that asks.
    settings: Settings
    #: Version of the impressions that it read.
    version: int
    started: dt.datetime
    code_version: str

    @property
    def mature_until(self) -> dt.datetime | None:
        """The moment after which its impressions had no label yet; None = all of them had had their time."""
        return self.settings.labelling.mature_until(self.day, self.started)


def past_runs(run: Run, days: Sequence[dt.date]) -> Mapping[dt.date, PastRun]:
    """Return the run that published each of the days, as far as they were.

    A day whose run left no record (it was killed between its ledger and its record) is not among them.
    """
    ledger, runs = (run.tables.read_latest(table) for table in (schema.LEDGER, schema.RUNS))
    if ledger is None or runs is None:
        return {}
    published = (
        ledger.where(F.col(schema.EVENT_DATE).isin(list(days))).select(schema.EVENT_DATE, schema.RUN_ID).distinct()
    )
    told = runs.select(*_OF_THE_RUN)
    found = {}
    for row in fetch(published.join(told, on=schema.RUN_ID, how="inner")):
        day = row[schema.EVENT_DATE]
        found[day] = PastRun(
            row[schema.RUN_ID],
            day,
            build(Settings, json.loads(row[schema.CONFIG]), f"runs.{schema.CONFIG}"),
            json.loads(row[schema.INPUT_VERSIONS])[schema.IMPRESSIONS.name],
            row[schema.STARTED_TS].astimezone(dt.UTC),
            row[schema.CODE_VERSION],
        )
    return found


def past_run(run: Run, day: dt.date) -> PastRun:
    """Return the run that published the day.

    Raises InputNotReadyError where the day was never published, or its run left no record.
    """
    found = past_runs(run, [day]).get(day)
    if found is None:
        raise InputNotReadyError(
            f"{day}: expected its rows in {run.tables.location(schema.LEDGER)} and the record of their run in "
            f"{run.tables.location(schema.RUNS)}, found none. Run prepare_examples.py --date {day} first."
        )
    return found


@contextmanager
def reading_again(run: Run, past: PastRun) -> Iterator[None]:
    """Read within it what a past run read: raises DataError where that version of the log is there no more."""
    try:
        yield
    except Exception as fault:
        if not run.tables.is_gone(fault):
            raise
        raise DataError(
            f"{past.day}: not reproducible: expected version {past.version} of {run.tables.location(schema.IMPRESSIONS)}, "
            f"which run {past.run_id} read, found it gone (VACUUM, an expired log, or older than the table's "
            "delta.deletedFileRetentionDuration). The stored rows stand; to make the day reproducible again run "
            f"prepare_examples.py --date {past.day}."
        ) from fault
