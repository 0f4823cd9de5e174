"""Metrics of scores against scikit-learn and sums by hand, with ties, weights and one class alone."""

import math

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score

from winnow.evaluation.linear import apart, paired
from winnow.evaluation.lists import GROUP
from winnow.evaluation.score_estimates import curve_of, ece, estimates
from winnow.evaluation.scores import METRICS_OF_SCORES, SUMS, sum_scores


@pytest.fixture(scope="module")
def summed(spark):
    """Return the function that sums labels, scores, weights: of each group of users, and of each bin, by slice."""

    def make(labels, scores, weights=None, slices=None, users=None, bins=10, parts=3):
        weights = weights if weights is not None else [1.0] * len(labels)
        slices = slices or ["{}"] * len(labels)
        users = users if users is not None else range(len(labels))
        rows = [
            (int(user), name, int(label), None if score is None else float(score), float(weight))
            for user, name, label, score, weight in zip(users, slices, labels, scores, weights, strict=True)
        ]
        kinds = "user_id bigint, slice string, label int, score double, weight double"
        scored = spark.createDataFrame(rows, kinds).repartition(parts)
        return [row.asDict() for row in scored.transform(sum_scores(bins, 50, 1)).collect()]

    return make


def estimated(rows):
    """Return the metrics as estimates, of what was summed."""
    groups = [row for row in rows if row[GROUP] is not None]
    return estimates({name: np.array([row[name] for row in groups]) for name in SUMS})


def curve(rows):
    """Return the reliability curve of what was summed."""
    return curve_of([row for row in rows if row["bin"] is not None])


@pytest.fixture(scope="module")
def judged(summed):
    """Return the function that measures rows of one slice: the values, None where they are not defined."""

    def metrics(*columns, **more):
        rows = summed(*columns, **more)
        found = {name: estimate.value for name, estimate in estimated(rows).items()} | {"ece": ece(curve(rows))}
        return {name: None if math.isnan(value) else value for name, value in found.items()}

    return metrics


def world(rows, *, digits=None, seed=1):
    """Return labels, scores (rounded: ties) and weights of rows whose scores are somewhat right."""
    random = np.random.default_rng(seed)
    truth = random.beta(1, 6, size=rows)
    scores = np.clip(truth * random.uniform(0.5, 1.5, size=rows), 1e-6, 1 - 1e-6)
    if digits:
        scores = np.clip(scores.round(digits), 0.01, 0.99)
    return (random.random(rows) < truth).astype(int), scores, random.choice([1.0, 2.0, 17.5], size=rows)


@pytest.mark.parametrize("digits", [None, 2], ids=["distinct", "tied"])
@pytest.mark.parametrize("is_weighted", [False, True], ids=["plain", "weighted"])
def test_they_equal_scikit_learn(judged, digits, is_weighted):
    labels, scores, weights = world(1_000, digits=digits)
    weights = weights if is_weighted else np.ones(len(labels))
    found = judged(labels, scores, weights)
    asked = {"sample_weight": weights}
    assert list(found) == list(METRICS_OF_SCORES)
    assert found["auc"] == pytest.approx(roc_auc_score(labels, scores, **asked), abs=1e-9)
    assert found["pr_auc"] == pytest.approx(average_precision_score(labels, scores, **asked), abs=1e-9)
    assert found["log_loss"] == pytest.approx(log_loss(labels, scores, **asked), abs=1e-9)
    assert found["brier"] == pytest.approx(brier_score_loss(labels, scores, **asked), abs=1e-9)
    share = np.average(labels, weights=weights)
    entropy = -(share * math.log(share) + (1 - share) * math.log(1 - share))
    assert found["ne"] == pytest.approx(found["log_loss"] / entropy, abs=1e-9)
    assert found["calibration_ratio"] == pytest.approx(np.average(scores, weights=weights) / share, abs=1e-9)
    assert 0 <= found["ece"] <= 1


def test_they_do_not_depend_on_where_the_rows_lie(judged):
    """Sums of floats differ by the order of their parts: to one in 10 ** 12 they do not."""
    labels, scores, weights = world(5_000, seed=4)
    whole = judged(labels, scores, weights, parts=1)
    for parts in (4, 9):
        assert judged(labels, scores, weights, parts=parts) == pytest.approx(whole, rel=1e-12)


