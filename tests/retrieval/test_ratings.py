"""Models of ratings on a generated truth of known rank, and what is told of how good they are."""

import datetime as dt
import math

import numpy as np
import pyarrow as pa
import pytest

from winnow.errors import InputNotReadyError
from winnow.evaluation.ratings import HELD_OUT, hold_out, measure_ratings
from winnow.retrieval import AlsSettings, Beside, Interactions, RatingsSettings, RetrievalSettings, SvdSettings
from winnow.retrieval.explicit import fit_bias, fit_explicit

AS_OF = dt.date(2026, 1, 1)
RANK, NOISE = 3, 0.5
SETTINGS = RetrievalSettings(
    als=AlsSettings(user_blocks=2, item_blocks=2),
    svd=SvdSettings(blocks=2),
    ratings=RatingsSettings(rank=RANK, regularisation=0.01, iterations=8),
)


@pytest.fixture(scope="module")
def parted(spark):
    """Ratings with a truth of rank 3 and biases, and noise: of 31,000, 2,200 numbers are learnt, which costs 3.5 % by itself."""
    draw = np.random.default_rng(11)
    users, media = 300, 250
    truth = 3.5 + draw.normal(0, 0.4, (users, 1)) + draw.normal(0, 0.4, (1, media))
    truth = truth + draw.normal(size=(users, RANK)) @ draw.normal(size=(RANK, media)) * 0.6
    rated = truth + draw.normal(0, NOISE, truth.shape)
    user, item = np.nonzero(draw.random(truth.shape) < 0.55)
    # And a media, and a user, of one rating.
    columns = {
        "user_id": [f"u{number}" for number in user] + ["u0", "newcomer"],
        "media_id": np.append(item + 2**40, [7, 2**40]),
        "rating": np.append(rated[user, item], [3.0, 3.0]),
    }
    ratings = spark.createDataFrame(pa.table(columns)).coalesce(2)
    whole = ratings.transform(hold_out(0.25, 1)).cache()
    # What only the held-out side knows is cold.
    is_cold = (whole.media_id == 7) | (whole.user_id == "newcomer")
    yield whole.where(~whole[HELD_OUT] & ~is_cold).drop(HELD_OUT), whole.where(whole[HELD_OUT] | is_cold).drop(HELD_OUT)
    whole.unpersist()


def measured(model, held_out):
    (row,) = held_out.transform(model.predict("prediction")).transform(measure_ratings("prediction")).collect()
    return row


@pytest.fixture(scope="module")
def of_bias(parted):
    train, held_out = parted
    return measured(fit_bias(train, SETTINGS), held_out)


def test_the_bias_model_predicts_everybody(of_bias, parted):
    assert of_bias["dropped"] == 0
    assert of_bias["coverage"] == 1.0
    assert of_bias["mae"] < of_bias["rmse"] < 1.5


@pytest.mark.not_on("sail", why="it has neither Spark ML nor zip_with")
@pytest.mark.parametrize("by", ["als", "svd"])
def test_factors_beat_the_bias_model_and_reach_the_noise(by, parted, of_bias):
    train, held_out = parted
    known = Interactions(AS_OF, train, train)
    found = measured(fit_explicit(known, SETTINGS, by=by, ratings=train), held_out)
    assert found["rmse"] < 0.7 * of_bias["rmse"]
    assert found["rmse"] < 1.05 * NOISE, "nobody predicts better than the noise"
    assert found["dropped"] == 2, "cold rows are told"
    assert found["coverage"] == pytest.approx(1 - 2 / found["given"])


def test_the_biases_are_those_of_the_formula(spark):
    rows = [("a", 1, 5.0), ("a", 2, 3.0), ("b", 1, 4.0)]
    ratings = spark.createDataFrame(rows, "user_id string, media_id bigint, rating double")
    settings = RetrievalSettings(ratings=RatingsSettings(media_shrinkage=2.0, user_shrinkage=1.0))
    model = fit_bias(ratings, settings)
    of_media = {row[0]: row[1] for row in model.media.collect()}
    assert of_media == pytest.approx({1: 1.0 / 4, 2: -1.0 / 3})
    of_user = {row[0]: row[1] for row in model.users.collect()}
    assert of_user == pytest.approx({"a": ((5 - 4.25) + (3 - 4 + 1 / 3)) / 3, "b": (4 - 4.25) / 2}, abs=1e-5)


def test_the_metrics_are_those_of_a_hand_count_and_nothing_predicted_is_no_error(spark):
    rows = [(3.0, 4.0), (5.0, 3.0), (2.0, None), (1.0, float("nan")), (None, 2.0)]
    given = spark.createDataFrame(rows, "rating double, p double")
    (row,) = given.transform(measure_ratings("p")).collect()
    assert (row["given"], row["predicted"], row["dropped"], row["coverage"]) == (4, 2, 2, 0.5)
    assert row["rmse"] == pytest.approx(math.sqrt((1 + 4) / 2))
    assert row["mae"] == pytest.approx(1.5)
    (none,) = given.where("p is null").transform(measure_ratings("p")).collect()
    assert (none["rmse"], none["coverage"]) == (None, 0.0)


def test_ratings_of_later_days_are_not_known_and_none_at_all_are_asked_for(spark):
    rows = [(1, 1, 5.0, dt.datetime(2025, 12, 31, 23, 59)), (1, 2, 1.0, dt.datetime(2026, 1, 1))]  # noqa: DTZ001
    ratings = spark.createDataFrame(rows, "user_id bigint, media_id bigint, rating double, rated_ts timestamp")
    from winnow.retrieval.explicit import known_ratings

    known = Interactions(AS_OF, ratings, ratings, Beside(ratings=ratings))
    assert [row["media_id"] for row in known_ratings(known).collect()] == [1]
    with pytest.raises(InputNotReadyError, match="import_ratings"):
        known_ratings(Interactions(AS_OF, ratings, ratings))
