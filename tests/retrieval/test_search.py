"""The largest inner products, against brute force in exact arithmetic."""

import numpy as np
import pytest

from winnow.retrieval import search as module
from winnow.retrieval.search import Seen, flat_index, load_index, search, stored_index, top
from winnow.retrieval.settings import ScoringSettings


def brute_force(people, items, n, pairs):
    """Return row -> places, best first, ties to the earlier place."""
    scores = people.astype(float) @ items.astype(float).T
    for row, place in pairs:
        scores[row, place] = -np.inf
    return {row: [int(at) for at in np.lexsort((np.arange(len(mine)), -mine))[:n] if np.isfinite(mine[at])]
            for row, mine in enumerate(scores)}  # fmt: skip


def as_lists(found):
    lists = {}
    for row, place in zip(found.rows.tolist(), found.places.tolist(), strict=True):
        lists.setdefault(row, []).append(place)
    return lists


WORLDS = {
    "few values, many ties": lambda draw, shape: draw.integers(-1, 2, shape),
    "real vectors": lambda draw, shape: draw.normal(size=shape),
    "all alike": lambda draw, shape: draw.integers(1, 2, shape),
}


@pytest.mark.parametrize("library", ["faiss", "numpy"])
@pytest.mark.parametrize("world", WORLDS)
def test_lists_are_those_of_brute_force(world, library):
    draw = np.random.default_rng(5)
    people, items = (WORLDS[world](draw, shape).astype(np.float32) for shape in ((50, 4), (900, 4)))
    # One user has seen nothing, most a few, one more than is masked, one all but three, one everything.
    pairs = {(row, int(place)) for row in range(1, 46) for place in draw.integers(0, 900, 20)}
    pairs |= {(46, place) for place in range(400)} | {(47, place) for place in range(897)}
    pairs |= {(48, place) for place in range(900)}
    rows, places = (np.array(column) for column in zip(*sorted(pairs, reverse=True), strict=True))
    unknown = Seen.of(np.append(rows, [3, 3]), np.append(places, [-1, places[0]]), 900)
    index = flat_index(items) if library == "faiss" else None
    found = search(people, items, 10, unknown, index)
    expected = brute_force(people, items, 10, pairs)
    assert as_lists(found) == {row: mine for row, mine in expected.items() if mine}
    exact = (people[found.rows].astype(float) * items[found.places]).sum(axis=1)
    assert np.allclose(found.scores, exact, rtol=1e-12)


def test_the_lists_of_few_users_are_those_of_the_same_users_among_many():
    draw = np.random.default_rng(6)
    people, items = (draw.normal(size=shape).astype(np.float32) for shape in ((3_000, 8), (700, 8)))
    nobody = Seen.of(np.empty(0, np.int64), np.empty(0, np.int64), 700)
    whole, one = (search(some, items, 20, nobody, flat_index(items)) for some in (people, people[1234:1235]))
    mine = whole.rows == 1234
    assert whole.places[mine].tolist() == one.places.tolist()
    assert whole.scores[mine].tolist() == one.scores.tolist(), "to the last bit"


def test_only_users_whose_list_is_not_proved_are_searched_whole(monkeypatch):
    whole = []
    own = module._search_whole
    monkeypatch.setattr(module, "_search_whole", lambda *given: whole.append(given[-1]) or own(*given))
    draw = np.random.default_rng(7)
    people, items = (draw.normal(size=shape).astype(np.float32) for shape in ((200, 8), (5_000, 8)))
    pairs = Seen.of(np.repeat(np.arange(200), 30), draw.integers(0, 5_000, 6_000), 5_000)
    search(people, items, 50, pairs, flat_index(items))
    assert not whole
    search(people, np.repeat(items[:5], 1_000, axis=0), 50, pairs, None)
    assert len(whole) == 200, "a thousand items tie"


def test_the_graph_finds_most_of_what_there_is():
    draw = np.random.default_rng(8)
    people, items = (draw.normal(size=shape).astype(np.float32) for shape in ((100, 16), (4_000, 16)))
    nobody = Seen.of(np.empty(0, np.int64), np.empty(0, np.int64), 4_000)
    exact = as_lists(search(people, items, 20, nobody, flat_index(items)))
    index = load_index(stored_index(items, ScoringSettings(index="hnsw")))
    near = as_lists(search(people, items, 20, nobody, index, is_exact=False))
    assert all(len(mine) == 20 for mine in near.values())
    assert np.mean([len(set(exact[row]) & set(near[row])) / 20 for row in exact]) > 0.95
    assert stored_index(items, ScoringSettings()) is None


def test_the_top_breaks_ties_by_place_and_leaves_out_what_has_no_score():
    assert top(np.array([1.0, 2.0, -np.inf, 2.0, 1.0]), 3).tolist() == [1, 3, 0]
    assert top(np.array([-np.inf]), 3).tolist() == []
