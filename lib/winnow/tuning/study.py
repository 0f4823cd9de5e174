"""A study: trials proposed, run some at a time, given up where they are behind, and told as soon as they are finished."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from winnow.errors import DataError, SettingsError
from winnow.tuning.pruning import is_hopeless
from winnow.tuning.search import proposals
from winnow.tuning.settings import TuningSettings
from winnow.tuning.trials import DONE, FAILED, PRUNED, Trial, Tried, trial_id

#: (what is tried, number of the fold from 0) -> the objective.
Judge = Callable[[Tried, int], float]
#: Told of a finished trial, its seconds and all trials so far.
Tell = Callable[[Trial, float, Sequence[Trial]], None]


def search(
    settings: TuningSettings,
    judge: Judge,
    folds: int,
    about: Mapping[str, Any],
    known: Mapping[str, Trial],
    tell: Tell,
    between: Callable[[], None] = lambda: None,
) -> list[Trial]:
    """Run the study until it has its trials or the space has no more, and return them all in the order of their places.

    ``about``: what the outcome depends on beside what is tried; ``known``: finished trials by trial_id: they are taken as
    they are and never made again; ``between``: called when no trial runs.

    The trials of a batch of ``settings.parallel`` know only of the batches before, so the study is the same whichever of
    them is first, and after a restart. A DataError of a trial is its outcome; other faults end the study, and so does
    SettingsError: a value that no setting may have.
    """
    history: list[Trial] = []
    with ThreadPoolExecutor(settings.parallel, thread_name_prefix="a-trial") as pool:
        while len(history) < settings.trials:
            batch = proposals(settings, history, min(settings.parallel, settings.trials - len(history)))
            if not batch:
                break
            before = tuple(history)
            running = []
            for place, tried in enumerate(batch, len(history) + 1):
                name = trial_id(tried, about)
                if name in known:
                    history.append(replace(known[name], place=place))
                else:
                    trial = Trial(place, name, tried, (), DONE)
                    running.append(pool.submit(_run, trial, judge, folds, before, settings, tell))
            history += [future.result() for future in running]
            history.sort(key=lambda trial: trial.place)
            between()
    return history


def _run(
    trial: Trial, judge: Judge, folds: int, before: Sequence[Trial], settings: TuningSettings, tell: Tell
) -> Trial:
    started = time.monotonic()
    values: list[float] = []
    ended = trial
    try:
        for fold in range(folds):
            values.append(judge(trial.tried, fold))
            ended = replace(trial, fold_values=tuple(values))
            if fold + 1 < folds and is_hopeless(values, before, settings):
                ended = replace(ended, status=PRUNED)
                break
    except SettingsError:
        raise
    except DataError as fault:
        ended = replace(ended, status=FAILED, error=str(fault))
    tell(ended, time.monotonic() - started, before)
    return ended
