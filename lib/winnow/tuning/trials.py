"""A trial: what was tried, how it went on each fold, and the name by which it is never made twice."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from winnow.tuning.settings import Value

DONE, PRUNED, FAILED = "done", "pruned", "failed"

#: Values by the keys of settings.
Tried = Mapping[str, Value]


@dataclass(frozen=True)
class Trial:
    """A finished trial; ``value`` is the mean of its folds, None where it failed on the first."""

    place: int
    trial_id: str
    tried: Tried
    fold_values: tuple[float, ...]
    status: str
    error: str | None = None

    @property
    def value(self) -> float | None:
        """The mean of the folds that were judged."""
        return sum(self.fold_values) / len(self.fold_values) if self.fold_values else None


def trial_id(tried: Tried, about: Mapping[str, Any]) -> str:
    """Return the digest of what is tried and of all that the outcome depends on beside it, such as the data's versions."""
    told = json.dumps([as_plain(tried), about], sort_keys=True, default=str)
    return hashlib.sha256(told.encode()).hexdigest()[:20]


def as_plain(tried: Tried) -> dict[str, Any]:
    """Return what is tried as JSON has it: lists in place of tuples."""
    return {key: list(value) if isinstance(value, tuple) else value for key, value in tried.items()}


def best(trials: Sequence[Trial], sign: int = 1) -> Trial | None:
    """Return the finished trial of the largest ``sign`` * value, the earliest among equals."""
    done = [trial for trial in trials if trial.status == DONE and trial.value is not None]
    return max(done, key=lambda trial: (sign * (trial.value or 0.0), -trial.place), default=None)
