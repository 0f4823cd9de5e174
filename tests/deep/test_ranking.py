"""The deep ranker on a small world whose truth is known: ids, lists and numbers, weights, days held out, its own file."""

import datetime as dt
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from winnow.errors import SettingsError
from winnow.neural.keys import NOTHING
from winnow.neural.nets import facts_of
from winnow.ranking import LEARNERS, NUMBERS, RankingSettings, vectorise
from winnow.ranking.settings import DeepSettings

torch = pytest.importorskip("torch", reason="needs the extra deep: make test-deep")

from winnow.neural.training import batches  # noqa: E402 - beside the next, which needs torch
from winnow.ranking import deep_net  # noqa: E402

pytestmark = pytest.mark.not_on("sail", "connect", why="torch trains in tasks of the session's own Spark")

OWN = DeepSettings(
    lists={"watched": "media_id", "terms": "term"}, places=2000, hidden=(32, 16), batch=256, step=0.01, epochs=15
)
SETTINGS = RankingSettings(model="deep", deep=OWN)
COUNT = 4000


def world(seed):
    """Return rows, and the log odds that made their labels: taste of ids, a number, and a media among those watched."""
    draw = np.random.default_rng(seed)
    made, odds = [], []
    for place in range(COUNT):
        user, media, x = int(draw.integers(30)), int(draw.integers(30)), float(draw.normal())
        watched = [f"m{one}" for one in draw.integers(0, 15, int(draw.integers(0, 4)))]
        own = 1.5 * (1 if user % 2 == media % 2 else -1) + x + 1.5 * ("m3" in watched)
        label = int(draw.random() < 1 / (1 + np.exp(-own)))
        day = dt.date(2026, 1, 1 + place % 4)
        terms = None if place % 3 else ["", "film"]
        made.append((place, user, f"m{media}", [x * 1e4, 5.0], watched, terms, label, 3.0 if label else 1.0, day))
        odds.append(own)
    return made, np.array(odds)


@pytest.fixture(scope="module")
def frame(spark):
    """Return the function that makes vectors of rows."""
    ddl = (
        f"id int, user_id bigint, media_id string, {NUMBERS} array<double>, watched array<string>, terms array<string>, "
        "label int, weight double, event_date date"
    )
    return lambda rows: spark.createDataFrame(rows, ddl).transform(vectorise())


@pytest.fixture(scope="module")
def fitted(frame):
    return LEARNERS["deep"].fit(frame(world(1)[0]), SETTINGS)


def area(label, score):
    """Return the AUC: how often a positive is above a negative."""
    return (score[label == 1][:, None] > score[label == 0][None, :]).mean()


def scores(model, rows):
    found = model.transform(rows).select("id", "label", "weight", "score").orderBy("id").toPandas()
    return found["label"].to_numpy(), found["weight"].to_numpy(), found["score"].to_numpy()


def test_it_learns_from_ids_lists_and_numbers_and_heeds_the_weights(fitted, frame):
    rows, odds = world(2)
    label, weight, score = scores(fitted, frame(rows).repartition(3))
    assert area(label, odds) > area(label, score) > area(label, odds) - 0.04
    assert area(label, score) > area(label, np.array([row[3][0] for row in rows])) + 0.05, "than by the number alone"
    assert np.average(score, weights=weight) == pytest.approx(np.average(label, weights=weight), abs=0.03)
    assert score.mean() > label.mean() + 0.1, "a positive weighs 3"


def test_the_file_is_the_whole_model(fitted, frame):
    rows = frame(world(1)[0][:500])
    revived = LEARNERS["deep"].revive(bytes(bytearray(fitted.native)))
    np.testing.assert_array_equal(scores(revived, rows)[2], scores(fitted, rows.repartition(2))[2])
    assert facts_of(fitted.native)["ids"] == ["user_id", "media_id"]


def test_what_is_constant_matters_nothing(fitted):
    assert fitted.importances([1.0, 0.0]) == [1.0, 0.0]
    assert sum(fitted.importances([1.0, 1.0])) == pytest.approx(1.0)


def test_rows_without_ids_lists_or_numbers_have_a_score_too(fitted, frame):
    bare = [(1, None, None, [0.0, 0.0], None, None, 0, 1.0, dt.date(2026, 1, 1)), *world(1)[0][:3]]
    bare.append((10**6, 2**60, "never seen", [1e300, -1e300], ["new"], [""], 0, 1.0, dt.date(2026, 1, 1)))
    _, _, score = scores(fitted, frame(bare))
    assert ((score >= 0) & (score <= 1)).all()


@pytest.fixture
def learn(monkeypatch):
    """Return the function that trains in this very process on columns, and tells of each pass in a list."""

    def trained(columns, passes=None):
        def given(seed):
            torch.manual_seed(seed)
            return pa.table(columns)

        def weights(net, *_):
            return [value.tolist() for value in net.state_dict().values()]

        monkeypatch.setattr(deep_net, "rows_of_task", given)
        monkeypatch.setattr(deep_net, "as_onnx", weights)  # to write it takes seconds
        monkeypatch.setattr(deep_net, "batches", lambda *told: (passes or []).append(1) or batches(*told))
        return deep_net.learn(replace(OWN, lists={}, ids=("user_id",), epochs=12, patience=2), 7)

    return trained


@pytest.fixture
def columns():
    """Rows whose label is told by their one number, on four days."""
    x = np.linspace(-2, 2, 800).astype(np.float32)
    return {
        "numbers": pa.array(x[:, None].tolist()),
        "ids": pa.array([[1]] * 800),
        "positive": (x > 0).astype(np.float32),
        "weight": np.ones(800, np.float32),
        "day": (np.arange(800) % 4).astype(np.int32),
        "order": np.arange(800),
    }


def test_training_stops_when_the_last_days_say_so(learn, columns):
    passes = [0]
    turned = columns | {"positive": np.where(columns["day"] == 3, 1 - columns["positive"], columns["positive"])}
    learn(turned, passes)  # all that is learnt is wrong there
    assert sum(passes) <= 4
    passes = [0]
    learn(turned | {"day": np.zeros(800, np.int32)}, passes)  # no day is left to hold out: all passes are taken
    assert sum(passes) == 12


def test_two_fits_agree_whatever_order_the_rows_come_in(learn, columns):
    order = np.random.default_rng(3).permutation(800)
    shuffled = pa.table(columns).take(order)
    assert learn(columns) == learn({name: shuffled.column(name) for name in columns})


def test_each_id_and_list_is_multiplied_with_each_other():
    net = deep_net.DeepNet(1, 2, 1, replace(OWN, width=4))
    torch.nn.init.zeros_(net.layers[-1].weight)  # so that nothing but the products is left
    torch.nn.init.zeros_(net.layers[-1].bias)
    user, media, first, second = net.embeddings.table.weight[[5, 7, 9, 11]]
    watched = (first + second) / 2
    by_hand = user @ media + user @ watched + media @ watched
    found = net(torch.zeros(1, 1), torch.tensor([[5, 7]]), torch.tensor([[9, 11, NOTHING]]))
    assert float(found.detach()) == pytest.approx(float(by_hand.detach()), rel=1e-5)


def test_a_list_that_is_no_column_or_no_id_at_all_is_refused():
    with pytest.raises(SettingsError, match="ids"):
        replace(OWN, ids=())
    assert LEARNERS["deep"].reads(SETTINGS) == ("user_id", "media_id", "watched", "terms")
