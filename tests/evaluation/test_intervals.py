"""Intervals hold the truth as often as they promise, and chance is told from a difference."""

import numpy as np
import pytest

from winnow.evaluation.intervals import USUAL, Asked, Paired, Resampled, ratio_of

MEAN = ratio_of(0, 1)


def users(values):
    """Return the sums of one user a group: the value, and one user."""
    return np.column_stack([values, np.ones(len(values))])


def paired(one, other, asked=USUAL):
    """Return two models on the same groups, each resampled."""
    return Paired(Resampled(one, asked), Resampled(other, asked))


def test_intervals_cover_the_truth_in_93_to_97_of_100_simulations():
    random = np.random.default_rng(3)
    covered = 0
    for simulation in range(500):
        values = random.binomial(10, random.beta(2, 8, size=400)) / 10  # precision@10 of users who differ; mean 0.2
        found = Resampled(users(values), Asked(400, seed=simulation)).interval(MEAN)
        covered += found.low <= 0.2 <= found.high
    assert 0.93 <= covered / 500 <= 0.97


def test_groups_of_unlike_numbers_of_users_cover_it_too():
    random = np.random.default_rng(4)
    covered = 0
    for simulation in range(500):
        group = random.integers(0, 200, size=3_000)
        values = random.binomial(1, 0.3, size=3_000)
        sums = np.column_stack([np.bincount(group, values, 200), np.bincount(group, minlength=200)]).astype(float)
        found = Resampled(sums, Asked(400, seed=simulation)).interval(MEAN)
        covered += found.low <= 0.3 <= found.high
    assert 0.93 <= covered / 500 <= 0.97


def test_the_standard_error_of_a_mean_is_the_one_of_the_formula():
    values = np.random.default_rng(5).exponential(size=2_000)
    found = Resampled(users(values), Asked(4_000)).interval(MEAN)
    assert found.value == pytest.approx(values.mean())
    assert found.standard_error == pytest.approx(values.std(ddof=1) / np.sqrt(2_000), rel=0.05)


def test_without_a_difference_each_p_value_is_as_frequent_as_any_other():
    random = np.random.default_rng(6)
    p_values = []
    for simulation in range(400):
        one, other = random.beta(1, 4, size=(2, 150))
        p_values.append(paired(users(one), users(other), Asked(200, seed=simulation)).difference(MEAN).p_value)
    assert 0.02 <= np.mean(np.array(p_values) <= 0.05) <= 0.09
    assert 0.4 <= np.mean(p_values) <= 0.6


def test_a_small_difference_is_found_where_both_are_seen_by_the_same_users():
    random = np.random.default_rng(7)
    hard = random.normal(0.5, 0.3, size=500)  # users differ by far more than the models
    found = paired(users(hard + random.normal(0.01, 0.02, 500)), users(hard)).difference(MEAN)
    assert found.p_value < 0.01
    assert found.interval.low < 0.01 < found.interval.high
    assert found.interval.standard_error < Resampled(users(hard)).interval(MEAN).standard_error / 5


def test_a_model_compared_with_itself_is_no_better():
    values = users(np.random.default_rng(8).random(50))
    found = paired(values, values).difference(MEAN)
    assert (found.interval.value, found.interval.low, found.interval.high, found.p_value) == (0, 0, 0, 1)


def test_the_same_seed_gives_the_same_interval_and_one_group_gives_none():
    values = users(np.random.default_rng(9).random(50))
    assert Resampled(values, Asked(seed=1)).interval(MEAN) == Resampled(values, Asked(seed=1)).interval(MEAN)
    assert Resampled(values, Asked(seed=1)).interval(MEAN) != Resampled(values, Asked(seed=2)).interval(MEAN)
    assert np.isnan(Resampled(np.array([[1.0, 0.0]])).interval(MEAN).value)


def test_different_groups_are_not_compared():
    with pytest.raises(ValueError, match="same groups"):
        paired(users(np.ones(3)), users(np.ones(4))).difference(MEAN)
