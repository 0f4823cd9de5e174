"""Stored rankers are opened only by settings under which their columns mean what they meant in training."""

import argparse
import datetime as dt

import pytest

from winnow.config import Settings
from winnow.errors import ModelError
from winnow.moments import Moments
from winnow.ranking import LEARNERS, Ranker, Vector

pytestmark = pytest.mark.not_on("sail", why="it has no Spark ML")

FEATURE = "user_session_s"
ASKED = {"ranking.model": "logistic", "ranking.columns": [FEATURE]}


@pytest.fixture(scope="module")
def run_of(spark, tmp_path_factory):
    from winnow.run import Run
    from winnow.tables import Tables

    root = str(tmp_path_factory.mktemp("rankers"))

    def of(**changes):
        settings = Settings().changed(ASKED | changes)
        now, asked = dt.datetime.now(dt.UTC), argparse.Namespace(dry_run=False)
        return Run("train_ranker", asked, settings, Tables(spark, settings, root), "first", now, [])

    return of


@pytest.fixture(scope="module")
def stored(spark, run_of):
    from winnow.publishing.rankers import store_rankers

    vector = Vector((FEATURE,), {})
    rows = spark.createDataFrame([(1.0, 1, 1.0), (0.0, 0, 1.0)] * 5, f"{FEATURE} double, label int, weight double")
    run = run_of()
    model = LEARNERS["logistic"].fit(rows.transform(vector.assemble()), run.settings.ranking)
    ranker = Ranker(
        "watched", "logistic", model, vector, {FEATURE: Moments(0.5, 0.5)}, (1.0,), {FEATURE: 0.25}, "on_scores"
    )
    store_rankers(run, [ranker], {})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("features.half_life_days", 3),
        ("features.windows_days", [1, 7]),
        ("features.most_values", 5),
        ("features.buckets", 10),
        ("features.country_utc_offset_h", {"JP": 9}),
        ("splitting.utc_offset_h", 8),
        ("labelling.maturity_hours", 48),
        ("labels", {"watched": {"kind": "watched_fraction", "positive_at_least": 0.9}}),
    ],
)
def test_settings_by_which_a_column_means_something_else_are_refused_by_name(stored, run_of, key, value):
    from winnow.publishing.rankers import stored_rankers

    told = "labels.watched.positive_at_least" if key == "labels" else key
    with pytest.raises(
        ModelError, match=rf"models/logistic/first: expected the settings .*{told} .*, found .* Set them so"
    ):
        stored_rankers(run_of(**{key: value}))


def test_what_changes_no_column_is_let_through_and_what_training_lacked_is_told(stored, run_of):
    from winnow.publishing.rankers import stored_rankers

    version, (ranker,) = stored_rankers(run_of(**{"features.keywords": ["moon"], "ranking.gbt.trees": 3}))
    assert (version, ranker.defaulted) == ("first", {FEATURE: 0.25})
