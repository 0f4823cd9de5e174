"""Searches on functions whose best point is known; no Spark."""

import dataclasses
import itertools
import math
import threading

import pytest

from winnow.config import Settings
from winnow.errors import DataError, SettingsError
from winnow.tuning import Dimension, TuningSettings, as_plain, best, grid, proposals, search
from winnow.tuning.settings import SPACES

SPACE = {
    "a.rank": Dimension(low=4, high=64, log=True, steps=5),
    "a.pull": Dimension(low=0.01, high=10.0, log=True, steps=4),
    "a.kind": Dimension(choices=("one", "two")),
}
FOLDS = 3


def settings(**changes):
    return TuningSettings(**{"space": SPACE, "parallel": 2, "trials": 20, "startup": 5, "pruning": "none"} | changes)


def smooth(tried, fold=0):
    """Largest at rank 22, pull 0.3 and kind two, which no grid hits; later folds are a little worse for all."""
    off = math.log(tried["a.rank"] / 22) ** 2 / 8 + math.log(tried["a.pull"] / 0.3) ** 2 / 40
    return 1.0 - off - (0.3 if tried["a.kind"] == "one" else 0.0) - 0.01 * fold


def run(asked, judge=smooth, known=None, tell=None):
    made = []
    trials = search(asked, judge, FOLDS, {"data": 1}, known or {}, tell or (lambda trial, *_: made.append(trial)))
    return trials, made


def test_a_grid_has_every_point_once_with_the_ends_of_each_range():
    points = list(grid(SPACE))
    assert len(points) == 5 * 4 * 2
    assert sorted({point["a.rank"] for point in points}) == [4, 8, 16, 32, 64]
    assert sorted({point["a.pull"] for point in points}) == pytest.approx([0.01, 0.1, 1, 10])
    assert all(type(point["a.rank"]) is int for point in points)


def test_a_grid_search_ends_when_the_grid_does_and_finds_its_best():
    trials, _ = run(settings(search="grid", trials=1000))
    assert len(trials) == 40
    assert best(trials).tried == {"a.rank": 16, "a.pull": pytest.approx(0.1), "a.kind": "two"}


@pytest.mark.parametrize("kind", ["random", "sequential"])
def test_every_point_is_of_the_space_and_none_is_tried_twice(kind):
    trials, made = run(settings(search=kind, trials=30))
    assert len(trials) == len(made) == len({trial.trial_id for trial in trials}) == 30
    for trial in trials:
        assert 4 <= trial.tried["a.rank"] <= 64
        assert type(trial.tried["a.rank"]) is int
        assert 0.01 <= trial.tried["a.pull"] <= 10
        assert trial.tried["a.kind"] in ("one", "two")


