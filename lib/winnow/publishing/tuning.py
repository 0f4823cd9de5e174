"""A search for settings: trials judged on time-ordered folds of the examples, kept one by one, the best of them as a conf."""

from __future__ import annotations

import datetime as dt
import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from winnow import ranking, retrieval, schema, splitting, tuning
from winnow.errors import DataError, LeakError, SettingsError
from winnow.evaluation import scores
from winnow.evaluation.ranking import METRICS_OF_LISTS
from winnow.pipeline import fetch
from winnow.publishing.metrics import days_of
from winnow.publishing.trial_folds import Folds
from winnow.publishing.trials import judged
from winnow.retrieval.settings import OF_SPARK_ML
from winnow.run import Run
from winnow.settings import check
from winnow.tuning import Trial, Tried

FILE = "best.toml"
#: Sections of conf that no outcome of a trial depends on.
_ASIDE = ("engine", "guards", "importing", "reporting", "synthetic", "tables", "tuning", "writing")


def publish_trials(run: Run) -> None:
    """Search ``tuning.space`` on folds of the run's days, append each finished trial, and write the best as a conf file.

    Trials of the same study, data and settings that were finished before are not made again: a study that was stopped goes
    on. Raises SettingsError for a space that the settings do not allow, LeakError for days of the test, InputNotReadyError
    without examples on the days of a fold, DataError where no trial came to an end.
    """
    settings = run.settings.tuning
    _check(run)
    splits = splitting.folds(days_of(run), run.settings.splitting.folds)
    if run.is_dry:
        run.say(_planned(run, splits))
        return
    with ExitStack() as stack:
        folds = Folds(run, splits, stack)
        known = _known(run)
        progress = tuning.Progress(settings.trials - len(known), sys.stderr)

        def judge(tried: Tried, place: int) -> float:
            return judged(_trial_run(run, tried), folds, folds.all[place])

        def tell(trial: Trial, seconds: float, before: Sequence[Trial]) -> None:
            _append(run, trial, seconds)
            reached = tuning.best([*before, trial], settings.sign)
            progress.tell(reached.value if reached else None)
            run.measure(settings.objective, trial.value, trial.place)
            run.say(_told(trial, reached))

        trials = tuning.search(settings, judge, len(splits), _about(run, splits), known, tell, run.tables.release)
        progress.end()
    _write_best(run, trials)


def _check(run: Run) -> None:
    """Raise for what cannot be searched, before the first trial."""
    settings, split = run.settings.tuning, run.settings.splitting
    _check_objective(run)
    for point in tuning.grid(settings.dimensions) if len(settings.dimensions) == 1 else _ends(settings):
        run.settings.changed(tuning.as_plain(point))
    if split.test_start is not None and run.days[-1] >= split.test_start:
        raise LeakError(
            f"tuning: expected days before the test, which begins on {split.test_start}, found {run.days[-1]}: settings that "
            "were chosen by the test know of it. Give an earlier --end."
        )


def _check_objective(run: Run) -> None:
    """Raise SettingsError for a model that there is not, or that the objective is not of."""
    settings = run.settings.tuning
    is_ranker = settings.model in ranking.LEARNERS
    if not is_ranker and settings.model not in retrieval.LEARNERS:
        known = ", ".join((*retrieval.LEARNERS, *ranking.LEARNERS))
        raise SettingsError(
            f"tuning.model: expected a source of candidates or a ranker ({known}), found {settings.model!r}"
        )
    of_scores = [
        name for name in scores.METRICS_OF_SCORES if name != scores.CALIBRATION_RATIO
    ]  # best at 1, not at an end
    if settings.metric not in (METRICS_OF_LISTS if settings.k is not None else of_scores if is_ranker else ()):
        known = f"a metric of lists ({', '.join(METRICS_OF_LISTS)}) at N"
        known += f", or one of scores ({', '.join(of_scores)})" if is_ranker else ""
        raise SettingsError(f"tuning.objective: expected {known}, found {settings.objective!r}")
    if (is_ranker or settings.model in OF_SPARK_ML) and not run.tables.has_spark_ml:
        raise SettingsError(
            f"tuning.model: expected one that the engine can fit, found {settings.model}, which needs Spark ML. Use --engine spark."
        )
    if is_ranker:
        labels = run.settings.ranking.labels
        check(len(labels) == 1, "ranking.labels", "the one label that is tuned for", labels)
        if settings.k is None and not ranking.LEARNERS[settings.model].is_probability:
            raise SettingsError(
                f"tuning.objective: expected a metric of lists at N for {settings.model}, whose scores are an order and no "
                f"probabilities, found {settings.objective!r}"
            )


