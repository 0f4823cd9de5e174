"""The guards: each rule finds its nonsense at its limit and not just below it, and does what conf says."""

import dataclasses
import datetime as dt
import json
import math
import typing

import pytest

from winnow.errors import GuardError, SettingsError
from winnow.funnel import Funnel, LabelFunnel
from winnow.guards import Day, Finding, GuardSettings, Rule, StratumDay, inspect, stop_if_blocked
from winnow.guards.rules import COMPARING, RULES

DAY = dt.date(2026, 1, 8)
HOME, SEARCH = StratumDay(400, 6000, 1.0, 0.05), StratumDay(100, 3000, 1.0, 0.05)
STRATA = {"home": HOME, "search": SEARCH}
WARNS = ("stratum_rate_change", "new_stratum", "vanished_stratum", "stratum_without_positives")


def funnel(valid=10_000, refused=0, positives=500, negatives=9000, duplicates=0):
    label = LabelFunnel(positives, negatives, valid - positives - negatives, {})
    reasons = {"watch_s_negative": refused, "user_id_missing": 0}
    return Funnel(DAY, valid + refused + duplicates, duplicates, reasons, labels={"watched": label})


def today(strata=None, valid=10_000, nulls=None, **others):
    return Day(DAY, valid, {"watched": STRATA if strata is None else strata}, nulls or {}, **others)


def past(*valid_rows, strata=None, nulls=None, **others):
    """Days before, the last one first."""
    labels = {"watched": STRATA if strata is None else strata}
    return [Day(DAY - dt.timedelta(i + 1), rows, labels, nulls or {}, **others) for i, rows in enumerate(valid_rows)]


def one(**changes):
    """The strata of the day, with home changed."""
    return {**STRATA, "home": dataclasses.replace(HOME, **changes)}


def rules(*day, **changes):
    found = inspect(*day, dataclasses.replace(GuardSettings(), **changes))
    return [finding.rule for finding in found if finding.severity != "note"]


NULLS = {"watch_s": 2000}
#: What breaks a rule and no other: a day, and the days before it.
BROKEN = {
    "no_rows": (funnel(0, 0, 0, 0), today({}, 0), []),
    "one_class": (funnel(positives=0, negatives=10_000), today(), []),
    "row_count": (funnel(), today(), past(20_001)),
    "quarantine": (funnel(refused=527), today(), []),
    "share_change": (funnel(), today(one(positives=1000, negatives=5400)), past(10_000)),
    "rate_change": (funnel(), today(one(negative_rate=0.5)), past(10_000, strata={"home": HOME, "search": SEARCH})),
    "null_share": (funnel(), today(nulls={"watch_s": 3001}), past(10_000, nulls=NULLS)),
    "stratum_rate_change": (funnel(), today(one(negative_rate=0.0166)), past(10_000)),
    "new_stratum": (funnel(), today(), past(10_000, strata={"home": HOME})),
    "vanished_stratum": (funnel(), today(), past(10_000, strata={**STRATA, "kids": HOME})),
    "stratum_without_positives": (funnel(), today({**STRATA, "tv": StratumDay(0, 30, 0.0, 0.05)}), []),
}


def test_a_plain_day_breaks_no_rule():
    assert rules(funnel(), today(nulls=NULLS), past(9000, 10_000, 11_000, nulls=NULLS)) == []


def test_every_rule_has_a_severity_and_a_case_here():
    assert set(typing.get_args(Rule)) == set(RULES) == set(BROKEN)
    assert {rule for rule in RULES if getattr(GuardSettings(), rule) == "warn"} == set(WARNS)
    assert {rule for rule in RULES if getattr(GuardSettings(), rule) == "block"} == set(RULES) - set(WARNS)


@pytest.mark.parametrize("rule", RULES)
def test_each_rule_finds_its_nonsense_and_does_as_conf_says(rule):
    alone = {other: "off" for other in RULES if other != rule} if rule == "rate_change" else {}
    assert rules(*BROKEN[rule], **alone) == [rule]
    for severity in ("block", "warn"):
        settings = dataclasses.replace(GuardSettings(), **alone, **{rule: severity})
        (finding,) = (one for one in inspect(*BROKEN[rule], settings) if one.severity != "note")
        assert (finding.rule, finding.severity) == (rule, severity)
        assert finding.message.startswith("2026-01-08: ")
        assert finding.found < finding.low or (finding.high is not None and finding.found > finding.high)
        assert json.loads(json.dumps(finding.as_record()))["found"] == finding.found
    assert rules(*BROKEN[rule], **alone, **{rule: "off"}) == []