@pytest.mark.parametrize("seed", range(5))
def test_a_sequential_search_reaches_the_grids_best_with_a_third_of_its_trials(seed):
    full, _ = run(settings(search="grid", trials=1000))
    third, _ = run(settings(search="sequential", trials=len(full) // 3, seed=seed))
    assert best(third).value >= best(full).value


def test_a_sequential_search_learns_more_than_chance():
    def reached(kind):
        return [best(run(settings(search=kind, trials=25, seed=seed))[0]).value for seed in range(5)]

    assert sum(reached("sequential")) > sum(reached("random"))


@pytest.mark.parametrize("kind", ["grid", "random", "sequential"])
@pytest.mark.parametrize("stopped_at", [1, 6, 11])
def test_a_study_that_was_stopped_goes_on_as_if_it_had_not_been(kind, stopped_at):
    whole, _ = run(settings(search=kind, trials=14))
    known = {trial.trial_id: trial for trial in whole[:stopped_at]}
    again, made = run(settings(search=kind, trials=14), known=known)
    assert again == whole
    assert not known.keys() & {trial.trial_id for trial in made}, "a finished trial was made again"
    assert len(made) == 14 - stopped_at


def test_other_data_are_other_trials():
    trials, _ = run(settings(search="grid"))
    known = {trial.trial_id: trial for trial in trials}
    made = []
    search(settings(search="grid"), smooth, FOLDS, {"data": 2}, known, lambda trial, *_: made.append(trial))
    assert len(made) == 20


@pytest.mark.parametrize("kind", ["median", "halving"])
def test_what_is_behind_is_given_up_and_the_best_is_not(kind):
    judged = []

    def judge(tried, fold):
        judged.append(fold)
        return smooth(tried, fold)

    trials, _ = run(settings(search="grid", trials=1000, pruning=kind), judge)
    pruned = [trial for trial in trials if trial.status == "pruned"]
    assert len(pruned) >= 12
    assert len(judged) < FOLDS * len(trials) * 0.8
    assert all(len(trial.fold_values) < FOLDS for trial in pruned)
    assert best(trials).tried["a.rank"] == 16


def test_so_many_trials_run_at_a_time_and_no_more():
    running, most, lock = 0, 0, threading.Lock()
    together = threading.Barrier(3, timeout=20)

    def judge(tried, fold):
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        together.wait()
        with lock:
            running -= 1
        return smooth(tried, fold)

    run(settings(search="grid", parallel=3, trials=6), judge)
    assert most == 3


def test_a_fault_of_the_data_is_the_trials_outcome_and_the_study_goes_on():
    def judge(tried, fold):
        if tried["a.rank"] == 64:
            raise DataError("no pairs left")
        return smooth(tried, fold)

    trials, _ = run(settings(search="grid", trials=1000), judge)
    failed = [trial for trial in trials if trial.status == "failed"]
    assert len(failed) == 8
    assert {(trial.value, trial.error) for trial in failed} == {(None, "no pairs left")}
    assert best(trials).tried["a.rank"] == 16


def test_a_sequential_search_is_not_drawn_to_what_fails_after_a_good_beginning():
    def judge(tried, fold):
        if tried["a.kind"] == "one" and fold > 0:
            raise DataError("too few rows")
        return 10.0 if tried["a.kind"] == "one" else smooth(tried, fold)

    trials, _ = run(settings(search="sequential"), judge)
    assert {trial.status for trial in trials[:5]} == {"done", "failed"}
    assert sum(trial.status == "failed" for trial in trials[5:]) <= 5


def test_any_other_fault_ends_the_study_and_what_was_finished_is_told():
    counter, told = itertools.count(), []

    def judge(tried, fold):
        if next(counter) >= 5 * FOLDS:
            raise MemoryError
        return smooth(tried, fold)

    with pytest.raises(MemoryError):
        run(settings(search="random", parallel=1), judge, tell=lambda trial, *_: told.append(trial))
    assert len(told) == 5


def test_a_space_of_few_choices_ends_and_repeats_none():
    few = {"a.kind": Dimension(choices=("one", "two")), "a.flag": Dimension(choices=(True, False))}
    for kind in ("random", "sequential"):
        trials, _ = run(settings(space=few, search=kind, trials=50), lambda tried, _: float(tried["a.flag"]))
        assert len(trials) == 4


def test_a_list_may_be_a_choice():
    space = {"a.strata": Dimension(choices=((), ("surface",), ("surface", "device")))}
    trials, _ = run(settings(space=space, search="sequential", startup=1), lambda tried, _: len(tried["a.strata"]))
    assert best(trials).tried == {"a.strata": ("surface", "device")}


@pytest.mark.parametrize("kind", ["grid", "random", "sequential"])
@pytest.mark.parametrize("pruning", ["none", "median", "halving"])
def test_a_search_for_a_small_loss_is_the_search_for_a_large_gain(kind, pruning):
    asked = settings(search=kind, pruning=pruning)
    gains, _ = run(asked)
    losses, _ = run(dataclasses.replace(asked, objective="log_loss"), lambda tried, fold: -smooth(tried, fold))
    assert [trial.tried for trial in losses] == [trial.tried for trial in gains]
    assert [trial.status for trial in losses] == [trial.status for trial in gains]
    assert best(losses, -1).tried == best(gains).tried


@pytest.mark.parametrize("model", SPACES)
def test_what_is_tried_by_default_are_settings_that_there_are(model):
    for kind in ("grid", "random"):
        for tried in proposals(TuningSettings(model=model, search=kind), [], 5):
            Settings().changed(as_plain(tried))


def test_a_model_without_a_space_of_its_own_must_be_given_one():
    with pytest.raises(SettingsError, match="there are none by default of content"):
        TuningSettings(model="content")
    assert TuningSettings(model="content", space=SPACE).dimensions == SPACE


def test_without_scikit_learn_the_other_searches_are_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "sklearn.exceptions", None)
    history, _ = run(settings(search="random", trials=6))
    with pytest.raises(SettingsError, match=r"Install winnow\[tune\]"):
        proposals(dataclasses.replace(settings(), search="sequential"), history, 1)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"low": 1}, "choices, or low and high"),
        ({"low": 3, "high": 3}, "high: expected more than low"),
        ({"low": 0, "high": 3, "log": True}, "low: expected above 0"),
        ({"choices": [1, 1]}, "choices: expected each once"),
        ({"choices": [1], "low": 1}, "choices, or low and high"),
        ({"hihg": 3}, "did you mean high"),
        ({"als": {"rank": {"low": 1, "high": 2}}}, "by its whole key in quotes"),
        ({"low": float("nan"), "high": 2}, "a finite number"),
        ({"low": "1", "high": 2}, "a finite number"),
        ([1, 2], "expected {choices"),
    ],
)
def test_a_dimension_that_makes_no_sense_is_refused(values, said):
    with pytest.raises(SettingsError) as refused:
        Dimension.from_conf(values, "tuning.space.x")
    assert said in str(refused.value)
