"""The truth of the synthetic log: what it says happens as often as it says."""

import dataclasses
import datetime as dt
import math

import numpy as np
import pytest
from pyspark.sql import functions as F

from conftest import GENERATED
from winnow.synthetic import SyntheticSettings, impressions, truth, watching
from winnow.synthetic.draws import ColumnDraws, NumberDraws
from winnow.synthetic.showing import DURATION, IMPRESSION


def watched_ms(rows):
    """Whole milliseconds: comparisons with an edge are then exact."""
    return (rows.watch_s * 1_000).round().astype("int64"), (rows.media_duration_s * 1_000).round().astype("int64")


def labelled(rows):
    """The rows that are not in the middle, and whether they are positive, by the default edges 4/5 and 1/10."""
    watched, duration = watched_ms(rows)
    is_positive, is_negative = 5 * watched >= 4 * duration, 10 * watched <= duration
    return rows[is_positive | is_negative], is_positive[is_positive | is_negative]


def test_python_draws_the_same_numbers_as_spark(spark):
    keys = [1, 2, 20_000, 2**40 + 7, 2**52 + 3]
    forms = {
        "uniform": lambda draws, key: draws.uniform("some purpose", key),
        "pair": lambda draws, key: draws.uniform("some purpose", key, key + 1),
        "normal": lambda draws, key: draws.normal("some purpose", key),
        "whole": lambda draws, key: draws.whole("some purpose", 1_000_003, key),
        "pick": lambda draws, key: draws.pick("some purpose", (70, 20, 10), key),
        "zipf": lambda draws, key: draws.zipf("some purpose", 5_000, 0.9, key),
        "zipf of exponent 1": lambda draws, key: draws.zipf("some purpose", 5_000, 1.0, key),
    }
    of_spark, of_python = ColumnDraws(7), NumberDraws(7)
    row_numbers = spark.createDataFrame([(key,) for key in keys], "key bigint").coalesce(1)
    drawn = row_numbers.select("key", *(form(of_spark, F.col("key")).alias(name) for name, form in forms.items()))
    for row in drawn.collect():
        for name, form in forms.items():
            assert row[name] == pytest.approx(form(of_python, row["key"]), rel=1e-12), name


def test_the_stored_probability_is_the_formula_worked_out_in_python(clean, settings, day):
    draws = NumberDraws(settings.seed)
    for number in range(0, settings.rows_per_day, 997):
        logit = truth.intercept(settings, day) + truth.score_of(draws, settings, day, number)
        assert clean.true_probability[number] == pytest.approx(1 / (1 + math.exp(-logit)), rel=1e-9)


def test_the_mean_true_probability_is_the_engaged_rate(clean, settings):
    error = clean.true_probability.std() / math.sqrt(truth.CALIBRATION_ROWS)
    assert error < 0.03 * settings.engaged_rate
    assert abs(clean.true_probability.mean() - 0.05) < 4 * error


def test_one_row_in_twenty_of_the_labelled_ones_is_positive(clean):
    rows, is_positive = labelled(clean)
    assert (
        abs(is_positive.mean() - 0.05) < 4 * math.sqrt(0.05 * 0.95 / len(rows)) + 0.0015
    )  # 1.5 sigma of the calibration


@GENERATED
@pytest.mark.parametrize("weekday", [dt.date(2026, 1, 1), dt.date(2026, 3, 7)])
@pytest.mark.parametrize("engaged_rate", [0.002, 0.3, 0.9])
def test_any_engaged_rate_is_met_on_any_day(spark, engaged_rate, weekday):
    asked = SyntheticSettings(
        rows_per_day=20_000, engaged_rate=engaged_rate, seed=11, start_date=dt.date(2026, 1, 1), new_media_per_day=40
    )
    mean, spread = (
        impressions(spark, asked, weekday).agg(F.avg("true_probability"), F.stddev("true_probability")).first()
    )
    assert abs(mean - engaged_rate) < 4 * spread / math.sqrt(truth.CALIBRATION_ROWS)
    assert mean == pytest.approx(engaged_rate, rel=0.1)


