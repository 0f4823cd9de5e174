"""Calibrators against distortions that are known, and against another library's isotonic regression."""

import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression

from winnow.errors import CalibrationError
from winnow.ranking import calibrators


def cells_of(log_odds, probability, rows=1_000.0):
    """Return what ``cells`` would find: the truth at each of these log odds."""
    return [
        {"log_odds": x, "positives": rows * p, "rows_weight": rows} for x, p in zip(log_odds, probability, strict=True)
    ]


def sigmoid(x):
    return 1 / (1 + np.exp(-np.asarray(x)))


def test_platt_finds_the_two_numbers_of_a_known_distortion():
    x = np.linspace(-6, 4, 60)
    found = calibrators.fit("platt", cells_of(x, sigmoid(0.6 * x - 1.2), rows=1e6))
    assert found.slope == pytest.approx(0.6, abs=1e-3)
    assert found.shift == pytest.approx(-1.2, abs=1e-3)


def test_platt_stays_finite_where_classes_are_apart():
    found = calibrators.fit("platt", cells_of([-3.0, -2.0, 2.0, 3.0], [0, 0, 1, 1], rows=10))
    assert 0 < found.slope < 10


def test_isotonic_pools_what_does_not_rise_as_another_library_does():
    draw = np.random.default_rng(5)
    x, rows = np.sort(draw.uniform(-4, 4, 80)), draw.integers(20, 200, 80).astype(float)
    positives = draw.binomial(rows.astype(int), sigmoid(x / 2)).astype(float)
    positives = np.clip(positives, 1, rows - 1)  # no pool of one class only: such certainty is taken back
    cells = [{"log_odds": a, "positives": b, "rows_weight": c} for a, b, c in zip(x, positives, rows, strict=True)]
    found = calibrators.fit("isotonic", cells)
    other = IsotonicRegression().fit(x, positives / rows, sample_weight=rows)
    grid = np.linspace(-15, 15, len(found.values))
    assert np.all(np.diff(found.values) >= 0)
    assert np.allclose(found.values, np.interp(grid, x, other.predict(x)), atol=1e-12)


def test_isotonic_is_certain_of_nothing():
    found = calibrators.fit("isotonic", cells_of([-3.0, 0.0, 3.0], [0, 0.5, 1], rows=10))
    assert found.values[0] == 0.05
    assert found.values[-1] == 0.95


@pytest.mark.parametrize("kind", ["platt", "isotonic"])
def test_days_of_one_class_are_refused(kind):
    with pytest.raises(CalibrationError, match="0 of 2000 positive"):
        calibrators.fit(kind, cells_of([0.0, 1.0], [0, 0]))


def test_nothing_is_fitted_where_nothing_is_asked():
    assert calibrators.fit("none", []) is None
    assert calibrators.from_record(None) is None


@pytest.mark.parametrize("kind", ["platt", "isotonic"])
def test_rows_are_calibrated_to_what_happened_and_the_record_does_the_same(spark, kind):
    # Scores p whose truth is sigmoid(logit(p) / 2 - 1): every p stands for 1,000 rows, each worth 2.
    scores = [0.02, 0.1, 0.3, 0.5, 0.8, 0.97]
    truth = sigmoid(np.log(scores) / 2 - np.log1p(-np.array(scores)) / 2 - 1)
    counts = [(p, 1, 2.0 * round(1000 * q)) for p, q in zip(scores, truth, strict=True)]
    counts += [(p, 0, 2.0 * round(1000 * (1 - q))) for p, q in zip(scores, truth, strict=True)]
    edges = [(0.0, 0, 1e-6), (1.0, 1, 1e-6), (None, 1, 5.0)]
    rows = spark.createDataFrame(counts + edges, "score double, label int, weight double")
    found = calibrators.fit(kind, [row.asDict() for row in rows.transform(calibrators.cells()).collect()])
    again = calibrators.from_record(found.as_record())
    assert again == found
    told = rows.select("score", again.calibrated(rows["score"]).alias("calibrated")).distinct().collect()
    by_score = {row[0]: row[1] for row in told}
    assert by_score[None] is None
    assert 0 <= by_score[0.0] <= by_score[0.02]
    assert by_score[0.97] <= by_score[1.0] <= 1
    for p, q in zip(scores, truth, strict=True):
        assert by_score[p] == pytest.approx(q, abs=0.02 if kind == "isotonic" else 0.01)