def test_weights_of_one_over_the_rate_recover_the_whole_log(judged):
    labels, scores, _ = world(60_000, seed=2)
    rates = np.where(labels == 1, 1.0, 0.1)
    kept = np.random.default_rng(3).random(len(labels)) < rates
    whole = judged(labels, scores)
    sample = judged(labels[kept], scores[kept], 1 / rates[kept])
    for metric in ("auc", "log_loss", "ne", "calibration_ratio"):
        # One standard error of the sum of the negatives' weights is 1.3 %.
        assert sample[metric] == pytest.approx(whole[metric], rel=0.055), metric
    assert judged(labels[kept], scores[kept])["calibration_ratio"] < 0.5, "without them the sample misleads"


def test_the_curve_has_bins_of_equally_many_rows_and_ece_is_its_mean_gap(summed):
    labels, scores, _ = world(1_000)
    found = curve(summed(labels, scores))
    order = np.argsort(scores)
    assert [row["bin"] for row in found] == list(range(1, 11))
    for row, rows in zip(found, np.split(order, 10), strict=True):
        assert (row["rows"], row["rows_weight"]) == (100, 100.0)
        assert row["mean_score"] == pytest.approx(scores[rows].mean(), abs=1e-12)
        assert row["positive_share"] == pytest.approx(labels[rows].mean(), abs=1e-12)
    gaps = [abs(scores[rows].mean() - labels[rows].mean()) for rows in np.split(order, 10)]
    assert ece(found) == pytest.approx(np.mean(gaps), abs=1e-9)


def test_equal_scores_tell_nothing_and_share_one_bin(summed, judged):
    found = judged([1, 0, 0, 0], [0.25] * 4)
    assert found["auc"] == 0.5
    assert (found["ece"], found["calibration_ratio"], found["ne"]) == (0.0, 1.0, pytest.approx(1.0))
    assert len(curve(summed([1, 0, 0, 0], [0.25] * 4))) == 1


def test_one_class_alone_has_no_order(judged):
    found = judged([1, 1], [0.2, 0.9])
    assert (found["auc"], found["ne"], found["pr_auc"]) == (None, None, 1.0)
    found = judged([0, 0], [0.0, 1.0])
    assert (found["auc"], found["pr_auc"], found["calibration_ratio"]) == (None, None, None)
    assert math.isfinite(found["log_loss"])


def test_slices_are_measured_apart_and_rows_without_a_score_are_counted_only(summed):
    rows = summed([1, 0, 1, 0, 1], [0.9, 0.1, 0.1, 0.9, None], slices=["a", "a", "b", "b", "b"])
    found = {name: [row for row in rows if row["slice"] == name] for name in "ab"}
    assert {name: estimated(own)["auc"].value for name, own in found.items()} == {"a": 1.0, "b": 0.0}
    counted = [(row["rows"], row["unscored"]) for row in found["b"] if row[GROUP] is not None]
    assert tuple(map(sum, zip(*counted, strict=True))) == (2, 1)


# ---- standard errors -----------------------------------------------------------------------------------------------


def by_hand(users, labels, scores, weights):
    """Return the sums of each user by the definitions, row by row."""
    positive, negative = weights * (labels == 1), weights * (labels == 0)
    higher, tied = scores[None, :] > scores[:, None], scores[None, :] == scores[:, None]
    reached, reached_negative = ((higher | tied) @ own for own in (positive, negative))
    everything = np.where(positive > 0, reached + reached_negative, 1.0)
    gains, loses = positive * reached_negative / everything**2, positive * reached / everything**2
    rows = {
        "positive": positive,
        "negative": negative,
        "scored": weights * scores,
        "lost": -weights * np.where(labels == 1, np.log(scores), np.log1p(-scores)),
        "missed": weights * (scores - labels) ** 2,
        "won": negative * (higher @ positive + tied @ positive / 2),
        "beaten": positive * (higher.T @ negative + tied @ negative / 2),
        "precise": positive * reached / everything,
        "raised": positive * (gains @ (higher | tied)) - negative * (loses @ (higher | tied)),
    }
    return {name: np.bincount(users, own) for name, own in rows.items()}


