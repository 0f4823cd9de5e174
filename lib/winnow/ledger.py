"""The ledger: what each day had and kept, written for the guards, for calibration and for whoever asks."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from winnow import labelling, schema
from winnow.census import LabelCount, StratumCount
from winnow.config import Settings
from winnow.contracts import HELPER, Step, json_of, named
from winnow.guards import DayRates, LabelDay, PastDay
from winnow.sampling import Quota, Quotas, SamplePlan
from winnow.weighting import BasisSum

_OF_LABELS = f"{HELPER}of_labels"
_KNOWN, _NEW, _VANISHED = "known", "new", "vanished"


def days_before(day: dt.date, settings: Settings) -> Step:
    """Return the step from the ledger to the rows of the days before ``day`` that it is compared with.

    Days of validation and test are left out: they are sampled by another rule.
    """
    days = [day - dt.timedelta(days=back) for back in range(1, settings.guards.history_days + 1)]
    alike = [past for past in days if settings.splitting.is_natural(past) == settings.splitting.is_natural(day)]
    return lambda ledger: ledger.where(F.col(schema.EVENT_DATE).isin(alike) & (F.col(schema.IMPRESSION_ROWS) > 0))


def totals() -> Step:
    """Return the step from ledger rows to one row a day and label: rows, positives, negatives and what was kept."""
    counted = (
        schema.IMPRESSION_ROWS,
        schema.POSITIVES,
        schema.NEGATIVES,
        schema.KEPT_POSITIVES,
        schema.KEPT_NEGATIVES,
    )
    return lambda ledger: ledger.groupBy(schema.EVENT_DATE, schema.LABEL).agg(
        *(F.sum(name).alias(name) for name in counted)
    )


def strata() -> Step:
    """Return the step from ledger rows to one row a label and stratum that had rows."""
    return lambda ledger: ledger.select(schema.LABEL, schema.STRATUM).distinct()


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


def past_days(rows: Sequence[Mapping[str, Any]]) -> list[PastDay]:
    """Return the days that ``totals`` told of."""
    days: dict[dt.date, list[Mapping[str, Any]]] = {}
    for row in rows:
        days.setdefault(row[schema.EVENT_DATE], []).append(row)
    return [
        PastDay(day, labels[0][schema.IMPRESSION_ROWS], {row[schema.LABEL]: _rates(row) for row in labels})
        for day, labels in sorted(days.items())
    ]


def label_days(counts: Sequence[StratumCount], plan: SamplePlan, known: Mapping[str, set[str]]) -> dict[str, LabelDay]:
    """Return the day itself as the guards look at it; ``known``: the strata of each label in the days before."""
    days = {}
    for label, pairs in plan.quotas.items():
        rates = DayRates(_day_rate([pair.positives for pair in pairs]), _day_rate([pair.negatives for pair in pairs]))
        strata_here = {
            count.stratum: (pair.positives.available, pair.negatives.available)
            for count, pair in zip(counts, pairs, strict=True)
            if count.valid_rows
        }
        days[label] = LabelDay(rates, strata_here, known.get(label))
    return days


def stored_label_days(rows: Sequence[Mapping[str, Any]], known: Mapping[str, set[str]]) -> dict[str, LabelDay]:
    """Return a stored day, all of its ledger rows, as the guards look at it; ``known``: as for ``label_days``."""
    days = {}
    for label in dict.fromkeys(row[schema.LABEL] for row in rows):
        mine = [row for row in rows if row[schema.LABEL] == label]
        rates = DayRates(
            _stored_rate(mine, schema.POSITIVES, schema.POSITIVE_RATE),
            _stored_rate(mine, schema.NEGATIVES, schema.NEGATIVE_RATE),
        )
        strata_here = {
            row[schema.STRATUM]: (row[schema.POSITIVES], row[schema.NEGATIVES])
            for row in mine
            if row[schema.IMPRESSION_ROWS]
        }
        days[label] = LabelDay(rates, strata_here, known.get(label))
    return days


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


def _rates(row: Mapping[str, Any]) -> DayRates:
    def rate(kept: str, there: str) -> float:
        return float(row[kept] / row[there]) if row[there] else 0.0

    return DayRates(rate(schema.KEPT_POSITIVES, schema.POSITIVES), rate(schema.KEPT_NEGATIVES, schema.NEGATIVES))


def _stored_rate(rows: Sequence[Mapping[str, Any]], available: str, rate: str) -> float:
    there = sum(row[available] for row in rows)
    return float(sum(row[rate] * row[available] for row in rows) / there) if there else 0.0


def _day_rate(quotas: Sequence[Quota]) -> float:
    there = sum(quota.available for quota in quotas)
    return sum(quota.rate * quota.available for quota in quotas) / there if there else 0.0
