"""The ledger: what each day had and kept, written for the guards, for calibration and for whoever asks."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from winnow import labelling, schema
from winnow.census import LabelCount, StratumCount
from winnow.config import Settings
from winnow.contracts import HELPER, Step, json_of, named
from winnow.guards import Day, StratumDay
from winnow.sampling import Quota, Quotas, SamplePlan
from winnow.weighting import BasisSum

_OF_LABELS = f"{HELPER}of_labels"
_KNOWN, _NEW, _VANISHED = "known", "new", "vanished"
#: What the guards compare of a stored day.
_COMPARED = (
    schema.EVENT_DATE,
    schema.LABEL,
    schema.STRATUM,
    schema.IMPRESSION_ROWS,
    schema.POSITIVES,
    schema.NEGATIVES,
    schema.POSITIVE_RATE,
    schema.NEGATIVE_RATE,
    schema.NULL_ROWS,
)


def days_until(day: dt.date, settings: Settings) -> Step:
    """Return the step from the ledger to the rows of the days before ``day`` that it is compared with, and to its own former ones."""
    days = [day - dt.timedelta(days=back) for back in range(settings.guards.history_days + 1)]
    has_rows = F.col(schema.IMPRESSION_ROWS) > 0
    return lambda ledger: ledger.where(F.col(schema.EVENT_DATE).isin(days) & has_rows).select(*_COMPARED)


def count_kept(strata: Sequence[str], labels: Sequence[str]) -> Step:
    """Return the step from stored examples to one row a stratum and label: stratum, label, kept_positives, kept_negatives."""

    def step(examples: DataFrame) -> DataFrame:
        kept = [
            F.struct(
                F.lit(label).alias(schema.LABEL),
                F.count_if(F.col(schema.label_column(label)) == 1).alias(schema.KEPT_POSITIVES),
                F.count_if(F.col(schema.label_column(label)) == 0).alias(schema.KEPT_NEGATIVES),
            )
            for label in labels
        ]
        # Texts are made of strata, not of rows.
        by_stratum = examples.groupBy(*strata).agg(F.array(*kept).alias(_OF_LABELS))
        told = by_stratum.select(
            json_of({name: named(name) for name in strata}).alias(schema.STRATUM),
            F.explode(_OF_LABELS).alias(_OF_LABELS),
        )
        return told.select(schema.STRATUM, f"{_OF_LABELS}.*")

    return step


def stored_days(rows: Sequence[Mapping[str, Any]], is_natural: Callable[[dt.date], bool]) -> list[Day]:
    """Return the days that have ledger rows, in order, as the guards look at them; a stratum that was empty is none.

    ``is_natural``: whether a day was sampled as one of validation or test.
    """
    by_day: dict[dt.date, list[Mapping[str, Any]]] = {}
    for row in rows:
        if row[schema.IMPRESSION_ROWS]:
            by_day.setdefault(row[schema.EVENT_DATE], []).append(row)
    return [_stored_day(day, mine, is_natural=is_natural(day)) for day, mine in sorted(by_day.items())]


def planned_day(day: dt.date, counts: Sequence[StratumCount], plan: SamplePlan, *, is_natural: bool) -> Day:
    """Return a day that is counted and planned, and not stored yet, as the guards look at it."""
    labels = {
        label: {
            count.stratum: StratumDay(
                pair.positives.available, pair.negatives.available, pair.positives.rate, pair.negatives.rate
            )
            for count, pair in zip(counts, pairs, strict=True)
            if count.valid_rows
        }
        for label, pairs in plan.quotas.items()
    }
    return Day(
        day, sum(count.valid_rows for count in counts), labels, _summed(count.nulls for count in counts), is_natural
    )


def _stored_day(day: dt.date, rows: Sequence[Mapping[str, Any]], *, is_natural: bool) -> Day:
    labels: dict[str, dict[str, StratumDay]] = {}
    for row in rows:
        labels.setdefault(row[schema.LABEL], {})[row[schema.STRATUM]] = StratumDay(
            row[schema.POSITIVES], row[schema.NEGATIVES], row[schema.POSITIVE_RATE], row[schema.NEGATIVE_RATE]
        )
    # What is told of a stratum and not of a label stands in the rows of each label.
    of_one = [row for row in rows if row[schema.LABEL] == rows[0][schema.LABEL]]
    nulls = _summed(json.loads(row[schema.NULL_ROWS] or "{}") for row in of_one)
    return Day(day, sum(row[schema.IMPRESSION_ROWS] for row in of_one), labels, nulls, is_natural)


def _summed(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Return the sums by column."""
    sums: dict[str, int] = {}
    for one in counts:
        for column, rows in one.items():
            sums[column] = sums.get(column, 0) + rows
    return sums


