"""The sequential search: the tree-structured Parzen estimator of optuna, asked anew from the trials so far.

Bergstra, Bardenet, Bengio, Kegl, "Algorithms for Hyper-Parameter Optimization" (NIPS 2011).
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from winnow.errors import SettingsError
from winnow.tuning.settings import Dimension, TuningSettings, Value
from winnow.tuning.trials import DONE, PRUNED, Trial, Tried

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

#: Points that are asked for beyond those wanted, since some may have been tried.
_SPARE = 20


def propose(settings: TuningSettings, history: Sequence[Trial], n: int) -> Iterator[Tried]:
    """Yield points where the trials so far promise most, the same for the same history; some may have been tried.

    What is proposed together is spread (a point that was asked for counts as a bad one until it is known). Raises
    SettingsError where optuna is not installed.
    """
    try:
        import optuna  # an extra: only this search needs it
    except ImportError as missing:
        raise SettingsError(
            f'tuning.search: expected the package optuna for "sequential", found: {missing}. Install winnow[tune], or take '
            '"random" or "grid".'
        ) from missing
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    distributions = {key: _distribution(dimension) for key, dimension in settings.dimensions.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is experimental in optuna is not what the user asked about
        # One seed a place in the search: begun again from the same trials, it goes on as it would have.
        sampler = optuna.samplers.TPESampler(
            seed=_seed(settings, len(history)), n_startup_trials=1, multivariate=True, constant_liar=True, gamma=_good
        )
        study = optuna.create_study(direction="maximize", sampler=sampler)
    for trial in history:
        study.add_trial(_told(trial, settings, distributions))
    for _ in range(n + _SPARE):
        asked = study.ask(distributions)
        yield {key: _value(settings.dimensions[key], asked.params[key]) for key in settings.dimensions}


def _told(trial: Trial, settings: TuningSettings, distributions: Mapping[str, BaseDistribution]) -> Any:
    import optuna

    states = {DONE: optuna.trial.TrialState.COMPLETE, PRUNED: optuna.trial.TrialState.PRUNED}
    gain = None if trial.value is None else settings.sign * trial.value
    state = states.get(trial.status, optuna.trial.TrialState.FAIL)
    return optuna.trial.create_trial(
        params={key: _param(one, trial.tried[key]) for key, one in settings.dimensions.items()},
        distributions=dict(distributions),
        value=gain if state is optuna.trial.TrialState.COMPLETE else None,
        intermediate_values={at: settings.sign * value for at, value in enumerate(trial.fold_values)},
        state=state,
    )


def _distribution(dimension: Dimension) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if dimension.choices:
        return CategoricalDistribution([_param(dimension, value) for value in dimension.choices])
    assert dimension.low is not None
    assert dimension.high is not None
    if dimension.is_whole:
        return IntDistribution(int(dimension.low), int(dimension.high), log=dimension.log)
    return FloatDistribution(float(dimension.low), float(dimension.high), log=dimension.log)


def _param(dimension: Dimension, value: Value) -> Any:
    """Return a value as optuna keeps it: a choice by its text, since a list is no choice there."""
    return json.dumps(value) if dimension.choices else value


def _value(dimension: Dimension, param: Any) -> Value:
    if not dimension.choices:
        value: Value = param
        return value
    return next(choice for choice in dimension.choices if json.dumps(choice) == param)


def _good(trials: int) -> int:
    """Return how many of the trials count as good: a quarter; optuna's tenth is one trial for most of a short study."""
    return -(-trials // 4)


def _seed(settings: TuningSettings, place: int) -> int:
    return int.from_bytes(hashlib.sha256(f"{settings.seed} {place}".encode()).digest()[:4])