def crowd(random, users=150):
    """Return users, labels, scores and rates of a sampled log: users differ in how often they like what they see."""
    rows = random.poisson(12, size=users) + 1
    user = np.repeat(np.arange(users), rows)
    truth = np.clip(random.beta(2, 6, size=users)[user] * random.uniform(0.3, 1.7, size=len(user)), 0.01, 0.99)
    labels = (random.random(len(user)) < truth).astype(int)
    scores = np.clip(truth * random.uniform(0.6, 1.4, size=len(user)), 0.01, 0.99).round(2)
    rates = np.where(labels == 1, 1.0, 0.4)
    kept = random.random(len(user)) < rates
    return user[kept], labels[kept], scores[kept], 1 / rates[kept]


def test_the_sums_of_groups_equal_those_by_hand(summed):
    users, labels, scores, weights = crowd(np.random.default_rng(1))
    found = estimated(summed(labels, scores, weights, users=users))
    expected = estimates(by_hand(users, labels, scores, weights))
    for name, estimate in expected.items():
        assert found[name].value == pytest.approx(estimate.value, abs=1e-9), name
        assert found[name].influence.sum() == pytest.approx(0, abs=1e-9), name
        assert estimate.standard_error / 1.5 < found[name].standard_error < estimate.standard_error * 1.5, name


def test_an_influence_is_what_a_user_s_weight_changes():
    users, labels, scores, weights = crowd(np.random.default_rng(2), users=30)
    expected = estimates(by_hand(users, labels, scores, weights))
    step = 1e-6
    for user in (0, 7, 29):
        more = estimates(by_hand(users, labels, scores, weights * np.where(users == user, 1 + step, 1)))
        for name, estimate in expected.items():
            slope = (more[name].value - estimate.value) / step
            assert slope == pytest.approx(estimate.influence[user], rel=1e-3, abs=1e-7), name


def test_intervals_from_a_sample_cover_the_whole_in_93_to_97_of_100_simulations():
    random = np.random.default_rng(3)
    truth = {name: [] for name in ("auc", "pr_auc", "log_loss", "ne", "brier", "calibration_ratio")}
    intervals = {name: [] for name in truth}
    for _ in range(500):
        found = estimates(by_hand(*crowd(random)))
        for name in truth:
            truth[name].append(found[name].value)
            intervals[name].append(found[name].interval(0.95))
    for name, own in intervals.items():
        mean = np.mean(truth[name])  # of 500 estimates: a twentieth of one's standard error from the truth
        covered = np.mean([interval.low <= mean <= interval.high for interval in own])
        assert 0.93 <= covered <= 0.97, (name, covered)
        assert np.std(truth[name]) == pytest.approx(np.mean([one.standard_error for one in own]), rel=0.1), name


def test_two_rankers_on_the_same_rows_are_told_apart_and_equal_ones_are_not():
    random = np.random.default_rng(4)
    p_values, better = [], []
    for _ in range(200):
        users, labels, scores, weights = crowd(random)
        noise = random.uniform(0.9, 1.1, size=(2, len(scores)))
        one, other = (estimates(by_hand(users, labels, np.clip(scores * own, 0.01, 0.99), weights)) for own in noise)
        p_values.append(paired(one["auc"], other["auc"], 0.95).p_value)
        blurred = np.clip(scores * random.uniform(0.3, 1.7, size=len(scores)), 0.01, 0.99)
        better.append(paired(one["auc"], estimates(by_hand(users, labels, blurred, weights))["auc"], 0.95).p_value)
    assert np.mean(np.array(p_values) < 0.05) < 0.1
    assert 0.4 < np.mean(p_values) < 0.6
    assert np.mean(np.array(better) < 0.05) > 0.9


def test_estimates_of_other_users_differ_by_both_errors():
    one, other = (estimates(by_hand(*crowd(np.random.default_rng(seed))))["auc"] for seed in (5, 6))
    error = apart(one, other, 0.95).interval.standard_error
    assert error == pytest.approx(math.hypot(one.standard_error, other.standard_error), rel=0.01)
