"""Every learner on one small world whose truth is known: what matters, what weights do, and its own files."""

import datetime as dt
from dataclasses import replace

import numpy as np
import pytest
from pyspark.sql import functions as F

from winnow.errors import DataError
from winnow.ranking import LEARNERS, RankingSettings, Vector, read_survey, survey
from winnow.ranking.settings import MODELS, FmSettings, ForestSettings, GbtSettings, XgbSettings

pytestmark = pytest.mark.not_on("sail", why="it has no Spark ML")

ROWS, WEIGHT = 1_200, 3.0
VECTOR = Vector(("taste", "noise", "constant"), {"surface": ("home", "search")})
SMALL = RankingSettings(
    gbt=GbtSettings(trees=8, depth=3, step=0.4),
    forest=ForestSettings(trees=10, depth=4),
    fm=FmSettings(iterations=25, step=0.3),
    xgb=XgbSettings(trees=12, depth=3, step=0.4),
)


@pytest.fixture(scope="module")
def rows(spark):
    """Rows whose log odds are 2 taste + [surface = home] - 1.5; a positive weighs 3."""
    draw = np.random.default_rng(11)
    taste, noise, is_home = draw.normal(size=ROWS), draw.normal(size=ROWS) * 100, draw.random(ROWS) < 0.5
    label = draw.random(ROWS) < 1 / (1 + np.exp(-(2 * taste + is_home - 1.5)))
    day = dt.date(2026, 1, 5)
    made = [
        (place % 60, day, float(a), float(b), 7.0, "home" if c else "search", int(y), WEIGHT if y else 1.0)
        for place, (a, b, c, y) in enumerate(zip(taste, noise, is_home, label, strict=True))
    ]
    ddl = "user_id bigint, event_date date, taste double, noise double, constant double, surface string, label int"
    plain = spark.createDataFrame(made, f"{ddl}, weight double").coalesce(2)
    return plain.transform(VECTOR.assemble()).persist()


@pytest.fixture(scope="module")
def found(rows):
    return read_survey(rows.transform(survey(VECTOR)).head().asDict(), "watched", VECTOR, SMALL)


@pytest.mark.parametrize("name", [name for name in MODELS if name != "deep"])  # tests/deep has that one
def test_a_learner_finds_what_matters_heeds_weights_and_is_read_again(name, rows, found, tmp_path):
    learner = LEARNERS[name]
    model = learner.fit(rows if learner.takes_weights else rows.drop("weight"), replace(SMALL, model=name))

    importances = dict(
        zip(VECTOR.names, model.importances([one.deviation for one in found.moments.values()]), strict=True)
    )
    assert sum(importances.values()) == pytest.approx(1.0)
    assert importances["taste"] > 0.5
    assert importances["constant"] == 0

    native = model.native
    if not learner.ending:
        native.write().save(str(tmp_path / name))
        native = type(native).load(str(tmp_path / name))
    columns = ("user_id", "taste", "label", F.col("score"))
    both = [which.transform(rows).select(*columns) for which in (model, learner.revive(native))]
    scores = [np.array([row[1:] for row in mine.orderBy("user_id", "taste").collect()]) for mine in both]
    assert np.array_equal(scores[0], scores[1])
    assert set(model.transform(rows).columns) == {*rows.columns, "score"}, "nothing of the model's own is left"

    label, given = scores[0][:, 1] == 1, scores[0][:, 2]
    assert (given[label][:, None] > given[~label][None, :]).mean() > 0.8, "the order of positives and negatives"
    if learner.is_probability:
        weight = np.where(label, WEIGHT, 1.0) if learner.takes_weights else np.ones(len(label))
        assert np.average(given, weights=weight) == pytest.approx(np.average(label, weights=weight), abs=0.02)
        assert given.mean() > 0.45 or not learner.takes_weights, "of some 35 % positives"


def test_the_survey_counts_what_there_is(found, rows):
    assert (found.rows, found.weights) == (ROWS, (1.0, WEIGHT))
    assert found.positives == rows.where("label = 1").count()
    assert found.missing == {}
    told = rows.agg(F.avg("noise"), F.stddev("noise"), F.avg((F.col("surface") == "home").cast("int"))).head()
    assert found.moments["noise"] == pytest.approx(told[:2])
    assert found.moments["constant"] == (7.0, 0.0)
    assert found.moments["surface=home"].mean == pytest.approx(told[2])
    assert found.moments["surface=search"].mean == pytest.approx(1 - told[2])


def test_weights_are_refused_by_name_where_the_learner_knows_none(rows):
    counted = rows.transform(survey(VECTOR)).head().asDict()
    with pytest.raises(DataError, match="fm takes no weights, found rows of watched that weigh from 1 to 3"):
        read_survey(counted, "watched", VECTOR, replace(SMALL, model="fm"))


def test_a_class_without_a_row_is_refused_with_the_counts(rows):
    counted = rows.where("label = 0").transform(survey(VECTOR)).head().asDict()
    with pytest.raises(DataError, match=r"found 0 positives and [0-9]+ negatives"):
        read_survey(counted, "watched", VECTOR, SMALL)
