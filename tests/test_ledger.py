"""The ledger: one row a day, label and stratum, from which the guards remember the days before."""

import dataclasses
import datetime as dt

import pytest

from test_planning import COUNTS, DAY, SETTINGS, stratum
from winnow import ledger, schema
from winnow.config import Settings
from winnow.guards import Day, GuardSettings, StratumDay
from winnow.planning import basis_of_all, plan_of
from winnow.weighting import BasisSum

A, B, C, D = (f'{{"s":"{name}"}}' for name in "abcd")
#: What the guards see of COUNTS: of c all rows were refused.
WATCHED = {A: StratumDay(10, 90, 1.0, 10 / 90), B: StratumDay(30, 20, 1.0, 1.0)}


def records(known, counts=COUNTS, kept=None, basis=None):
    plan = plan_of(counts, DAY, SETTINGS)
    basis = basis or {"watched": basis_of_all("watched", counts)}
    made = ledger.records(DAY, counts, plan, basis, kept or {}, known, "run-1", 1e6)
    return {row["stratum"]: row for row in made}


def test_a_record_has_every_column_of_the_table_and_no_other():
    for row in records({"watched": {D}}).values():
        assert set(row) == {str(column) for column in schema.LEDGER.columns}


def test_a_record_tells_what_there_was_what_was_kept_and_by_which_rates():
    row = records({}, kept={("watched", A): (10, 11)})[A]
    told = {"event_date": DAY, "label": "watched", "run_id": "run-1", "state": "known"}
    told |= {"impression_rows": 105, "positives": 10, "negatives": 90, "middle": 5, "unlabelled": 0}
    told |= {"kept_positives": 10, "kept_negatives": 11, "target_positives": 10.0, "target_negatives": 10.0}
    told |= {"positive_rate": 1.0, "negative_rate": 10 / 90, "negative_threshold": 10 / 90}
    told |= {"mean_watch_s": 1.0, "mean_basis": 0.001}  # 1e6 us, and 1000 of 1e6 units, a positive
    assert {name: row[name] for name in told} == told
    assert records({})[B]["unlabelled"] == 2


def test_strata_are_known_new_or_vanished():
    states = {stratum: row["state"] for stratum, row in records({"watched": {A, C, D}}).items()}
    # Of c all rows were refused: it is as empty as d, of which there were none.
    assert states == {A: "known", B: "new", C: "vanished", D: "vanished"}
    vanished = records({"watched": {D}})[D]
    assert (vanished["impression_rows"], vanished["positives"], vanished["negative_rate"]) == (0, 0, 0.0)
    assert vanished["mean_watch_s"] is None


def test_without_days_before_nothing_is_new():
    assert {row["state"] for row in records({}).values()} == {"known"}


def test_a_label_without_kept_positives_has_no_mean():
    counts = (stratum("a", 0, 5),)
    row = records({}, counts, basis={"watched": BasisSum(0, 0)})[A]
    assert (row["mean_basis"], row["mean_watch_s"]) == (None, None)


def test_the_guards_look_at_the_strata_that_have_rows_and_at_the_whole_day():
    counts = tuple(dataclasses.replace(count, nulls={"watch_s": place + 1}) for place, count in enumerate(COUNTS))
    day = ledger.planned_day(DAY, counts, plan_of(counts, DAY, SETTINGS), is_natural=False)
    assert day == Day(DAY, 157, {"watched": WATCHED}, {"watch_s": 6})
    assert (day.positive_rate("watched"), day.negative_rate("watched")) == (1.0, 30 / 110)
    assert (day.labelled("watched"), day.positive_share("watched")) == (150, 40 / 150)
    assert day.null_share("watch_s") == 6 / 157


