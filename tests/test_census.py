"""The census: every row is counted once, in its stratum, under its outcome or its first reason to be refused."""

import datetime as dt
import random

import pytest
from pyspark.sql import functions as F

from winnow import schema
from winnow.census import count_strata, read_census
from winnow.errors import ContractError
from winnow.labelling import OUTCOMES

REASONS = ["user_id_missing", "watch_s_negative"]
LABELS = ["watched", "liked"]
NULLS = ["watch_s", "surface"]
DAY = dt.date(2026, 1, 5)
DDL = (
    "surface string, n bigint, day date, refusal tinyint, log_lines bigint, basis bigint, watch_s double, "
    "media_duration_s double, watched_outcome int, liked_outcome int, rows int, valid_rows int, stratum_json int, key_0 int"
)


def log(count=1500):
    dice, made = random.Random(2), []
    for _ in range(count):
        refusal = dice.choice([None] * 6 + [0, 1])
        watch = None if refusal is not None else dice.choice([None, 0.0, 0.1, 7.5, 90.000001])
        made.append(
            (
                dice.choice(["home", 'se"arch', None, "größe"]),
                dice.choice([1, 2**40]),
                dice.choice([DAY, None]),
                refusal,
                dice.choice([1, 1, 3]),
                0 if refusal is not None else dice.randrange(10**9),
                watch,
                dice.choice([None, 0.0, 5.0, 60.0]),
                dice.randrange(len(OUTCOMES)),
                dice.randrange(2),
                5,
                5,
                5,
                5,
            )
        )
    return made


ROWS = log()


@pytest.fixture(scope="module")
def rows(spark):
    made = spark.createDataFrame(ROWS, DDL)
    return made.withColumnsRenamed({f"{label}_outcome": schema.outcome_column(label) for label in LABELS})


def census(rows, strata, labels=LABELS):
    step = count_strata(
        strata, labels, OUTCOMES, REASONS, refusal="refusal", log_lines="log_lines", basis="basis", nulls=NULLS
    )
    found = [row.asDict() for row in rows.transform(step).collect()]
    return read_census(found, strata, labels, OUTCOMES, REASONS, NULLS)


def check(count, mine):
    """Compare what was counted of a stratum with its rows, counted one by one."""
    valid = [row for row in mine if row[3] is None]
    assert count.log_lines == sum(row[4] for row in mine)
    assert count.valid_rows == len(valid)
    assert count.rows == len(mine)
    assert count.refused == {reason: sum(row[3] == place for row in mine) for place, reason in enumerate(REASONS)}
    assert count.rewatched == sum(bool(row[6] and row[7] and row[6] > row[7]) for row in valid)
    assert count.nulls == {
        "watch_s": sum(row[6] is None for row in valid),
        "surface": sum(row[0] is None for row in valid),
    }
    for place, label in enumerate(LABELS):
        found = count.labels[label]
        assert found.outcomes == {
            why: sum(row[8 + place] == code for row in valid) for code, why in enumerate(OUTCOMES)
        }
        positives = [row for row in valid if row[8 + place] == 0]
        assert found.basis_units == sum(row[5] for row in positives)
        assert found.watch_us == sum(round((row[6] or 0) * 1e6) for row in positives)


def test_a_log_without_strata_is_counted_as_one(rows):
    (count,) = census(rows, [])
    assert (count.key, count.stratum) == ((), "{}")
    check(count, ROWS)


def test_each_combination_of_values_is_a_stratum_and_null_a_value(rows):
    counts = census(rows, ["surface", "n", "day"])
    assert len(counts) == 16
    assert [count.stratum for count in counts] == sorted(count.stratum for count in counts)
    for count in counts:
        check(count, [row for row in ROWS if row[:3] == count.key])
    texts = {count.key: count.stratum for count in counts}
    assert texts['se"arch', 2**40, DAY] == '{"surface":"se\\"arch","n":1099511627776,"day":"2026-01-05"}'
    assert texts[None, 1, None] == '{"surface":null,"n":1,"day":null}'


def test_strata_may_be_called_as_the_counts_are(rows):
    renamed = rows.withColumn("rows", F.col("surface"))
    counts = census(renamed, ["rows", "valid_rows", "stratum_json", "key_0"])
    assert sorted(count.valid_rows for count in counts) == sorted(
        sum(row[0] == surface and row[3] is None for row in ROWS) for surface in {row[0] for row in ROWS}
    )
    assert '{"rows":"home","valid_rows":5,"stratum_json":5,"key_0":5}' in {count.stratum for count in counts}


def test_a_log_without_rows_has_no_strata_or_one_that_is_empty(rows):
    nothing = rows.where("false")
    assert census(nothing, ["surface"]) == ()
    (count,) = census(nothing, [])
    assert (count.log_lines, count.rows, count.labels["watched"].basis_units) == (0, 0, 0)
    assert set(count.labels["liked"].outcomes.values()) == {0}


@pytest.mark.parametrize(
    "kind", ["double", "float", "decimal(9,2)", "array<int>", "map<string,int>", "struct<a:int>", "binary", "timestamp"]
)
def test_columns_without_plain_values_are_no_strata(rows, kind):
    made = rows.withColumn("odd", F.lit(None).cast(kind))
    with pytest.raises(ContractError, match=f"odd is {kind[:5]}"):
        census(made, ["surface", "odd"])
