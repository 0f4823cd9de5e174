"""What the census counted becomes the day's funnel, the plan of its sample and the means of its weights. No Spark."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from winnow import labelling, sampling
from winnow.census import StratumCount
from winnow.config import Settings
from winnow.funnel import Funnel, LabelFunnel
from winnow.sampling import Quota, Quotas, SamplePlan
from winnow.weighting import BasisSum


def funnel_of(day: dt.date, counts: Sequence[StratumCount], reasons: Sequence[str], settings: Settings) -> Funnel:
    """Return where the day's rows went; what is kept is not known yet. ``reasons``: why rows may be refused."""
    input_rows = sum(count.log_lines for count in counts)
    quarantined = {reason: sum(count.refused[reason] for count in counts) for reason in reasons}
    labels = {}
    for name in settings.labels:
        outcome = {why: sum(count.labels[name].outcomes[why] for count in counts) for why in labelling.OUTCOMES}
        positives, negatives, middle = (
            outcome.pop(why) for why in (labelling.POSITIVE, labelling.NEGATIVE, labelling.MIDDLE)
        )
        labels[name] = LabelFunnel(positives, negatives, middle, unlabelled=outcome)
    settled = sum(count.rows for count in counts)
    rewatched = sum(count.rewatched for count in counts)
    return Funnel(day, input_rows, input_rows - settled, quarantined, rewatched, labels)


def plan_of(counts: Sequence[StratumCount], day: dt.date, settings: Settings) -> SamplePlan:
    """Return the quotas of each label and stratum: balanced, or natural on days of validation and test."""
    quotas = {}
    for label in settings.labels:
        classes = [
            (count.labels[label].outcomes[labelling.POSITIVE], count.labels[label].outcomes[labelling.NEGATIVE])
            for count in counts
        ]
        if settings.splitting.is_natural(day):
            quotas[label] = tuple(sampling.natural(classes, settings.splitting.evaluation_rate))
        else:
            quotas[label] = tuple(sampling.plan(classes, settings.sampling))
    return SamplePlan(
        settings.sampling.strata,
        tuple(count.key for count in counts),
        quotas,
        tuple(count.hash for count in counts),
    )


def end_at(plan: SamplePlan, rows: Sequence[Mapping[str, Any]]) -> SamplePlan | None:
    """Return the exact plan that ends at the draws that ``sampling.borders`` found, None where it found one too few."""
    quotas = {}
    for label, pairs in plan.quotas.items():
        settled = []
        for pair, row in zip(pairs, rows, strict=True):
            positives = _ended(pair.positives, row.get(sampling.last_draw(label, "positive")))
            negatives = _ended(pair.negatives, row.get(sampling.last_draw(label, "negative")))
            if positives is None or negatives is None:
                return None
            settled.append(Quotas(positives, negatives))
        quotas[label] = tuple(settled)
    return replace(plan, quotas=quotas)


def _ended(quota: Quota, last: float | None) -> Quota | None:
    if not quota.is_cut:
        return quota
    return None if last is None else quota.at(last + sampling.DRAW_STEP)


def quotas_of(plan: SamplePlan) -> Iterator[Quota]:
    """Return every quota of the plan: of each label, stratum and class."""
    for pairs in plan.quotas.values():
        for pair in pairs:
            yield pair.positives
            yield pair.negatives


def basis_of_all(label: str, counts: Sequence[StratumCount]) -> BasisSum:
    """Return the summed weight basis of all positives, as the census counted it."""
    positives = sum(count.labels[label].outcomes[labelling.POSITIVE] for count in counts)
    return BasisSum(positives, sum(count.labels[label].basis_units for count in counts))


def basis_of_kept(label: str, rows: Sequence[Mapping[str, Any]]) -> BasisSum:
    """Return the summed weight basis of the kept positives, as ``sampling.borders`` counted it."""
    return BasisSum(
        sum(row.get(sampling.kept_rows(label), 0) for row in rows),
        sum(row.get(sampling.kept_value(label), 0) for row in rows),
    )
