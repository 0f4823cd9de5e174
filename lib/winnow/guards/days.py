"""A day as the guards look at it: the one that is to be published and the stored ones before it alike."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class StratumDay:
    """One label in one stratum of a day: what there was, and by which rates it is sampled."""

    positives: int
    negatives: int
    positive_rate: float
    negative_rate: float


@dataclass(frozen=True)
class Day:
    """A day, counted and planned."""

    day: dt.date
    valid_rows: int
    #: Of each label the strata that have rows, by their text in the ledger.
    labels: Mapping[str, Mapping[str, StratumDay]] = field(default_factory=dict)
    #: Valid rows whose column is null, of the columns that were counted.
    nulls: Mapping[str, int] = field(default_factory=dict)
    #: Sampled at the natural balance of classes, as days of validation and test are.
    is_natural: bool = False

    def labelled(self, label: str) -> int:
        """Return the rows that are positive or negative for the label."""
        return sum(one.positives + one.negatives for one in self._strata(label))

    def positive_share(self, label: str) -> float:
        """Return positives / (positives + negatives) in the log, 0 without either."""
        return _share(sum(one.positives for one in self._strata(label)), self.labelled(label))

    def positive_rate(self, label: str) -> float:
        """Return the rate of a positive, all strata together: rows kept for each row there was; 0 without a positive."""
        strata = list(self._strata(label))
        kept = sum(one.positive_rate * one.positives for one in strata)
        return _share(kept, sum(one.positives for one in strata))

    def negative_rate(self, label: str) -> float:
        """Return the rate of a negative, as ``positive_rate`` does of a positive."""
        strata = list(self._strata(label))
        kept = sum(one.negative_rate * one.negatives for one in strata)
        return _share(kept, sum(one.negatives for one in strata))

    def null_share(self, column: str) -> float:
        """Return the share of valid rows whose column, one of those that were counted, is null."""
        return _share(self.nulls[column], self.valid_rows)

    def _strata(self, label: str) -> Iterable[StratumDay]:
        return self.labels.get(label, {}).values()


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
