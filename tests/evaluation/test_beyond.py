"""Coverage, novelty, diversity and popularity of lists against brute force, and in their bounds whatever the lists."""

import itertools
import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyspark.sql import functions as F

from winnow.evaluation.beyond import Known, exposure, metrics_over_users, population_of, sum_entries
from winnow.evaluation.catalogue import ENGAGED, PERCENTILE, catalogue_of
from winnow.evaluation.lists import lists

BOUNDED = {
    "normalised_novelty",
    "popularity_percentile",
    "intra_list_diversity",
    "catalogue_coverage",
    "exposure_gini",
}


@pytest.fixture(scope="module")
def measure(spark):
    """Return the function that measures lists (user -> media), given who engaged with what and the genres of media."""

    def metrics(listed, engaged, genres, at):
        rows = [(user, media, place + 1) for user, own in listed.items() for place, media in enumerate(own)]
        shown = spark.createDataFrame(rows, "user_id string, media_id bigint, rank int").transform(lists(max(at)))
        known_before = spark.createDataFrame(engaged, "user_id string, media_id bigint")
        media = spark.createDataFrame(list(genres.items()), "media_id bigint, genres array<string>")
        names = tuple(sorted({name for own in genres.values() for name in own or ()}))
        of_all = set(genres) | {medium for _, medium in engaged}
        known = Known(len({user for user, _ in engaged}), len(of_all), names)
        catalogue = catalogue_of(known_before, media, names)
        sums = sum_entries(shown, catalogue, known, at, groups=7, seed=1)
        (total,) = sums.agg(*(F.sum(f"`{name}`").alias(name) for name in sums.columns[1:])).collect()
        found = {
            (name, k): total[f"{name}@{k}"] / total[population_of(name, k)]
            for k in at
            for name in metrics_over_users(known, k)
            if total[population_of(name, k)]
        }
        for row in exposure(shown, catalogue, known, at).collect():
            found |= {(name, row["k"]): row[name] for name in ("catalogue_coverage", "exposure_gini")}
        return found

    return metrics


def brute_force(listed, engaged, genres, k):
    """Return the metrics by their definitions, user by user."""
    everyone = {user for user, _ in engaged}
    catalogue = sorted(set(genres) | {media for _, media in engaged})
    users = {media: len({user for user, own in engaged if own == media}) for media in catalogue}

    def percentile(media):
        below = sum(users[other] < users[media] for other in catalogue)
        tied = sum(users[other] == users[media] for other in catalogue)
        return (below + tied / 2) / len(catalogue)

    means = {"novelty": [], "popularity_percentile": [], "intra_list_diversity": []}
    shows = dict.fromkeys(catalogue, 0)
    for own in listed.values():
        head = list(dict.fromkeys(own))[:k]
        means["novelty"].append(np.mean([-math.log2(max(users.get(one, 0), 1) / len(everyone)) for one in head]))
        means["popularity_percentile"].append(np.mean([percentile(one) if one in users else 0.0 for one in head]))
        pairs = [
            1 - len(set(genres[one]) & set(genres[other])) / len(set(genres[one]) | set(genres[other]))
            for one, other in itertools.combinations(head, 2)
            if genres.get(one) and genres.get(other)
        ]
        if pairs:
            means["intra_list_diversity"].append(np.mean(pairs))
        for media in head:
            if media in shows:
                shows[media] += 1
    found = {name: np.mean(values) for name, values in means.items() if values}
    found["normalised_novelty"] = found["novelty"] / math.log2(len(everyone))
    found["catalogue_coverage"] = sum(count > 0 for count in shows.values()) / len(catalogue)
    differences = sum(abs(one - other) for one in shows.values() for other in shows.values())
    found["exposure_gini"] = differences / (2 * len(catalogue) * sum(shows.values()))
    return found


def test_a_crowd_of_lists_equals_brute_force(measure):
    draw = random.Random(5)
    names = [f"genre {number}" for number in range(64)]  # more than the bits of one number
    genres = {media: draw.sample(names, draw.randint(0, 4)) or None for media in range(60)}
    engaged = [(str(draw.randrange(40)), int(65 * draw.random() ** 2)) for _ in range(400)]
    listed = {
        str(user): [int(75 * draw.random() ** 1.5) for _ in range(draw.choice([1, 2, 6, 15]))] for user in range(300)
    }
    found = measure(listed, engaged, genres, [1, 10])
    for k in (1, 10):
        expected = brute_force(listed, engaged, genres, k)
        assert set(expected) == {name for name, at in found if at == k}
        for name, value in expected.items():
            assert found[name, k] == pytest.approx(value, abs=1e-9), (name, k)


def test_a_toy_by_hand(measure):
    engaged = [("a", 1), ("b", 1), ("c", 1), ("d", 1), ("a", 2), ("b", 2), ("a", 3)]  # 4, 2, 1 users of 4
    genres = {1: ["drama"], 2: ["drama", "crime"], 3: ["music"], 4: None}
    found = measure({"a": [1, 2], "b": [3, 9]}, engaged, genres, [2])
    assert found["novelty", 2] == pytest.approx(((0 + 1) / 2 + (2 + 2) / 2) / 2)
    assert found["normalised_novelty", 2] == pytest.approx(found["novelty", 2] / 2)
    assert found["intra_list_diversity", 2] == pytest.approx(0.5), "the list with a stranger has no pair"
    assert found["catalogue_coverage", 2] == 0.75
    assert found["popularity_percentile", 2] == pytest.approx(((7 / 8 + 5 / 8) / 2 + (3 / 8 + 0) / 2) / 2)


def test_everything_to_all_is_even_and_one_to_all_is_not(measure):
    engaged = [("a", media) for media in range(10)]
    even = measure({str(user): list(range(10)) for user in range(5)}, engaged, {0: None}, [10])
    assert (even["exposure_gini", 10], even["catalogue_coverage", 10]) == (0.0, 1.0)
    narrow = measure({str(user): [3] for user in range(5)}, engaged, {0: None}, [10])
    assert narrow["exposure_gini", 10] == pytest.approx(0.9)


MEDIA = st.integers(0, 8)
WORLD = st.fixed_dictionaries(
    {
        "listed": st.dictionaries(st.sampled_from("abcdef"), st.lists(MEDIA, min_size=1, max_size=6), min_size=1),
        "engaged": st.lists(st.tuples(st.sampled_from("abcd"), MEDIA), min_size=1, max_size=20),
        "genres": st.dictionaries(MEDIA, st.lists(st.sampled_from("xyz"), max_size=3), min_size=1),
    }
)


@settings(max_examples=4)
@given(world=WORLD)
def test_shares_lie_between_0_and_1_whatever_the_lists(measure, world):
    for (name, _), value in measure(**world, at=[1, 4]).items():
        assert value >= 0, name
        assert name not in BOUNDED or value <= 1 + 1e-12, name


def test_the_catalogue_ranks_by_users_and_counts_repeats_once(spark):
    engaged = spark.createDataFrame([("a", 1), ("a", 1), ("b", 1), ("a", 2)], "user_id string, media_id bigint")
    media = spark.createDataFrame([(2, ["x"]), (3, None)], "media_id bigint, genres array<string>")
    rows = {row["media_id"]: row for row in catalogue_of(engaged, media, ["x"]).collect()}
    assert {media: row[ENGAGED] for media, row in rows.items()} == {1: 2, 2: 1, 3: 0}
    assert {media: row[PERCENTILE] for media, row in rows.items()} == {1: 5 / 6, 2: 0.5, 3: 1 / 6}