def records(
    day: dt.date,
    counts: Sequence[StratumCount],
    plan: SamplePlan,
    basis: Mapping[str, BasisSum],
    kept: Mapping[tuple[str, str], tuple[int, int]],
    known: Mapping[str, set[str]],
    run_id: str,
    units: float,
) -> list[dict[str, Any]]:
    """Return the day's ledger rows, as records with the table's columns.

    ``kept``: (label, stratum) -> positives and negatives in the stored table; ``units``: units in 1 of the weight basis.
    Strata that had rows in the days before and have none now stand as vanished, with counts of 0.
    """
    made = []
    for label, pairs in plan.quotas.items():
        total = basis[label]
        mean = total.units / units / total.positives if total.positives else None
        shared: dict[str, Any] = {
            schema.EVENT_DATE: day,
            schema.LABEL: label,
            schema.MEAN_BASIS: mean,
            schema.RUN_ID: run_id,
        }
        seen = known.get(label)
        for count, pair in zip(counts, pairs, strict=True):
            positives, negatives = kept.get((label, count.stratum), (0, 0))
            made.append(
                {
                    **shared,
                    **_counts(count.labels[label], count.valid_rows),
                    **_quotas(pair),
                    schema.STRATUM: count.stratum,
                    schema.KEPT_POSITIVES: positives,
                    schema.KEPT_NEGATIVES: negatives,
                    schema.STATE: _state(count, seen),
                    schema.NULL_ROWS: json.dumps(count.nulls),
                }
            )
        nothing = LabelCount(dict.fromkeys(labelling.OUTCOMES, 0), 0, 0)
        for stratum in sorted((seen or set()) - {count.stratum for count in counts}):
            made.append(
                {
                    **shared,
                    **_counts(nothing, 0),
                    **_quotas(Quotas(Quota.of(0, 0.0), Quota.of(0, 0.0))),
                    schema.STRATUM: stratum,
                    schema.KEPT_POSITIVES: 0,
                    schema.KEPT_NEGATIVES: 0,
                    schema.STATE: _VANISHED,
                    schema.NULL_ROWS: None,
                }
            )
    return made


def _state(count: StratumCount, seen: Collection[str] | None) -> str:
    if seen is None:
        return _KNOWN
    if count.stratum not in seen:
        return _NEW
    return _KNOWN if count.valid_rows else _VANISHED  # its rows were all refused


def _counts(count: LabelCount, valid_rows: int) -> dict[str, Any]:
    positives, negatives = count.outcomes[labelling.POSITIVE], count.outcomes[labelling.NEGATIVE]
    middle = count.outcomes[labelling.MIDDLE]
    return {
        schema.IMPRESSION_ROWS: valid_rows,
        schema.POSITIVES: positives,
        schema.NEGATIVES: negatives,
        schema.MIDDLE: middle,
        schema.UNLABELLED: valid_rows - positives - negatives - middle,
        schema.MEAN_WATCH_S: count.watch_us / 1e6 / positives if positives else None,
    }


def _quotas(pair: Quotas) -> dict[str, Any]:
    return {
        schema.TARGET_POSITIVES: pair.positives.target,
        schema.TARGET_NEGATIVES: pair.negatives.target,
        schema.POSITIVE_THRESHOLD: pair.positives.threshold,
        schema.NEGATIVE_THRESHOLD: pair.negatives.threshold,
        schema.POSITIVE_RATE: pair.positives.rate,
        schema.NEGATIVE_RATE: pair.negatives.rate,
    }
