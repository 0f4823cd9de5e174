"""Lists of several sources become one."""

import pytest

from winnow.errors import SettingsError
from winnow.evaluation.sources import compare_sources
from winnow.retrieval import MergingSettings, merge

LISTS = "source string, user_id bigint, media_id bigint, rank int, score double, reason string"


@pytest.fixture(scope="module")
def rows(spark):
    found = [
        ("als", 1, 10, 1, 9.0, None),
        ("als", 1, 11, 2, 8.0, None),
        ("als", 1, 12, 3, 7.0, None),
        ("item_item", 1, 12, 1, 0.5, "because you watched 7"),
        ("item_item", 1, 13, 2, 0.4, "because you watched 8"),
        ("popularity", 1, 12, 2, 0.1, "popular now"),
        ("popularity", 1, 14, 1, 0.2, "popular now"),
        ("popularity", 2, 14, 1, 0.2, "popular now"),  # a cold user
        ("popularity", 2, 12, 2, 0.1, "popular now"),
    ]
    return spark.createDataFrame(found, LISTS)


def merged(rows, length=10, **settings):
    found = {}
    for row in rows.transform(merge(MergingSettings(**settings), length)).orderBy("user_id", "rank").collect():
        mine = found.setdefault(row["user_id"], [])
        mine.append(row)
        assert row["rank"] == len(mine)
    return found


def test_the_score_is_the_sum_of_reciprocal_ranks_and_ties_go_to_the_smaller_media(rows):
    mine = merged(rows)[1]
    assert [row["media_id"] for row in mine] == [12, 10, 14, 11, 13]
    assert mine[0]["score"] == pytest.approx(1 / 63 + 1 / 61 + 1 / 62, abs=2e-9)
    assert mine[1]["score"] == mine[2]["score"]


def test_each_media_keeps_every_source_with_its_rank_and_score(rows):
    first = merged(rows)[1][0]
    assert [tuple(found) for found in first["found_by"]] == [
        ("item_item", 1, 0.5),
        ("popularity", 2, 0.1),
        ("als", 3, 7.0),
    ]
    assert first["reason"] == "because you watched 7"
    assert merged(rows)[1][1]["reason"] is None


def test_a_cold_user_has_the_list_of_the_one_source_that_serves_it(rows):
    assert [row["media_id"] for row in merged(rows)[2]] == [14, 12]


def test_quotas_and_weights_are_heeded(rows):
    assert [row["media_id"] for row in merged(rows, quotas={"als": 1, "popularity": 0})[1]] == [10, 12, 13]
    assert [row["media_id"] for row in merged(rows, weights={"als": 0.0, "item_item": 0.0})[1]][:2] == [14, 12]
    assert len(merged(rows, length=2)[1]) == 2
    with pytest.raises(SettingsError, match="quotas"):
        MergingSettings(quotas={"magic": 3})


def test_weights_are_the_squared_recalls_where_none_are_set():
    recalls = {"popularity": 0.4, "als": 0.2, "content": 0.0}
    assert MergingSettings().weighed(recalls).weights == {"popularity": 1.0, "als": 0.25, "content": 0.0}
    assert MergingSettings(weights={"als": 2.0}).weighed(recalls).weights == {"als": 2.0}
    assert MergingSettings().weighed({}).weights == {}


def test_reserved_places_are_kept_where_others_score_more(rows):
    weights = {"als": 1.0, "popularity": 1.0, "item_item": 0.01}
    assert [row["media_id"] for row in merged(rows, length=3, weights=weights)[1]] == [12, 10, 14]
    reserved = merged(rows, length=3, weights=weights, reserved={"item_item": 2})[1]
    assert [row["media_id"] for row in reserved] == [12, 10, 13]
    with pytest.raises(SettingsError, match=r"reserved\.als"):
        MergingSettings(reserved={"als": -1})


def test_what_each_source_found_what_it_alone_found_and_what_none_found_is_told(rows, spark):
    relevant = spark.createDataFrame(
        [(1, 12), (1, 13), (1, 99), (2, 14), (3, 10), (1, 12)], "user_id bigint, media_id bigint"
    )
    told = {row["source"]: row for row in relevant.transform(compare_sources(rows, 2)).collect()}
    counts = {name: (row["relevant"], row["found"], row["unique"], row["missed"]) for name, row in told.items()}
    assert counts == {
        "any": (
            5,
            3,
            2,
            2,
        ),  # within the first two: (1, 12) by two, (1, 13) and (2, 14) by one; (1, 99) and (3, 10) by none
        "item_item": (5, 2, 1, None),
        "popularity": (5, 2, 1, None),
    }
    assert told["any"]["recall"] == pytest.approx(3 / 5)
    assert not relevant.where("user_id > 9").transform(compare_sources(rows, 2)).collect()