# ---- limits --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("valid", "found"), [(499, True), (500, False), (2000, False), (2001, True)])
def test_half_and_twice_the_median_are_still_right(valid, found):
    day = funnel(valid, positives=1, negatives=1)
    assert ("row_count" in rules(day, today(valid=valid), past(1000, 10, 100_000))) == found


def test_the_median_of_an_even_number_of_days_lies_between_them():
    assert "row_count" not in rules(funnel(1000), today(), past(100, 900))  # 500
    assert "row_count" in rules(funnel(1001), today(), past(100, 900))


@pytest.mark.parametrize(("refused", "found"), [(50, False), (51, True)])
def test_refused_rows_are_a_share_of_the_rows_without_copies(refused, found):
    # 1000 rows once the copies are gone, whatever their number.
    day = funnel(1000 - refused, refused, 50, 900 - refused, duplicates=5000)
    assert ("quarantine" in rules(day, today(), [])) == found


@pytest.mark.parametrize(("positives", "found"), [(249, True), (250, False), (1000, False), (1001, True), (0, False)])
def test_the_share_of_positives_may_halve_and_double(positives, found):
    # 5 % before. A share of 0 is a day of one class, which has a rule of its own.
    before = past(10_000, 10_000, strata={"": StratumDay(500, 9500, 1.0, 0.05)})
    day = today({"": StratumDay(positives, 10_000 - positives, 1.0, 0.05)})
    assert ("share_change" in rules(funnel(), day, before)) == found


@pytest.mark.parametrize(
    ("rate", "found"), [(0.15, False), (0.1501, True), (0.0167, False), (0.0166, True), (0, False)]
)
def test_a_rate_may_differ_by_a_factor_of_three(rate, found):
    before = past(10_000, strata={"": StratumDay(500, 9500, 1.0, 0.05)})
    assert ("rate_change" in rules(funnel(), today({"": StratumDay(500, 9500, 1.0, rate)}), before)) == found


@pytest.mark.parametrize(
    ("rate", "found"), [(0.15, False), (0.1501, True), (0.0167, False), (0.0166, True), (0, False)]
)
def test_a_stratums_rate_may_differ_by_a_factor_of_three_from_its_own_week(rate, found):
    week = [*past(10_000, 10_000), *past(10_000, strata=one(negative_rate=0.9))]
    settings = {"rate_change": "off"}
    findings = rules(funnel(), today(one(negative_rate=rate)), week, **settings)
    assert ("stratum_rate_change" in findings) == found


@pytest.mark.parametrize(("nulls", "found"), [(999, True), (1000, False), (3000, False), (3001, True)])
def test_the_share_of_nulls_may_move_by_ten_points_either_way(nulls, found):
    before = past(10_000, 10_000, 10_000, nulls=NULLS)
    assert ("null_share" in rules(funnel(), today(nulls={"watch_s": nulls}), before)) == found


