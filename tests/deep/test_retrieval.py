"""Two towers on small worlds whose best lists are known; stored, and asked with onnxruntime."""

import datetime as dt
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from winnow.neural.keys import keys_in, places
from winnow.neural.nets import facts_of, run_onnx
from winnow.retrieval import LEARNERS, Asked, Beside, RetrievalSettings, TwoTowerSettings, interactions
from winnow.retrieval.two_tower import embedded, fit_two_tower, media_rows, user_rows
from winnow.store import Card, ModelStore

torch = pytest.importorskip("torch", reason="needs the extra deep: make test-deep")

from winnow.neural.layers import as_onnx  # noqa: E402 - beside the next, which needs torch
from winnow.retrieval import towers  # noqa: E402

pytestmark = pytest.mark.not_on("sail", "connect", why="torch trains in tasks of the session's own Spark")

AS_OF = dt.date(2026, 1, 10)
DAY = AS_OF - dt.timedelta(days=1)
SMALL = TwoTowerSettings(places=1000, epochs=15, batch=64)
SETTINGS = RetrievalSettings(sources=("two_tower",), two_tower=SMALL)
EVEN, ODD = "comedy", "drama"
NEW_USER, NEW_MEDIA = 2**40 + 100, 2**40 + 101


@pytest.fixture(scope="module")
def known(spark):
    """A checkerboard: users watched all media of their own parity but one; beside it, a user and a media that are new."""
    board = [(u + 2**40, m + 2**40) for u in range(12) for m in range(12) if u % 2 == m % 2 and (u + m) % 12 != 0]
    moment = dt.datetime.combine(DAY, dt.time(12), dt.UTC)
    examples = spark.createDataFrame(
        [(user, media, moment, DAY, 9.0, 10.0, 1) for user, media in board],
        "user_id bigint, media_id bigint, impression_ts timestamp, event_date date, watch_s double, "
        "media_duration_s double, label int",
    )
    media = [(m + 2**40, [EVEN if m % 2 == 0 else ODD], None) for m in range(12)] + [(NEW_MEDIA, [ODD], None)]
    users = [(u + 2**40, "even" if u % 2 == 0 else "odd") for u in range(12)] + [(NEW_USER, "even")]
    beside = Beside(
        media=spark.createDataFrame(media, "media_id bigint, genres array<string>, director string"),
        users=spark.createDataFrame(users, "user_id bigint, country string"),
    )
    return interactions(examples, AS_OF, SETTINGS, beside)


@pytest.fixture(scope="module")
def model(known):
    return fit_two_tower(known, SETTINGS)


@pytest.fixture(scope="module")
def asked(spark, known):
    """Everybody, the new user, and one of whom nothing is known."""
    users = [(user + 2**40,) for user in range(12)] + [(NEW_USER,), (5,)]
    return Asked(spark.createDataFrame(users, "user_id bigint"), 3, known)


def lists(rows):
    """Return user -> media in the order of their ranks, less 2**40."""
    found = {}
    for row in rows.orderBy("user_id", "rank").collect():
        assert row["reason"] is None
        assert -1.001 < row["score"] < 1.001
        found.setdefault(row["user_id"] - 2**40, []).append(row["media_id"] - 2**40)
        assert row["rank"] == len(found[row["user_id"] - 2**40])
    return found


@pytest.fixture(scope="module")
def found(model, asked):
    return lists(model.recommend(asked))


def test_the_checkerboard_is_solved(found):
    assert {user: own[0] for user, own in found.items() if user % 2 == 0 and user < 12} == {
        user: (12 - user) % 12 for user in range(0, 12, 2)
    }
    # Among the odd ones a media is new, of which only its genre is known.
    assert all(set(own[:2]) == {12 - user, 101} for user, own in found.items() if user % 2 == 1)


def test_a_new_user_is_served_by_the_account_and_one_of_whom_nothing_is_known_is_not(found):
    assert set(found) == {*range(12), 100}
    assert all(media % 2 == 0 for media in found[100])


def test_a_stored_model_gives_the_same_lists(model, asked, found, spark, tmp_path):
    store = ModelStore(str(tmp_path))
    store.save("two_tower", "v1", model.parts(), Card("two_tower", "0.1.0", "abc"))
    stored = store.open("two_tower", "v1")
    parts = {name: stored.read(name) if "." in name else stored.rows(spark, name) for name in model.parts()}
    loaded = LEARNERS["two_tower"].load(parts, SETTINGS)
    assert lists(loaded.recommend(asked)) == found
    assert facts_of(loaded.user_net) == {"places": 1000}


