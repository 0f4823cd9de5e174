"""What rankers read for the lists of a day: looked at while it is scored, held against training and the days before, kept."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pyspark.sql import DataFrame, Observation
from pyspark.sql import functions as F

from winnow import features, guards, pipeline, schema
from winnow.guards import Served
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

    def served(self, told_by_context: Sequence[str]) -> Served:
        """Return what its columns were like, without those that the context tells, once the rows were read."""
        vector = self.ranker.vector
        column_of = dict(zip(vector.names, vector.column_of, strict=True))
        found = read_moments(self.observation.get, vector.names)
        return {name: one for name, one in found.items() if column_of[name] not in told_by_context}


def check_served(run: Run, as_of: dt.date, watched: Sequence[Watched]) -> Mapping[str, Served]:
    """Return by label what was read, once it was held against training and the days before.

    Raises GuardError where the settings say that such lists are not to be published.
    """
    settings = run.settings
    of_context = {one.name for one in features.declared(settings.features, clock_of(run)) if one.source == "context"}
    own = sorted(of_context | set(settings.ranking.context))
    found = {one.ranker.label: one.served(own) for one in watched}
    history = _history(run, as_of)
    run.heed(
        [
            finding
            for one in watched
            for finding in guards.inspect_served(
                str(as_of),
                one.ranker.label,
                found[one.ranker.label],
                one.ranker.trained,
                [day[one.ranker.label] for day in history.values() if one.ranker.label in day],
                settings.guards,
            )
        ]
    )
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


def _history(run: Run, as_of: dt.date) -> dict[dt.date, dict[str, dict[str, Moments]]]:
    """Return, of the days before that have lists, in order, what each label read."""
    stored = run.tables.read_latest(schema.SERVED_COLUMNS)
    if stored is None:
        return {}
    first = as_of - dt.timedelta(days=run.settings.guards.history_days)
    run.tables.describe(f"{as_of}: what was read for the lists of the days before")
    found: dict[dt.date, dict[str, dict[str, Moments]]] = {}
    rows = stored.where(
        (F.col(schema.MODEL) == run.settings.ranking.called)
        & (F.col(schema.AS_OF_DATE) >= F.lit(first))
        & (F.col(schema.AS_OF_DATE) < F.lit(as_of))
    )
    for row in sorted(pipeline.fetch(rows), key=lambda row: row[schema.AS_OF_DATE]):
        of_day = found.setdefault(row[schema.AS_OF_DATE], {})
        of_label = of_day.setdefault(row[schema.LABEL], {})
        of_label[row[schema.READ_COLUMN]] = Moments(row[schema.MEAN_VALUE], row[schema.STANDARD_DEVIATION])
    return found
