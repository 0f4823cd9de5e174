"""Metrics of scores against scikit-learn and sums by hand, with ties, weights and one class alone."""

import math

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score

from winnow.evaluation.scores import by_score, measure, reliability


@pytest.fixture(scope="module")
def scored(spark):
    """Return the function that makes scored rows of labels, scores and weights, in no order."""

    def make(labels, scores, weights=None, slices=None):
        weights = weights if weights is not None else [1.0] * len(labels)
        slices = slices or ["{}"] * len(labels)
        rows = [
            (name, int(label), float(score), float(weight))
            for name, label, score, weight in zip(slices, labels, scores, weights, strict=True)
        ]
        return spark.createDataFrame(rows, "slice string, label int, score double, weight double").repartition(3)

    return make


@pytest.fixture(scope="module")
def judged(scored):
    """Return the function that measures rows of one slice."""

    def metrics(*columns, bins=10):
        (row,) = scored(*columns).transform(by_score()).transform(measure(bins)).collect()
        return row.asDict()

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
    assert found["rows"] == 1_000
    assert found["auc"] == pytest.approx(roc_auc_score(labels, scores, **asked), abs=1e-9)
    assert found["pr_auc"] == pytest.approx(average_precision_score(labels, scores, **asked), abs=1e-9)
    assert found["log_loss"] == pytest.approx(log_loss(labels, scores, **asked), abs=1e-9)
    assert found["brier"] == pytest.approx(brier_score_loss(labels, scores, **asked), abs=1e-9)
    share = np.average(labels, weights=weights)
    entropy = -(share * math.log(share) + (1 - share) * math.log(1 - share))
    assert found["ne"] == pytest.approx(found["log_loss"] / entropy, abs=1e-9)
    assert found["calibration_ratio"] == pytest.approx(np.average(scores, weights=weights) / share, abs=1e-9)
    assert 0 <= found["ece"] <= 1


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


def test_the_curve_has_bins_of_equally_many_rows_and_ece_is_its_mean_gap(scored, judged):
    labels, scores, _ = world(1_000)
    curve = sorted(
        scored(labels, scores).transform(by_score()).transform(reliability(10)).collect(), key=lambda row: row.bin
    )
    order = np.argsort(scores)
    assert [row.bin for row in curve] == list(range(1, 11))
    for row, rows in zip(curve, np.split(order, 10), strict=True):
        assert (row["rows"], row["rows_weight"]) == (100, 100.0)
        assert row["mean_score"] == pytest.approx(scores[rows].mean(), abs=1e-12)
        assert row["positive_share"] == pytest.approx(labels[rows].mean(), abs=1e-12)
    gaps = [abs(scores[rows].mean() - labels[rows].mean()) for rows in np.split(order, 10)]
    assert judged(labels, scores)["ece"] == pytest.approx(np.mean(gaps), abs=1e-9)


def test_equal_scores_tell_nothing_and_share_one_bin(scored, judged):
    assert judged([1, 0, 0, 0], [0.25] * 4)["auc"] == 0.5
    found = judged([1, 0, 0, 0], [0.25] * 4)
    assert (found["ece"], found["calibration_ratio"], found["ne"]) == (0.0, 1.0, pytest.approx(1.0))
    assert scored([1, 0, 0, 0], [0.25] * 4).transform(by_score()).transform(reliability(10)).count() == 1


def test_one_class_alone_has_no_order(judged):
    found = judged([1, 1], [0.2, 0.9])
    assert (found["auc"], found["ne"], found["pr_auc"]) == (None, None, 1.0)
    found = judged([0, 0], [0.0, 1.0])
    assert (found["auc"], found["pr_auc"], found["calibration_ratio"]) == (None, None, None)
    assert math.isfinite(found["log_loss"])


def test_slices_are_measured_apart(scored):
    rows = scored([1, 0, 1, 0], [0.9, 0.1, 0.1, 0.9], slices=["a", "a", "b", "b"])
    found = {row["slice"]: row["auc"] for row in rows.transform(by_score()).transform(measure(5)).collect()}
    assert found == {"a": 1.0, "b": 0.0}
