"""Drift over stored days: a planted change is an alarm on its day and on no other."""

import datetime as dt

from winnow.funnel import Funnel, LabelFunnel
from winnow.guards import GuardSettings
from winnow.publishing.drift import drift

FIRST = dt.date(2026, 1, 5)
DAYS = [FIRST + dt.timedelta(days=place) for place in range(7)]


def ledger(rows_of=lambda _day: 1000, rate_of=lambda _day: 0.1, strata_of=lambda _day: ("{}",)):
    """Return the ledger and the funnels of a week."""
    rows, funnels = [], []
    for day in DAYS:
        count, rate = rows_of(day), rate_of(day)
        counts = {"impression_rows": count, "positives": count // 10, "negatives": count - count // 10}
        counts["null_rows"] = None
        for stratum in strata_of(day):
            rates = {"positive_rate": 1.0, "negative_rate": rate}
            rows.append({"event_date": day, "label": "watched", "stratum": stratum, **counts, **rates})
        label = LabelFunnel(counts["positives"], counts["negatives"], 0, {})
        funnels.append(Funnel(day, count, 0, {}, 0, {"watched": label}))
    return rows, funnels


def found(*told, natural=()):
    return [(day, finding.rule) for day, finding in drift(*told, natural, GuardSettings())]


def test_days_that_are_alike_raise_no_alarm():
    assert found(*ledger()) == []


def test_a_day_of_few_rows_is_an_alarm_on_that_day():
    few = DAYS[4]
    assert found(*ledger(rows_of=lambda day: 300 if day == few else 1000)) == [(few, "row_count")]


def test_a_rate_that_jumps_is_an_alarm():
    assert found(*ledger(rate_of=lambda day: 0.9 if day == DAYS[5] else 0.1)) == [(DAYS[5], "rate_change")]


def test_held_out_days_are_not_held_against_days_of_training():
    told = ledger(rate_of=lambda day: 1.0 if day >= DAYS[5] else 0.1)
    assert found(*told, natural=DAYS[5:]) == []
    assert (DAYS[5], "rate_change") in found(*told)


def test_a_stratum_that_goes_and_one_that_comes_are_told():
    told = ledger(strata_of=lambda day: ("home", "tv") if day < DAYS[3] else ("home", "kids"))
    assert set(found(*told)[:2]) == {(DAYS[3], "new_stratum"), (DAYS[3], "vanished_stratum")}


def test_a_day_whose_run_is_not_known_is_left_out():
    rows, funnels = ledger(rows_of=lambda day: 300 if day == DAYS[4] else 1000)
    assert found(rows, [funnel for funnel in funnels if funnel.day != DAYS[4]]) == []