def _ends(settings: tuning.TuningSettings) -> list[Tried]:
    """Return points that have every end of every dimension, and every choice."""
    alone = [list(tuning.grid({key: dimension})) for key, dimension in settings.dimensions.items()]
    longest = max(map(len, alone))
    return [
        {key: value for points in alone for key, value in points[min(place, len(points) - 1)].items()}
        for place in range(longest)
    ]


def _trial_run(run: Run, tried: Tried) -> Run:
    """Return the run with the settings that are tried; of a ranker its learner is the one that is tuned."""
    model = run.settings.tuning.model
    learner = {"ranking.model": model} if model in ranking.LEARNERS else {}
    return replace(run, settings=run.settings.changed(tuning.as_plain(tried) | learner))


def _about(run: Run, splits: Sequence[splitting.Split]) -> dict[str, Any]:
    """Return what the outcome of a trial depends on beside what is tried."""
    settings = run.settings.tuning
    record = {name: section for name, section in run.settings.as_record().items() if name not in _ASIDE}
    return {
        "versions": run.tables.pinned,
        str(schema.MODEL): settings.model,
        str(schema.OBJECTIVE): settings.objective,
        "folds": [str(split.periods()) for split in splits],
        "pruning": settings.pruning,
        "settings": record,
    }


def _known(run: Run) -> dict[str, Trial]:
    """Return the finished trials of the study by their id, of whatever data they were."""
    stored = run.tables.read_latest(schema.TRIALS)
    if stored is None:
        return {}
    rows = fetch(stored.where(stored[schema.STUDY] == run.settings.tuning.study))
    return {row[schema.TRIAL_ID]: _trial(row) for row in rows}


def _trial(row: Mapping[str, Any]) -> Trial:
    tried = {
        key: tuple(value) if isinstance(value, list) else value for key, value in json.loads(row[schema.TRIED]).items()
    }
    values = tuple(row[schema.FOLD_VALUES] or ())
    return Trial(row[schema.TRIAL], row[schema.TRIAL_ID], tried, values, row[schema.STATUS], row[schema.ERROR])


def _append(run: Run, trial: Trial, seconds: float) -> None:
    now = dt.datetime.now(dt.UTC)
    record: dict[str, Any] = {
        schema.STUDY: run.settings.tuning.study,
        schema.TRIAL_ID: trial.trial_id,
        schema.TRIAL: trial.place,
        schema.TRIED: json.dumps(tuning.as_plain(trial.tried)),
        schema.OBJECTIVE: run.settings.tuning.objective,
        schema.VALUE: trial.value,
        schema.FOLD_VALUES: list(trial.fold_values),
        schema.STATUS: trial.status,
        schema.ERROR: trial.error,
        schema.INPUT_VERSIONS: json.dumps(run.tables.pinned),
        schema.STARTED_TS: now - dt.timedelta(seconds=seconds),
        schema.FINISHED_TS: now,
        schema.RUN_ID: run.run_id,
    }
    run.tables.append(schema.TRIALS, run.tables.local(schema.TRIALS, [record]))


def _write_best(run: Run, trials: Sequence[Trial]) -> None:
    settings = run.settings.tuning
    found = tuning.best(trials, settings.sign)
    if found is None:
        faults = "; ".join(dict.fromkeys(trial.error for trial in trials if trial.error))
        raise DataError(f"tuning: expected a trial that came to an end, found none of {len(trials)}. {faults}")
    told = {
        settings.objective: f"{found.value:.6f} on {len(found.fold_values)} folds, {run.days[0]} to {run.days[-1]}",
        schema.STUDY: f"{settings.study}, trial {found.place} of {len(trials)}, run {run.run_id}",
    }
    place = run.write_file(FILE, tuning.conf_text(found.tried, told))
    run.say(f"best of {len(trials)} trials: {settings.objective} {found.value:.4f}, {_settings(found)}: --conf {place}")


def _planned(run: Run, splits: Sequence[splitting.Split]) -> str:
    settings = run.settings.tuning
    first = tuning.proposals(settings, [], settings.parallel)
    lines = [f"would make {settings.trials} trials at most, {settings.parallel} at a time, on {len(splits)} folds:"]
    for split in splits:
        assert split.validation is not None
        lines.append(
            f"  train {split.train.start} to before {split.train.end}, judge {split.validation.start} to before "
            f"{split.validation.end}"
        )
    return "\n".join([*lines, *(f"  first: {json.dumps(tuning.as_plain(tried))}" for tried in first)])


def _told(trial: Trial, reached: Trial | None) -> str:
    value = "-" if trial.value is None else f"{trial.value:.4f}"
    top = "" if reached is None else f" (best {reached.value:.4f})"
    return f"trial {trial.place}: {value} {trial.status}{top}, {_settings(trial)}"


def _settings(trial: Trial) -> str:
    return ", ".join(
        f"{key} = {value:.4g}" if isinstance(value, float) else f"{key} = {value}" for key, value in trial.tried.items()
    )
