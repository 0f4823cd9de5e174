"""Pruning: a trial that is behind the others after some folds is given up before it costs the rest of them."""

from __future__ import annotations

from collections.abc import Sequence

from winnow.tuning.settings import TuningSettings
from winnow.tuning.trials import FAILED, Trial

#: Share of the trials that reached a fold which go on from it.
_SHARE = {"median": 1 / 2, "halving": 1 / 3}


def is_hopeless(values: Sequence[float], history: Sequence[Trial], settings: TuningSettings) -> bool:
    """Return whether a trial with these values on its first folds is behind what goes on, of the trials so far.

    median: worse than the median of their means over the same folds (Golovin et al., KDD 2017). halving: not among the best third
    of those that reached the fold (Li et al., MLSys 2020).
    """
    if settings.pruning == "none":
        return False
    folds = len(values)
    reached = [
        trial.fold_values[:folds] for trial in history if trial.status != FAILED and len(trial.fold_values) >= folds
    ]
    if len(reached) < settings.startup:
        return False
    means = sorted((settings.sign * sum(others) / folds for others in reached), reverse=True)
    least = means[max(1, round(len(means) * _SHARE[settings.pruning])) - 1]
    return settings.sign * sum(values) / folds < least
