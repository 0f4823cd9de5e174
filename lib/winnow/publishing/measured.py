"""Sums of groups of users, made into records of METRICS: each metric with its interval, and its difference from a baseline."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from winnow import schema
from winnow.evaluation import lists
from winnow.evaluation.intervals import Array, Asked, Difference, Interval, Paired, Resampled, ratio_of, root_of
from winnow.evaluation.settings import EvaluationSettings

Record = dict[str, Any]


class Model(NamedTuple):
    """What is measured: a table may call one of its models as another table does one of its own."""

    table: schema.Table
    name: str

    @property
    def record(self) -> Record:
        """The columns of METRICS that name it."""
        return {schema.MEASURED: self.table.name, schema.MODEL: self.name}


class Mean(NamedTuple):
    """A metric that is one sum divided by another, or the root of that."""

    metric: str
    k: int | None
    above: str
    below: str
    is_root: bool = False


class Sums:
    """The sums of each group of users, by slice."""

    def __init__(self, rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> None:
        """Keep the sums ``names`` of rows with lists.GROUP and, where there are slices, slice; rows of one group add up."""
        self.names = list(names)
        self._groups: dict[str, dict[int, Array]] = {}
        for row in rows:
            own = self._groups.setdefault(row.get(schema.SLICE, lists.ALL), {})
            sums = np.array([row[name] for name in names], dtype=float)
            own[row[lists.GROUP]] = own[row[lists.GROUP]] + sums if row[lists.GROUP] in own else sums

    @property
    def slices(self) -> list[str]:
        """The slices that there are, in order."""
        return sorted(self._groups)

    def groups(self, where: str) -> set[int]:
        """Return the groups that have users in the slice."""
        return set(self._groups.get(where, {}))

    def of(self, where: str, groups: Sequence[int]) -> Array:
        """Return one row for each of ``groups``: zeros where it has no users in the slice."""
        nothing, own = np.zeros(len(self.names)), self._groups.get(where, {})
        return np.array([own.get(group, nothing) for group in groups]).reshape(len(groups), len(self.names))


def asked_of(settings: EvaluationSettings) -> Asked:
    """Return how intervals are made."""
    return Asked(settings.resamples, settings.confidence, settings.seed)


def compare(
    sums: Mapping[Model, Sums], metrics: Sequence[Mean], asked: Asked, baseline: Model | None
) -> Iterator[Record]:
    """Yield a record for each model, slice and metric, and one for each difference from the baseline.

    All models are resampled on the same groups of users.
    """
    for where in sorted({name for own in sums.values() for name in own.slices}):
        groups = sorted(set[int]().union(*(own.groups(where) for own in sums.values())))
        resampled = {model: Resampled(own.of(where, groups), asked) for model, own in sums.items()}
        for model, own in sums.items():
            alone = resampled[model]
            paired = Paired(alone, resampled[baseline]) if baseline is not None and baseline != model else None
            for mean in metrics:
                above, below = own.names.index(mean.above), own.names.index(mean.below)
                ratio = (root_of if mean.is_root else ratio_of)(above, below)
                record = {
                    **model.record,
                    schema.METRIC: mean.metric,
                    schema.K: mean.k,
                    schema.SLICE: where,
                    schema.UNITS: int(alone.total[below]),
                }
                yield record | told(alone.interval(ratio))
                if paired is not None and baseline is not None:
                    yield record | told_difference(paired.difference(ratio), baseline.name)


def told(interval: Interval) -> Record:
    """Return the interval as METRICS has it; what is not known is null."""
    columns = (schema.VALUE, schema.STANDARD_ERROR, schema.LOW, schema.HIGH)
    return {column: None if math.isnan(value) else value for column, value in zip(columns, interval, strict=True)}


def told_difference(difference: Difference, baseline: str) -> Record:
    """Return the difference from the baseline as METRICS has it."""
    p_value = None if math.isnan(difference.p_value) else difference.p_value
    return told(difference.interval) | {schema.BASELINE: baseline, schema.P_VALUE: p_value}
