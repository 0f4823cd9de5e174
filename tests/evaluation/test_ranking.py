"""Metrics of lists against a golden toy, brute force and scikit-learn."""

import math
import random

import numpy as np
import pytest
from pyspark.sql import functions as F
from sklearn.metrics import average_precision_score, ndcg_score

from winnow.errors import ContractError
from winnow.evaluation.lists import GRADE, ITEMS, lists, relevant
from winnow.evaluation.ranking import CONVENTIONS, METRICS_OF_LISTS, WINNOW, column_of, population_of, sum_hits


@pytest.fixture(scope="module")
def measure(spark):
    """Return the function that takes the means of all metrics of lists: user -> media, and user -> media -> grade."""

    def means(listed, wanted, at, convention=WINNOW, slices=(), contexts=None, parts=3):
        rows = [(user, media, place + 1) for user, own in listed.items() for place, media in enumerate(own)]
        truth = [
            (user, media, grade, (contexts or {}).get((user, media), "tv"))
            for user, own in wanted.items()
            for media, grade in own.items()
        ]
        shown = spark.createDataFrame(rows, "user_id string, media_id bigint, rank int").repartition(parts)
        asked = spark.createDataFrame(truth, f"user_id string, media_id bigint, {GRADE} int, device string")
        joined = asked.transform(relevant(slices)).join(shown.transform(lists(max(at))), on="user_id", how="left")
        sums = sum_hits(joined, at, groups=50, seed=1, convention=convention)
        by_slice = {}
        for row in sums.groupBy("slice").agg(*(F.sum(f"`{name}`").alias(name) for name in sums.columns[2:])).collect():
            by_slice[row["slice"]] = {
                (metric, k): row[column_of(metric, k)] / row[population_of(metric, convention)]
                for metric in METRICS_OF_LISTS
                for k in at
                if row[population_of(metric, convention)]
            }
        return by_slice if slices else by_slice["{}"]

    return means


def toy():
    """A has 12 relevant and hits at 1 and 3, B one relevant and [miss, hit], C two relevant and no list."""
    listed = {"A": [1, 101, 2, 102, 103], "B": [201, 21]}
    wanted = {"A": dict.fromkeys(range(1, 13), 1), "B": {21: 1}, "C": {31: 1, 32: 1}}
    return listed, wanted


def test_they_do_not_depend_on_where_the_rows_lie(measure):
    """Sums of floats differ by the order of their parts: to one in 10 ** 12 they do not."""
    draw = random.Random(5)
    listed = {f"u{user}": draw.sample(range(60), 20) for user in range(300)}
    wanted = {user: {media: draw.randint(1, 3) for media in draw.sample(range(60), 7)} for user in listed}
    whole = measure(listed, wanted, [5, 20], parts=1)
    for parts in (4, 9):
        assert measure(listed, wanted, [5, 20], parts=parts) == pytest.approx(whole, rel=1e-12)


def test_the_golden_toy(measure):
    found = measure(*toy(), [5])
    assert round(found["map", 5], 4) == 0.2778
    assert round(found["ndcg", 5], 4) == 0.3799
    assert found["recall", 5] == pytest.approx((2 / 12 + 1) / 3)
    assert round(found["recall", 5], 4) == 0.3889


@pytest.mark.parametrize(
    ("library", "mean_average_precision", "ndcg"),
    [
        ("spark_ranking_metrics", 0.2778, 0.3799),
        ("recommenders_pandas", 0.4167, 0.3799),
        ("recommenders_spark", 0.4167, 0.5698),
        ("rectools", 0.2130, 0.2409),
        ("ranx", 0.2130, 0.3799),
    ],
)
def test_each_library_s_own_numbers_of_the_toy(measure, library, mean_average_precision, ndcg):
    found = measure(*toy(), [5], CONVENTIONS[library])
    assert (round(found["map", 5], 4), round(found["ndcg", 5], 4)) == (mean_average_precision, ndcg)