def test_media_and_users_have_vectors_of_length_1_in_any_partitioning(model, known):
    rows = media_rows(known)
    for parts in (1, 4):
        vectors = rows.repartition(parts).transform(embedded(model.media_net, "media_id", ("key", "about")))
        made = {row["media_id"]: row["factors"] for row in vectors.collect()}
        assert len(made) == 13
        np.testing.assert_allclose(np.linalg.norm(list(made.values()), axis=1), 1, atol=1e-5)
        kept = {row["media_id"]: row["factors"] for row in model.media.collect()}
        assert made == kept


@pytest.fixture(scope="module")
def table(known):
    """What the one process that trains is given, as Arrow."""
    people = user_rows(known, SMALL.history).drop("user_id").toArrow().append_column("is_media", pa.array([False] * 13))
    media = media_rows(known).drop("media_id").toArrow()
    nothing = pa.array([[]] * len(media))
    media = media.append_column("watched", nothing.cast(people.schema.field("watched").type))
    media = media.append_column("weights", nothing.cast(people.schema.field("weights").type))
    return pa.concat_tables([people, media.append_column("is_media", pa.array([True] * len(media)))])


@pytest.fixture
def learn(monkeypatch):
    """Return the function that trains in this very process."""

    def trained(rows, settings=SMALL):
        def given(seed):
            torch.manual_seed(seed)
            return rows

        def weights(net, *_, lists):
            return [value.tolist() for value in net.state_dict().values()]

        monkeypatch.setattr(towers, "rows_of_task", given)
        monkeypatch.setattr(towers, "as_onnx", weights)  # to write it takes seconds
        return towers.learn(settings)

    return trained


def test_two_fits_agree_whatever_order_the_rows_come_in_and_another_seed_is_another_fit(learn, table, model):
    order = np.random.default_rng(3).permutation(len(table))
    quick = replace(SMALL, epochs=2)
    assert learn(table, quick) == learn(table.take(order), quick) != learn(table, replace(quick, seed=8))


def test_without_a_pair_nothing_is_learnt(learn, table):
    assert learn(table.filter(pa.compute.field("is_media"))) is None


def test_onnx_says_what_torch_says(table):
    torch.manual_seed(1)
    both = towers.Towers(SMALL)
    people = table.filter(~pa.compute.field("is_media"))
    inputs = {name: torch.tensor(places(keys_in(people.column(name)), 1000)) for name in ("key", "about", "watched")}
    stored = as_onnx(both.user, inputs, {}, lists=("about", "watched"))
    with torch.no_grad():
        expected = both.user(*inputs.values()).numpy()
    found = run_onnx(stored, {name: value.numpy() for name, value in inputs.items()})
    np.testing.assert_allclose(found, expected, atol=1e-5, rtol=0)


def test_the_loss_is_that_of_the_paper_worked_out_by_hand(table):
    """In-batch softmax of s / t - ln Q, the same media once more left out, the media to be found not in the history."""
    pairs = towers.read_pairs(table, 1000)
    torch.manual_seed(1)
    both = towers.Towers(SMALL)
    batch = np.array([0, 7, 20, 21, 33])
    with torch.no_grad():
        loss = float(towers._loss(both, pairs, batch, pairs.log_share, 0.1))
        share = np.bincount(pairs.item, minlength=13) / len(pairs.item)
        losses, weights = [], []
        for pair in batch:
            user, item = pairs.user[pair], pairs.item[pair]
            history = [m for m in pairs.watched[user] if m >= 0 and m != item]
            person = both.user(
                torch.tensor(pairs.people[0][[user]]),
                torch.tensor(pairs.people[1][[user]]),
                torch.tensor(pairs.media[0][[history]]),
            )
            wanted = [pair, *(other for other in batch if pairs.item[other] != item)]
            media = [torch.tensor(column[pairs.item[wanted]]) for column in pairs.media]
            score = (person @ both.media(*media).T)[0].numpy() / 0.1 - np.log(share[pairs.item[wanted]])
            losses.append(np.log(np.exp(score).sum()) - score[0])
            weights.append(float(pairs.weight[pair]))
    assert loss == pytest.approx(np.average(losses, weights=weights), rel=1e-5)