def test_in_each_tenth_of_the_probabilities_positives_are_as_many_as_it_says(clean):
    rows, is_positive = labelled(clean)
    tenths = rows.true_probability.rank(pct=True).mul(10).clip(upper=9.999).astype(int)
    for tenth, probabilities in rows.true_probability.groupby(tenths):
        expected, variance = probabilities.sum(), (probabilities * (1 - probabilities)).sum()
        assert abs(is_positive[probabilities.index].sum() - expected) < 4 * math.sqrt(variance), tenth
    assert rows.true_probability[tenths == 9].mean() > 20 * rows.true_probability[tenths == 0].mean()


def test_the_middle_is_a_tenth_of_the_rows_whatever_the_taste(clean):
    is_middle = ~clean.index.isin(labelled(clean)[0].index)
    likely = clean.true_probability > clean.true_probability.median()
    for rows in (is_middle[likely], is_middle[~likely]):
        assert abs(rows.mean() - 0.1) < 4 * math.sqrt(0.1 * 0.9 / len(rows))


def test_watch_times_keep_to_their_side_of_edges_that_are_set(spark, settings, day):
    asked = dataclasses.replace(
        settings, positive_at_least=0.7, negative_at_most=0.3, engaged_rate=0.4, middle_rate=0.25, rows_per_day=20_000
    )
    rows = impressions(spark, asked, day).select("watch_s", "media_duration_s").toPandas()
    watched, duration = watched_ms(rows)
    is_positive, is_negative = 10 * watched >= 7 * duration, 10 * watched <= 3 * duration
    assert abs((~is_positive & ~is_negative).mean() - 0.25) < 4 * math.sqrt(0.25 * 0.75 / len(rows))
    assert abs(is_positive.mean() - 0.75 * 0.4) < 4 * math.sqrt(0.3 * 0.7 / len(rows)) + 0.01
    assert (watched / 1_000 == rows.watch_s).all()  # whole milliseconds
    assert (watched == 0).mean() > 0.2
    assert 0.02 < (watched > duration).mean() < 0.08  # seen again
    assert (watched <= 1.3 * duration).all()


class ExtremeDraws(NumberDraws):
    """Draws whose every uniform number is the same: the smallest, or the largest."""

    drawn = 0.0

    def uniform(self, purpose, *keys):
        return self.drawn


@pytest.mark.parametrize(("tenths_positive", "tenths_negative"), [(8, 1), (7, 3), (10, 0)])
@pytest.mark.parametrize("drawn", [0.0, 0.5, 1 - 2**-53])
def test_the_extreme_draws_of_every_duration_stay_between_the_edges(drawn, tenths_positive, tenths_negative):
    asked = SyntheticSettings(positive_at_least=tenths_positive / 10, negative_at_most=tenths_negative / 10)
    draws = ExtremeDraws(7)
    draws.drawn = drawn
    for duration in range(15, 9_001):
        row = {DURATION: duration, IMPRESSION: 1}
        passed, middle, engaged = (
            round(
                watching.watched(draws, asked, asked.start_date, {**row, watching.OUTCOME: outcome})[watching.WATCH]
                * 1e3
            )
            for outcome in (watching.PASSED, watching.MIDDLE, watching.ENGAGED)
        )
        assert 0 <= 10 * passed <= tenths_negative * duration * 1_000 < 10 * middle, duration
        assert 10 * middle < tenths_positive * duration * 1_000 <= 10 * engaged, duration


def test_taste_is_what_the_truth_is_made_of(spark, settings, day, clean):
    alike = dataclasses.replace(settings, taste_strength=0.0, rows_per_day=20_000)
    logit = F.log(F.col("true_probability") / (1 - F.col("true_probability")))
    (without_taste,) = impressions(spark, alike, day).agg(F.variance(logit)).first()
    with_taste = np.log(clean.true_probability / (1 - clean.true_probability)).var()
    # 0.7^2 + 0.35^2 + 0.7^2 of genres and hidden tastes, and some 0.1 of the language.
    assert with_taste - without_taste == pytest.approx(1.2, abs=0.25)


def test_actions_follow_engagement(clean):
    watched, duration = watched_ms(clean)
    is_positive, is_negative = 5 * watched >= 4 * duration, 10 * watched <= duration
    assert clean.liked[is_positive].mean() > 0.08
    assert clean.liked[is_negative].mean() < 0.006
    assert clean.liked.mean() > clean.shared.mean() > clean.followed.mean() > 0
