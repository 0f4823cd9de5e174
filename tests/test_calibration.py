"""The sampling undone: formulas, steps, the guard against doing it twice, and the truth of a known population."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyspark.sql import functions as F

from winnow import schema
from winnow.calibration import (
    correct_margin,
    correct_margins,
    correct_probability,
    correct_scores,
    expected_watch_s,
    inverse_rate_weights,
    pooled_rates,
)
from winnow.errors import CalibrationError, ContractError

RATE = st.floats(1e-6, 1)


def logit(p):
    return math.log(p / (1 - p))


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


@given(st.floats(1e-6, 1 - 1e-6), RATE, RATE)
def test_both_forms_are_the_closed_form(p, positive_rate, negative_rate):
    shifted = logit(p) + math.log(negative_rate) - math.log(positive_rate)
    q = correct_probability(p, positive_rate, negative_rate)
    assert math.isclose(q, sigmoid(shifted), rel_tol=1e-9)
    assert math.isclose(correct_margin(logit(p), positive_rate, negative_rate), shifted, rel_tol=1e-9, abs_tol=1e-9)
    if positive_rate == 1:
        assert math.isclose(q, p / (p + (1 - p) / negative_rate), rel_tol=1e-12)


def test_the_missions_rate_brings_a_half_back_to_five_percent():
    rate = 5 / 95
    assert math.isclose(correct_probability(0.5, 1.0, rate), 0.05, rel_tol=1e-12)
    assert math.isclose(correct_probability(0.5, 1.0, rate), 0.5 / (0.5 + 0.5 / rate), rel_tol=1e-12)


def test_certainty_stays_certain():
    assert correct_probability(0.0, 1.0, 0.01) == 0.0
    assert correct_probability(1.0, 0.5, 0.01) == 1.0
    assert correct_probability(0.3, 0.2, 0.2) == pytest.approx(0.3, rel=1e-15)


def test_a_margin_of_twice_the_scale_is_shifted_by_half():
    shift = math.log(0.05)
    assert correct_margin(1.0, 1.0, 0.05) == 1.0 + shift
    assert correct_margin(1.0, 1.0, 0.05, scale=2) == 1.0 + shift / 2
    # Of a GBTClassifier p = sigmoid(2F): the shifted F has the corrected probability.
    assert math.isclose(sigmoid(2 * correct_margin(0.4, 1.0, 0.05, 2)), correct_probability(sigmoid(0.8), 1.0, 0.05))


@pytest.mark.parametrize("rates", [(0, 1), (1, 0), (1.1, 1), (1, -0.1), (math.nan, 1)])
def test_rates_outside_their_range_are_refused(rates):
    for wrong in (
        lambda: correct_probability(0.5, *rates),
        lambda: correct_margin(0.5, *rates),
        lambda: expected_watch_s(1, 0.5, *rates),
    ):
        with pytest.raises(CalibrationError, match="_rate: expected a rate in"):
            wrong()


@pytest.mark.parametrize("p", [-0.1, 1.1, math.nan])
def test_scores_that_are_no_probabilities_are_refused(p):
    with pytest.raises(CalibrationError, match="probability: expected a number in"):
        correct_probability(p, 1, 1)


SCORES = [
    (p, positive, negative)
    for p in (0.0, 1e-9, 0.05, 0.5, 0.999, 1.0)
    for positive in (1.0, 0.25)
    for negative in (1.0, 0.05, 1e-6)
]
UNKNOWN = [(0.5, None, 0.5), (0.5, 0.5, None), (0.5, 0.0, 0.5), (0.5, 0.5, 0.0), (None, 1.0, 1.0)]


@pytest.fixture(scope="module")
def scored(spark):
    rows = spark.createDataFrame(SCORES + UNKNOWN, "p double, positive_rate double, negative_rate double")
    return rows.withColumns(
        {"margin": F.col("p") * 6 - 3, "p0": F.col("p"), "m0": F.col("p") * 6 - 3, "geo.x": F.lit(1)}
    )


def test_the_steps_are_the_plain_functions_row_by_row_and_null_where_nothing_was_learned(scored):
    steps = scored.transform(correct_scores("p")).transform(correct_margins("margin", 2.0)).drop("geo.x")
    found = steps.collect()
    assert steps.columns == ["p", "positive_rate", "negative_rate", "margin", "p0", "m0"]
    known = [row for row in found if row.p0 is not None and row.positive_rate and row.negative_rate]
    assert len(known) == len(SCORES)
    for row in known:
        assert math.isclose(row.p, correct_probability(row.p0, row.positive_rate, row.negative_rate), rel_tol=1e-12)
        assert math.isclose(row.margin, correct_margin(row.m0, row.positive_rate, row.negative_rate, 2), rel_tol=1e-12)
    assert [(row.p, row.margin) for row in found if row not in known] == [(None, None)] * len(UNKNOWN)


def test_a_second_correction_is_an_error(scored):
    once = scored.transform(correct_scores("p"))
    for again in (correct_scores("p"), correct_margins("p", 1.0)):
        with pytest.raises(CalibrationError, match=r"p: the sampling was already undone \(on_scores\)"):
            once.transform(again)
    # The mark goes with the column: renamed, and through other steps.
    renamed = (
        once.where("positive_rate > 0")
        .withColumnRenamed("p", "score")
        .select("score", "positive_rate", "negative_rate")
    )
    with pytest.raises(CalibrationError, match="score: the sampling was already undone"):
        renamed.transform(correct_scores("score"))
    # Another column is another score.
    assert "margin" in once.transform(correct_margins("margin", 1.0)).columns


@pytest.mark.not_on("sail", why="it does not store what is told of a column")
def test_the_mark_is_stored_with_the_table(scored, tmp_path, spark):
    scored.drop("geo.x").transform(correct_scores("p")).write.parquet(str(tmp_path / "scores"))
    with pytest.raises(CalibrationError, match="already undone"):
        spark.read.parquet(str(tmp_path / "scores")).transform(correct_scores("p"))


@pytest.mark.parametrize("trained", ["by_weights", "on_scores"])
def test_a_model_that_was_corrected_is_not_corrected_again(scored, trained):
    for again in (correct_scores("p", trained), correct_margins("p", 1.0, trained)):
        with pytest.raises(CalibrationError, match=rf"already undone \({trained}\)"):
            scored.transform(again)


def test_weights_stand_for_the_whole_log_once(spark):
    rows = spark.createDataFrame(
        [(1, 2.0, 0.5), (0, 1.0, 0.05), (None, None, None)],
        "watched_label int, watched_weight double, watched_rate double",
    )
    weighed = rows.transform(inverse_rate_weights("watched"))
    assert [row.watched_weight for row in weighed.collect()] == [4.0, 20.0, None]
    with pytest.raises(CalibrationError, match=r"watched_weight: the sampling was already undone \(by_weights\)"):
        weighed.transform(inverse_rate_weights("watched"))
    own = rows.withColumn("w", F.lit(1.0)).transform(inverse_rate_weights("watched", "w"))
    assert [row.w for row in own.collect()] == [2.0, 20.0, None]


def test_a_missing_score_is_told_with_what_there_is(scored):
    with pytest.raises(ContractError, match=r"calibration: missing score\. It has: p, positive_rate"):
        scored.transform(correct_scores("score"))


def test_rates_are_pooled_over_days_by_their_rows(spark):
    rows = [
        ("watched", "a", 1.0, 0.1, 10, 100),
        ("watched", "a", 0.5, 0.4, 30, 300),
        ("watched", "b", 1.0, 0.0, 5, 0),
        ("liked", "a", 0.3, 0.3, 1, 1),
    ]
    names = [
        schema.LABEL,
        schema.STRATUM,
        schema.POSITIVE_RATE,
        schema.NEGATIVE_RATE,
        schema.POSITIVES,
        schema.NEGATIVES,
    ]
    ledger = spark.createDataFrame(rows, ", ".join(f"{name} {name.type}" for name in names))
    found = {row.stratum: (row.positive_rate, row.negative_rate) for row in pooled_rates(ledger, "watched").collect()}
    assert found["a"] == pytest.approx(((10 + 15) / 40, (10 + 120) / 400), rel=1e-12)
    assert found["b"] == (1.0, None)  # no negative was ever there to be kept


#: Strata of a population: rows and rate of engagement.
POPULATION = {"a": (1_000_000, 0.01), "b": (1_000_000, 0.30)}


def test_a_pooled_correction_over_unequal_strata_breaks_the_ranking_and_one_a_stratum_returns_the_truth():
    """Each stratum is balanced 1:1, so a model that knows the stratum predicts a half everywhere."""
    kept = {name: n * rate / (n * (1 - rate)) for name, (n, rate) in POPULATION.items()}
    for name, (_, rate) in POPULATION.items():
        assert math.isclose(correct_probability(0.5, 1.0, kept[name]), rate, rel_tol=1e-12)
    positives = sum(n * rate for n, rate in POPULATION.values())
    pooled = positives / (sum(n for n, _ in POPULATION.values()) - positives)
    told = correct_probability(0.5, 1.0, pooled)
    # One number for both strata: 15.5 times too high in the one, half of the truth in the other.
    assert math.isclose(told, 0.155, rel_tol=1e-12)
    assert told / 0.01 == pytest.approx(15.5)
    assert told / 0.30 == pytest.approx(0.5167, abs=1e-4)


def test_expected_watch_time_is_recovered_from_the_odds_of_weighted_training():
    """A population of which P and E[T] are known, downsampled, and the odds that weighted training tends to."""
    rng = np.random.default_rng(4)
    n, p, mean_s, positive_rate, negative_rate = 2_000_000, 0.07, 42.0, 0.5, 0.1
    engaged = rng.random(n) < p
    watch = np.where(engaged, rng.exponential(mean_s, n), 0.0)
    kept = rng.random(n) < np.where(engaged, positive_rate, negative_rate)
    # With weights T and 1 the odds are the kept seconds over the kept negatives; without, P follows from the counts.
    odds = watch[kept & engaged].sum() / (kept & ~engaged).sum()
    sampled = (kept & engaged).sum() / kept.sum()
    corrected = correct_probability(float(sampled), positive_rate, negative_rate)
    assert corrected == pytest.approx(engaged.mean(), rel=0.02)
    assert expected_watch_s(odds, corrected, positive_rate, negative_rate) == pytest.approx(watch.mean(), rel=0.02)
    # Without the correction for the sampling it would be 5 times off.
    assert expected_watch_s(odds, corrected) / watch.mean() == pytest.approx(positive_rate / negative_rate, rel=0.02)
