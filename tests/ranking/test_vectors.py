"""Columns to vectors: what is missing has a defined value and is counted; what is not there is refused by name."""

import pytest
from pyspark.sql import functions as F

from winnow.errors import ContractError
from winnow.ranking import NUMBERS, Vector, frequent_levels, kinds, read_levels

VECTOR = Vector(("length", "place", "is_new"), {"device": ("tv", "web")})


@pytest.fixture(scope="module")
def rows(spark):
    values = [
        (2.5, 3, True, "tv"),
        (float("nan"), None, False, "web"),
        (float("inf"), 1, None, None),
        (None, -1, True, "watch"),
    ]
    return spark.createDataFrame(values, "length double, place int, is_new boolean, device string")


def test_missing_numbers_and_unseen_words_have_a_defined_value(rows):
    found = [row[0] for row in rows.select(F.array(*VECTOR.components())).collect()]
    assert found == [[2.5, 3, 1, 1, 0], [0, 0, 0, 0, 1], [0, 1, 0, 0, 0], [0, -1, 1, 0, 0]]
    assert VECTOR.names == ("length", "place", "is_new", "device=tv", "device=web")
    assert VECTOR.column_of == ("length", "place", "is_new", "device", "device")


def test_what_has_no_usable_value_is_counted(rows):
    counted = (
        rows.agg(*(F.count_if(is_unusable).alias(name) for name, is_unusable in VECTOR.unusable().items()))
        .head()
        .asDict()
    )
    assert counted == {"length": 3, "place": 1, "is_new": 1, "device": 2}


def test_the_most_frequent_words_are_levels_and_ties_have_an_order(spark):
    rows = spark.createDataFrame(
        [("b", "x"), ("b", None), ("a", "y"), ("c", "y"), ("a", "y"), ("d", "x")], "one string, other string"
    )
    counted = [row.asDict() for row in rows.transform(frequent_levels(["one", "other"], 3)).collect()]
    assert read_levels(counted, ["one", "other"]) == {"one": ("a", "b", "c"), "other": ("y", "x")}


def test_all_faults_of_the_columns_are_told_at_once(spark):
    rows = spark.createDataFrame([], "length double, device string, genres array<string>")
    assert kinds(rows, ["device", "length"]) == (["length"], ["device"])
    with pytest.raises(ContractError, match=r"missing planet; genres is array<string>.*There are: length, device"):
        kinds(rows, ["planet", "genres"])


@pytest.mark.not_on("sail", why="it has no Spark ML")
def test_a_ranker_that_learnt_from_other_columns_is_refused_by_name(rows):
    assert rows.transform(VECTOR.assemble()).select(NUMBERS).head()[0] == [2.5, 3, 1, 1, 0]
    with pytest.raises(ContractError, match="found no place, device"):
        rows.drop("place", "device").transform(VECTOR.assemble())


def test_a_vector_is_told_in_plain_values_and_made_of_them_again():
    assert Vector.from_record(VECTOR.as_record()) == VECTOR
