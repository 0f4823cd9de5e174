"""Keys of ids and words, and their places in a table of embeddings."""

import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql import functions as F

from winnow.errors import SettingsError
from winnow.neural.keys import key_of, keys_in, keys_of, places, told_by
from winnow.neural.training import needs_torch


def test_a_key_is_that_of_a_value_under_a_name_and_nothing_is_0(spark):
    rows = spark.createDataFrame([(1, "x", ["x", None, "y"]), (2, None, None)], "a int, b string, c array<string>")
    made = rows.select(
        key_of("b").alias("own"),
        key_of("c", F.col("b")).alias("other"),
        keys_of("b", F.col("c")).alias("list"),
        told_by([("b", "string"), ("c", "array<string>")]).alias("told"),
        key_of("a").alias("number"),
    )
    first, second = made.orderBy(rows["a"]).collect()
    assert first["own"] == first["list"][0] != first["other"]
    assert len(first["list"]) == len(set(first["list"])) == 2
    assert first["told"] == [first["own"], first["other"], first["told"][2]]
    assert (second["own"], second["list"], second["told"]) == (0, [], [])
    assert first["number"] not in (0, second["number"])


def test_places_lie_in_the_table_and_nothing_has_the_first():
    draw = np.random.default_rng(1)
    keys = draw.integers(-(2**63), 2**63 - 1, 100_000)
    found = places(np.append(keys, 0), 100)
    assert found[-1] == 0
    assert set(found[:-1]) == set(range(1, 100))
    counts = np.bincount(found[:-1])[1:]
    assert 0.85 < counts.min() / counts.mean() < counts.max() / counts.mean() < 1.15
    assert set(places(keys, 2)) == {1}


@pytest.mark.parametrize("rows", [[[5, 6, 7], [], None, [8]], [[], []], []])
def test_lists_are_filled_up_with_nothing(rows):
    column = pa.array(rows, pa.list_(pa.int64()))
    found = keys_in(column)
    width = max([1, *(len(row or []) for row in rows)])
    assert found.tolist() == [(row or []) + [0] * (width - len(row or [])) for row in rows]
    assert keys_in(pa.chunked_array([column, column]).slice(1)).tolist() == (found.tolist() * 2)[1:]


def test_where_torch_is_missing_it_says_what_to_install():
    with (
        pytest.raises(SettingsError, match=r"ranking.model: expected torch .* Install winnow\[deep\]"),
        needs_torch("ranking.model"),
    ):
        raise ImportError("No module named 'torch'")