def test_a_day_without_a_class_has_the_rate_0():
    counts = (stratum("a", 0, 5),)
    day = ledger.planned_day(DAY, counts, plan_of(counts, DAY, SETTINGS), is_natural=True)
    assert (day.positive_rate("watched"), day.negative_rate("watched"), day.positive_share("watched")) == (0, 0, 0)
    assert Day(DAY, 0, {"watched": {}}, {"watch_s": 0}).null_share("watch_s") == 0


@pytest.fixture(scope="module")
def stored(spark):
    """Ledger rows of DAY and ten days before it, an empty stratum among them."""
    counts = [dataclasses.replace(count, nulls={"watch_s": 1}) for count in COUNTS]
    counts[2] = dataclasses.replace(COUNTS[2], nulls={"watch_s": 0})
    counts[1] = dataclasses.replace(COUNTS[1], nulls={"watch_s": 2})
    rows = []
    for back in range(11):
        day = DAY - dt.timedelta(back)
        for record in ledger.records(
            day,
            counts,
            plan_of(COUNTS, day, SETTINGS),
            {"watched": BasisSum(40, 40)},
            {("watched", A): (10, 9), ("watched", B): (30, 20)},
            {},
            "run-1",
            1e6,
        ):
            rows.append(tuple(record[column] for column in schema.LEDGER.columns))
    return spark.createDataFrame(rows, schema.LEDGER.ddl)


def days_found(stored, settings):
    return sorted(
        row.event_date
        for row in stored.transform(ledger.days_until(DAY, settings)).select("event_date").distinct().collect()
    )


def test_the_days_are_the_last_week_or_as_many_as_asked_for_and_the_day_itself(stored):
    assert days_found(stored, Settings()) == [DAY - dt.timedelta(back) for back in range(7, -1, -1)]
    assert days_found(stored, Settings(guards=GuardSettings(history_days=2))) == [
        DAY - dt.timedelta(back) for back in (2, 1, 0)
    ]


def test_a_stored_day_is_to_the_guards_as_it_was_when_it_was_planned(stored):
    rows = [row.asDict() for row in stored.transform(ledger.days_until(DAY, Settings())).collect()]
    days = ledger.stored_days(rows, lambda day: day < DAY - dt.timedelta(5))
    assert [day.day for day in days] == [DAY - dt.timedelta(back) for back in range(7, -1, -1)]
    assert [day.is_natural for day in days] == [True, True, *[False] * 6]
    assert days[-2] == Day(DAY - dt.timedelta(1), 157, {"watched": WATCHED}, {"watch_s": 3})


def test_days_that_were_stored_without_nulls_and_empty_strata_are_left_out(stored):
    rows = [row.asDict() | {"null_rows": None} for row in stored.collect()]
    assert {tuple(day.nulls) for day in ledger.stored_days(rows, lambda _day: False)} == {()}
    assert ledger.stored_days([row | {"impression_rows": 0} for row in rows], lambda _day: False) == []


def test_what_is_kept_is_counted_by_stratum_and_label(spark):
    rows = [("x", None, 1, 1), ("x", None, 1, None), ("x", None, 0, 0), (None, 1, None, 1), ("o'h\"", 1, 0, None)]
    examples = spark.createDataFrame(rows, "s string, n int, watched_label int, liked_label int")
    counted = examples.transform(ledger.count_kept(["s", "n"], ["watched", "liked"])).collect()
    found = {(row.stratum, row.label): (row.kept_positives, row.kept_negatives) for row in counted}
    assert found == {
        ('{"s":"x","n":null}', "watched"): (2, 1),
        ('{"s":"x","n":null}', "liked"): (1, 1),
        ('{"s":null,"n":1}', "watched"): (0, 0),
        ('{"s":null,"n":1}', "liked"): (1, 0),
        ('{"s":"o\'h\\"","n":1}', "watched"): (0, 1),
        ('{"s":"o\'h\\"","n":1}', "liked"): (0, 0),
    }
    whole_day = examples.transform(ledger.count_kept([], ["watched"])).collect()
    assert [tuple(row) for row in whole_day] == [("{}", "watched", 2, 2)]