@pytest.mark.parametrize(("rows", "found"), [(999, False), (1000, True)])
def test_few_rows_jump_by_chance_and_are_not_compared(rows, found):
    few = {"": StratumDay(rows // 2, rows - rows // 2, 1.0, 0.05)}
    assert ("share_change" in rules(funnel(), today(few), past(10_000))) == found
    assert (
        "null_share" in rules(funnel(), today(valid=rows, nulls={"watch_s": 400}), past(10_000, nulls={"watch_s": 0}))
    ) == found
    small = {**STRATA, "home": StratumDay(100, rows - 100, 1.0, 0.9)}
    assert ("stratum_rate_change" in rules(funnel(), today(small), past(10_000))) == found
    # Nor are those of the days before that had few.
    assert ("share_change" in rules(funnel(), today(), past(10_000, strata=few))) == found


# ---- what is compared with what ------------------------------------------------------------------------------------


def test_both_classes_rates_are_looked_at_and_days_without_the_label_are_not():
    week = [*past(10_000), Day(DAY - dt.timedelta(9), 10_000, {"liked": STRATA})]
    odd = {"": StratumDay(500, 9000, 0.2, 0.2)}
    findings = inspect(funnel(), today(odd), week, GuardSettings(new_stratum="off", vanished_stratum="off"))
    assert [finding.rule for finding in findings] == ["rate_change", "rate_change"]
    assert "positive_rate of watched within a factor 3 of 1," in findings[0].message
    assert "negative_rate of watched within a factor 3 of 0.05," in findings[1].message


def test_rates_are_compared_with_days_that_were_sampled_alike_and_all_else_with_every_day():
    natural = one(negative_rate=1.0)
    week = past(10_000, 10_000, strata=natural, is_natural=True)
    assert rules(funnel(), today(natural, is_natural=True), week) == []
    findings = inspect(funnel(), today(), week, GuardSettings())
    assert [finding.rule for finding in findings] == ["short_history"]
    assert findings[0].message.endswith("must be there and 0 are: rate_change, stratum_rate_change")
    assert rules(funnel(4999), today(), week) == ["row_count"]


def test_a_column_that_was_not_counted_before_is_not_compared():
    assert rules(funnel(), today(nulls={"watch_s": 9000}), past(10_000)) == []


def test_the_first_days_are_taken_as_they_are_and_that_is_noted():
    (note,) = inspect(funnel(), today(), [], GuardSettings())
    assert (note.rule, note.severity, note.found) == ("short_history", "note", None)
    told = "2026-01-08: not compared with the days before, of which 1 of 7 must be there and 0 are: "
    assert note.message.startswith(told)
    assert set(note.message.removeprefix(told).split(", ")) == COMPARING
    stop_if_blocked([note])
    settings = GuardSettings(least_history_days=3)
    assert [one.rule for one in inspect(funnel(), today(), past(1, 1), settings)] == ["short_history"]
    assert [one.rule for one in inspect(funnel(), today(), past(1, 1, 1), settings)] == ["row_count"]


# ---- messages ------------------------------------------------------------------------------------------------------


def test_a_day_of_refused_rows_only_names_the_reasons_that_it_has():
    findings = inspect(funnel(0, 7, 0, 0), today({}, 0), past(1000), GuardSettings(vanished_stratum="off"))
    assert [finding.rule for finding in findings] == ["no_rows", "quarantine"]
    assert findings[0].message.endswith("expected impressions, found 7 rows, 0 of them valid")
    assert "(100.0%: watch_s_negative 7)" in findings[1].message


def test_a_day_of_one_stratum_without_positives_is_a_day_of_one_class_only():
    bare = {"{}": StratumDay(0, 9000, 0.0, 0.05)}
    assert rules(funnel(positives=0), today(bare), []) == ["one_class"]


def test_a_message_names_five_strata_at_most():
    strata = {f"s{i}": HOME for i in range(7)}
    findings = inspect(funnel(), today(strata), past(10_000, strata={}), GuardSettings())
    assert findings[0].message.endswith("7 strata of watched unseen in the days before: s0, s1, s2, s3, s4, ...")
    assert (findings[0].found, findings[0].high, findings[0].label) == (7, 0, "watched")


def test_blocking_findings_come_first_and_stop_the_day_with_exit_code_3():
    findings = inspect(funnel(refused=527), today(), past(90_000, strata={"home": HOME}), GuardSettings())
    assert [finding.severity for finding in findings] == ["block", "block", "warn"]
    with pytest.raises(GuardError) as told:
        stop_if_blocked(findings)
    assert told.value.exit_code == 3
    # The command of the message can be pasted as it is.
    assert "run again with --set guards.quarantine=warn --set guards.row_count=warn." in str(told.value)
    assert "new_stratum" not in str(told.value)


def test_warnings_stop_nothing():
    stop_if_blocked([Finding("new_stratum", "warn", "told")])
    stop_if_blocked([])


@pytest.mark.parametrize(
    "wrong",
    [
        {"history_days": 0},
        {"least_history_days": 8},
        {"least_rows": 1.1},
        {"most_rows": 0.9},
        {"most_quarantined": -0.1},
        {"most_quarantined": math.nan},
        {"most_share_change": 1.0},
        {"most_rate_change": 1.0},
        {"null_columns": ("watch_s", "watch_s")},
        {"most_null_change": 1.1},
        {"least_compared": -1},
        {"strata_named": 0},
    ],
)
def test_settings_out_of_range_are_refused(wrong):
    (key,) = wrong
    with pytest.raises(SettingsError, match=key):
        GuardSettings(**wrong)
