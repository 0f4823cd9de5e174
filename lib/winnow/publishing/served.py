"""What rankers read for the lists of a day: looked at while it is scored, held against training and the days before, kept."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from pyspark.sql import DataFrame, Observation
from pyspark.sql import functions as F

from winnow import features, pipeline, schema
from winnow.guards import Finding, Served, inspect_served
from winnow.moments import Moments, moments, read_moments
from winnow.publishing.profiles import clock_of
from winnow.ranking import FEATURES, Ranker
from winnow.run import Run
from winnow.slices import Slice


@dataclass(frozen=True)
class Watched:
    """A ranker, and what is seen of the rows that it scores, in the pass that scores them."""

    ranker: Ranker
    observation: Observation

    def watch(self, rows: DataFrame) -> DataFrame:
        """Return rows that have FEATURES as they are; whoever reads them all fills in the observation."""
        return rows.observe(self.observation, *moments(F.col(FEATURES)))

    def served(self, told_by_context: Collection[str]) -> Served:
        """Return what its columns were like, without those that the context tells, once the rows were read."""
        vector = self.ranker.vector
        column_of = dict(zip(vector.names, vector.column_of, strict=True))
        found = read_moments(self.observation.get, vector.names)
        return {name: one for name, one in found.items() if column_of[name] not in told_by_context}


def check_served(run: Run, as_of: dt.date, watched: Sequence[Watched]) -> Mapping[str, Served]:
    """Return by label what was read, once it was held against training and the days before.

    Raises GuardError where the settings say that such lists are not to be published.
    """
    declared = features.declared(run.settings.features, clock_of(run))
    told_by_context = {one.name for one in declared if one.source == "context"} | set(run.settings.ranking.context)
    found = {one.ranker.label: one.served(told_by_context) for one in watched}
    history = _history(run, as_of)
    findings: list[Finding] = []
    for one in watched:
        label, trained = one.ranker.label, one.ranker.trained
        before = history.get(label, [])
        findings += inspect_served(str(as_of), label, found[label], trained, before, run.settings.guards)
    run.heed(findings)
    return found


def keep_served(run: Run, where: Slice, rows: int, found: Mapping[str, Served]) -> None:
    """Replace what was read for the lists of the slice, over so many rows: what later days are held against."""
    records = [
        {
            **where,
            schema.LABEL: label,
            schema.READ_COLUMN: column,
            schema.ROWS: rows,
            schema.MEAN_VALUE: one.mean,
            schema.STANDARD_DEVIATION: one.deviation,
            schema.RUN_ID: run.run_id,
        }
        for label, served in found.items()
        for column, one in served.items()
    ]
    made = run.tables.local(schema.SERVED_COLUMNS, records)
    run.tables.replace(schema.SERVED_COLUMNS, made, where, record=run.metadata(), files=1)


def _history(run: Run, as_of: dt.date) -> dict[str, list[dict[str, Moments]]]:
    """Return by label what was read on each of the days before that have lists, in their order."""
    stored = run.tables.read_latest(schema.SERVED_COLUMNS)
    if stored is None:
        return {}
    first = as_of - dt.timedelta(days=run.settings.guards.history_days)
    run.tables.describe(f"{as_of}: what was read for the lists of the days before")
    rows = stored.where(
        (F.col(schema.MODEL) == run.settings.ranking.called)
        & (F.col(schema.AS_OF_DATE) >= F.lit(first))
        & (F.col(schema.AS_OF_DATE) < F.lit(as_of))
    )
    by_day: dict[tuple[str, dt.date], dict[str, Moments]] = {}
    for row in pipeline.fetch(rows):
        served = by_day.setdefault((row[schema.LABEL], row[schema.AS_OF_DATE]), {})
        served[row[schema.READ_COLUMN]] = Moments(row[schema.MEAN_VALUE], row[schema.STANDARD_DEVIATION])
    found: dict[str, list[dict[str, Moments]]] = {}
    for (label, _), served in sorted(by_day.items()):
        found.setdefault(label, []).append(served)
    return found
