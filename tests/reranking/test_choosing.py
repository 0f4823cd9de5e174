"""Lists chosen from pools: against a slow reading of the formula, by hand, and in any partitioning."""

import numpy as np
import pytest

from winnow.errors import SettingsError
from winnow.reranking import AGE_DAYS, ALIKE, RerankingSettings, choose, chosen


def slow_mmr(scores, alike, length, part):
    """Return what mmr chooses, by its formula and nothing else."""
    found = []
    while len(found) < length:
        best = None
        for place in (place for place in range(len(scores)) if place not in found):
            mine = set(alike[place])
            others = [set(alike[other]) for other in found]
            nearest = max((len(mine & own) / len(mine | own) for own in others if mine | own), default=0.0)
            value = part * scores[place] / max(scores) - (1 - part) * nearest
            if best is None or value > best[0] + 1e-12:
                best = (value, place)
        found.append(best[1])
    return found


@pytest.mark.parametrize("seed", range(5))
def test_mmr_is_its_formula(seed):
    draw = np.random.default_rng(seed)
    scores = np.sort(draw.random(20))[::-1]
    alike = [[f"genre={value}" for value in draw.choice(5, size=draw.integers(0, 4), replace=False)] for _ in scores]
    settings = RerankingSettings(length=8, pool=20, score_part=0.6)
    assert chosen(scores, alike, settings) == slow_mmr(scores, alike, 8, 0.6)


def test_a_cap_holds_until_nothing_else_is_left():
    scores = np.array([0.9, 0.8, 0.7, 0.6, 0.5])
    alike = [["a"], ["a"], ["a", "b"], ["b"], []]
    capped = RerankingSettings(length=4, pool=5, diversity="cap", most_alike=1)
    assert chosen(scores, alike, capped) == [0, 3, 4, 1]


def test_without_diversity_the_best_are_chosen():
    scores = np.array([0.9, 0.8, 0.7])
    assert chosen(scores, [["a"]] * 3, RerankingSettings(length=2, diversity="none")) == [0, 1]
    assert chosen(scores, [["a"]] * 3, RerankingSettings(length=9, diversity="none")) == [0, 1, 2]
    assert chosen(np.zeros(3), [["a"]] * 3, RerankingSettings(length=3)) == [0, 1, 2], "nothing divides by a score of 0"


@pytest.mark.parametrize("ids", ["bigint", "string"])
def test_lists_are_the_same_in_any_partitioning_and_every_item_has_a_reason(spark, ids):
    name = str if ids == "string" else int
    made = [
        (name(1), name(1), 0.5, None, ["g=a"], 100.0),
        (name(1), name(2), 0.5, "because you watched X", ["g=a"], None),
        (name(1), name(3), 0.48, None, ["g=b"], 0.0),  # new: 0.528
        (name(1), name(4), float("nan"), None, [], 1.0),
        (name(1), name(5), None, None, [], 1.0),
        (name(2), name(1), 0.1, None, ["g=a"], 13.0),
    ]
    rows = spark.createDataFrame(
        made,
        f"user_id {ids}, media_id {ids}, score double, reason string, {ALIKE} array<string>, {AGE_DAYS} double",
    )
    settings = RerankingSettings(length=3, pool=3, score_part=0.5)
    expected = {
        (name(1), 1): (name(3), 0.528, "new"),
        (name(1), 2): (name(1), 0.5, "picked for you"),  # of equals the smaller id
        (name(1), 3): (name(2), 0.5, "because you watched X"),
        (name(2), 1): (name(1), 0.1 * (1 + 0.1 / 14), "new"),
    }
    for parts in (1, 4):
        found = rows.repartition(parts).transform(choose(settings)).collect()
        told = {(row["user_id"], row["rank"]): (row["media_id"], row["score"], row["reason"]) for row in found}
        assert {key: (item, pytest.approx(score), why) for key, (item, score, why) in told.items()} == expected


@pytest.mark.parametrize("wrong", [{"pool": 5, "length": 9}, {"score_part": 2.0}, {"unlicensed": {"DE": ()}}])
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(SettingsError):
        RerankingSettings(**wrong)
