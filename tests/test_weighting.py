"""Weights by watch time: their sum is the number of positives, to the last bit the same on any cluster."""

import datetime as dt
import math
import random

import pytest
from pyspark.sql import functions as F

from winnow.errors import SettingsError
from winnow.weighting import BASIS, BasisSum, WeightingSettings, session_watch, watch_basis, weigh

DAY = dt.date(2026, 1, 5)
BASES = ("watch_time", "log_watch_time", "session_share")
DDL = "row int, event_date date, user_id int, session_id bigint, watch_s double, watched_label int, liked_label int"


def log(count=2000):
    dice = random.Random(9)
    return [
        (
            row,
            DAY,
            dice.randrange(40),
            dice.choice([None, 1, 2, 3]),
            dice.choice([None, 0.0, dice.random() * 100, 9_000.0, 1e-7]),
            dice.choice([None, 0, 1]),
            dice.choice([None, 0, 0, 1]),
        )
        for row in range(count)
    ] + [(count + i, DAY, 99, 7, watch, 1, 1) for i, watch in enumerate((0.0, None, 0.0))]  # nothing played at all


ROWS = log()


@pytest.fixture(scope="module")
def rows(spark):
    return spark.createDataFrame(ROWS, DDL).cache()


def basis_by_hand(settings):
    """g(T) in floats, by row."""
    capped = {row[0]: min(row[4] or 0.0, settings.cap_s) for row in ROWS}
    if settings.basis == "watch_time":
        return capped
    if settings.basis == "log_watch_time":
        return {row: math.log1p(watch) for row, watch in capped.items()}
    sessions = {}
    for row in ROWS:
        sessions.setdefault(row[2:4], []).append(capped[row[0]])
    shares = {}
    for row in ROWS:
        watch, total = capped[row[0]], math.fsum(sessions[row[2:4]])
        alone = 1.0 if watch > 0 else 0.0
        shares[row[0]] = alone if row[3] is None else (watch / total if total else 0.0)
    return shares


def with_basis(rows, settings):
    sessions = rows.transform(session_watch(settings)) if settings.needs_sessions else None
    return rows.transform(watch_basis(settings, sessions))


def weighed(rows, settings, labels=("watched", "liked"), where=None):
    based = with_basis(rows, settings)
    sums = {}
    found = based.select(
        *(F.count_if(F.col(f"{name}_label") == 1) for name in labels),
        *(F.coalesce(F.sum(F.when(F.col(f"{name}_label") == 1, F.col(BASIS))), F.lit(0)) for name in labels),
    ).head()
    for place, name in enumerate(labels):
        sums[name] = BasisSum(found[place], found[place + len(labels)])
    made = based.transform(weigh(settings, sums))
    assert BASIS not in made.columns
    return {row.row: tuple(row[f"{name}_weight"] for name in labels) for row in made.collect()}


@pytest.mark.parametrize("basis", BASES)
def test_the_basis_is_that_of_the_formula(rows, basis):
    settings = WeightingSettings(basis=basis)
    found = {row.row: row[BASIS] / settings.units for row in with_basis(rows, settings).collect()}
    expected = basis_by_hand(settings)
    assert found.keys() == expected.keys()
    assert all(math.isclose(found[row], expected[row], rel_tol=1e-6, abs_tol=1e-6) for row in expected)


@pytest.mark.parametrize("basis", BASES)
def test_weights_follow_the_formula_and_sum_to_the_number_of_positives(rows, basis):
    for balance in (0.0, 0.3, 1.0):
        settings = WeightingSettings(balance, basis)
        found, units = weighed(rows, settings), basis_by_hand(settings)
        for place in (0, 1):
            positives = [row[0] for row in ROWS if row[5 + place] == 1]
            mean = math.fsum(units[row] for row in positives) / len(positives)
            for row in ROWS:
                weight = found[row[0]][place]
                if row[5 + place] == 1:
                    assert math.isclose(
                        weight, 1 - balance + balance * units[row[0]] / mean, rel_tol=1e-5, abs_tol=1e-5
                    )
                else:
                    assert weight == (1.0 if row[5 + place] == 0 else None)
            assert math.isclose(math.fsum(found[row][place] for row in positives), len(positives), rel_tol=1e-9)


@pytest.mark.parametrize("basis", BASES)
def test_weights_are_the_same_bits_however_the_log_is_partitioned(rows, basis):
    settings = WeightingSettings(0.7, basis)
    first, *others = (weighed(rows.repartition(n, F.xxhash64("row")), settings, ["watched"]) for n in (1, 4))
    assert all(found == first for found in others)
    assert weighed(rows.orderBy(F.xxhash64("row")).coalesce(1), settings, ["watched"]) == first


def test_watching_beyond_the_cap_counts_no_more(rows):
    settings = WeightingSettings(1.0, cap_s=50.0)
    found = weighed(rows, settings, ["watched"])
    most = max(weight for (weight,) in found.values() if weight is not None)
    long = {found[row[0]] for row in ROWS if row[4] == 9_000.0 and row[5] == 1}
    assert long == {(most,)}
    assert any(found[row[0]] == (most,) for row in ROWS if row[4] and 50 < row[4] < 100 and row[5] == 1)


@pytest.mark.parametrize("basis", BASES)
def test_positives_that_were_not_played_have_the_weight_of_satisfaction(rows, basis):
    found = weighed(rows, WeightingSettings(0.3, basis), ["watched"])
    unplayed = [found[row[0]][0] for row in ROWS if not row[4] and row[5] == 1]
    assert len(unplayed) > 100
    assert set(unplayed) == {0.7}


@pytest.mark.parametrize("basis", BASES)
def test_where_no_positive_was_played_each_counts_one(rows, basis):
    silent = rows.withColumn("watch_s", F.when(F.col("row") % 2 == 0, F.lit(0.0)))
    found = weighed(silent, WeightingSettings(1.0, basis), ["watched"])
    assert {found[row[0]] for row in ROWS if row[5] == 1} == {(1.0,)}


def test_an_impression_without_a_session_is_a_session_of_its_own(rows):
    found = {row.row: row[BASIS] for row in with_basis(rows, WeightingSettings(basis="session_share")).collect()}
    for row in ROWS:
        if row[3] is None:
            assert found[row[0]] == (1_000_000_000 if row[4] else 0)
    assert [found[row[0]] for row in ROWS[-3:]] == [0, 0, 0]  # a session in which nothing was played


def test_a_log_may_have_a_column_for_the_sessions_watch_time(rows):
    settings = WeightingSettings(basis="session_share")
    own = rows.withColumns({"session_watch_us": F.lit("mine"), "watch_basis": F.lit("mine")})
    found = with_basis(own, settings)
    assert set(found.columns) == {*own.columns, BASIS}
    assert found.select("session_watch_us", "watch_basis").distinct().collect() == [("mine", "mine")]


@pytest.mark.parametrize(
    "wrong", [{"balance": 1.1}, {"balance": -0.1}, {"balance": math.nan}, {"cap_s": 0}, {"cap_s": 1e7}]
)
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(SettingsError, match=next(iter(wrong))):
        WeightingSettings(**wrong)