def brute_force(listed, wanted, k):
    """Return the means by the definitions, user by user."""
    totals = dict.fromkeys(METRICS_OF_LISTS, 0.0)
    for user, grades in wanted.items():
        own = list(dict.fromkeys(listed.get(user, [])))[:k]
        hits = [media in grades for media in own]
        precision, recall = sum(hits) / k, sum(hits) / len(grades)
        dcg = sum((2 ** grades.get(media, 0) - 1) / math.log2(place + 2) for place, media in enumerate(own))
        best = sorted(grades.values(), reverse=True)[:k]
        totals["precision"] += precision
        totals["recall"] += recall
        totals["f1"] += 2 * precision * recall / (precision + recall) if sum(hits) else 0.0
        totals["hit_rate"] += any(hits)
        totals["mrr"] += 1 / (hits.index(True) + 1) if any(hits) else 0.0
        totals["map"] += sum(sum(hits[: i + 1]) / (i + 1) for i, hit in enumerate(hits) if hit) / min(len(grades), k)
        totals["mar"] += sum(sum(hits[:n]) / len(grades) for n in range(1, k + 1)) / k
        totals["ndcg"] += dcg / sum((2**grade - 1) / math.log2(place + 2) for place, grade in enumerate(best))
    return {metric: total / len(wanted) for metric, total in totals.items()}


@pytest.fixture(scope="module")
def crowd():
    """1,000 users with short, empty and missing lists, repeated media, and one to fifteen relevant media of three grades."""
    draw = random.Random(11)
    listed, wanted = {}, {}
    for user in map(str, range(1_000)):
        wanted[user] = {media: draw.randint(1, 3) for media in draw.sample(range(40), draw.randint(1, 15))}
        if draw.random() < 0.9:
            listed[user] = [draw.randrange(40) for _ in range(draw.choice([1, 3, 10, 25]))]
    listed["nobody wants"] = [1, 2, 3]
    return listed, wanted


def test_a_thousand_users_equal_brute_force(measure, crowd):
    found = measure(*crowd, [1, 5, 10, 30])
    for k in (1, 5, 10, 30):
        for metric, value in brute_force(*crowd, k).items():
            assert found[metric, k] == pytest.approx(value, abs=1e-9), (metric, k)
            assert 0 <= found[metric, k] <= 1


def test_full_lists_equal_scikit_learn(measure):
    draw = random.Random(12)
    listed = {str(user): draw.sample(range(20), 20) for user in range(200)}
    wanted = {user: {media: draw.randint(1, 4) for media in draw.sample(range(20), 6)} for user in listed}
    truth = np.array([[wanted[user].get(media, 0) for media in range(20)] for user in listed])
    scores = np.array([[-listed[user].index(media) for media in range(20)] for user in listed])
    found = measure(listed, wanted, [10, 20])
    assert found["ndcg", 10] == pytest.approx(ndcg_score(2.0**truth - 1, scores, k=10), abs=1e-9)
    precisions = [average_precision_score(own > 0, score) for own, score in zip(truth, scores, strict=True)]
    assert found["map", 20] == pytest.approx(np.mean(precisions), abs=1e-9)


def test_a_list_is_sorted_by_its_scores_with_ties_by_media_and_unknown_scores_last(spark):
    rows = [("a", 5, 1.0), ("a", 3, 1.0), ("a", 9, 2.0), ("a", 1, float("nan")), ("a", 3, 0.5), ("a", 2, None)]
    listed = spark.createDataFrame(rows, "user_id string, media_id bigint, score double").transform(lists(4))
    assert [row[ITEMS] for row in listed.collect()] == [[9, 3, 5, 1]]


def test_rows_with_neither_rank_nor_score_are_refused(spark):
    rows = spark.createDataFrame([("a", 5)], "user_id string, media_id bigint")
    with pytest.raises(ContractError, match=r"missing rank .* or score"):
        rows.transform(lists(4))


def test_a_slice_is_a_part_of_what_was_relevant(measure):
    listed, wanted = {"a": [1, 2], "b": [3]}, {"a": {1: 1, 9: 1}, "b": {3: 1}}
    found = measure(listed, wanted, [1], slices=["device"], contexts={("a", 9): "web"})
    assert {name: means["recall", 1] for name, means in found.items()} == {
        "{}": pytest.approx(0.75),
        '{"device":"tv"}': 1.0,
        '{"device":"web"}': 0.0,
    }
