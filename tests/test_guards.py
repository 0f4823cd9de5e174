"""The guards: each rule finds its nonsense and nothing else, and does what conf says."""

import dataclasses
import datetime as dt
import math

import pytest

from winnow.errors import GuardError, SettingsError
from winnow.funnel import Funnel, LabelFunnel
from winnow.guards import DayRates, Finding, GuardSettings, LabelDay, PastDay, inspect, stop_if_blocked

DAY = dt.date(2026, 1, 8)
RATES = DayRates(1.0, 0.05)
RULES = (
    "no_rows",
    "one_class",
    "row_count",
    "quarantine",
    "rate_change",
    "new_stratum",
    "vanished_stratum",
    "stratum_without_positives",
)


def funnel(valid=1000, refused=0, positives=50, negatives=900, duplicates=0):
    label = LabelFunnel(positives, negatives, valid - positives - negatives, {})
    reasons = {"watch_s_negative": refused, "user_id_missing": 0}
    return Funnel(DAY, valid + refused + duplicates, duplicates, reasons, labels={"watched": label})


def label_day(rates=RATES, strata=None, known=None):
    return {"watched": LabelDay(rates, strata or {"home": (40, 600), "search": (10, 300)}, known)}


def past(*valid_rows, rates=RATES):
    return [PastDay(DAY - dt.timedelta(i + 1), rows, {"watched": rates}) for i, rows in enumerate(valid_rows)]


NOTHING = funnel(0, 0, 0, 0)
BROKEN = {
    "no_rows": (NOTHING, label_day(), []),
    "one_class": (funnel(positives=0, negatives=1000), label_day(), []),
    "row_count": (funnel(), label_day(), past(2001)),
    "quarantine": (funnel(refused=53), label_day(), []),
    "rate_change": (funnel(), label_day(DayRates(1.0, 0.151)), past(1000)),
    "new_stratum": (funnel(), label_day(known=["home"]), []),
    "vanished_stratum": (funnel(), label_day(known=["home", "search", "kids"]), []),
    "stratum_without_positives": (funnel(), label_day(strata={"home": (50, 600), "search": (0, 300)}), []),
}


def rules(*day, settings=GuardSettings()):  # noqa: B008 - settings are frozen
    return [finding.rule for finding in inspect(*day, settings)]


def test_a_plain_day_breaks_no_rule():
    assert rules(funnel(), label_day(known=["home", "search"]), past(900, 1000, 1100)) == []


def test_the_first_day_has_nothing_to_be_compared_with():
    assert rules(funnel(), label_day(known=None), []) == []


@pytest.mark.parametrize("rule", RULES)
def test_each_rule_finds_its_nonsense_and_does_as_conf_says(rule):
    assert rules(*BROKEN[rule]) == [rule]
    for severity in ("block", "warn"):
        (finding,) = inspect(*BROKEN[rule], dataclasses.replace(GuardSettings(), **{rule: severity}))
        assert (finding.rule, finding.severity) == (rule, severity)
        assert finding.message.startswith("2026-01-08: ")
    assert rules(*BROKEN[rule], settings=dataclasses.replace(GuardSettings(), **{rule: "off"})) == []


def test_by_default_nonsense_blocks_and_strata_that_come_and_go_are_told():
    settings = GuardSettings()
    assert [rule for rule in RULES if getattr(settings, rule) == "block"] == list(RULES[:5])
    assert {getattr(settings, rule) for rule in RULES[5:]} == {"warn"}


@pytest.mark.parametrize(("valid", "found"), [(499, True), (500, False), (2000, False), (2001, True)])
def test_half_and_twice_the_median_are_still_right(valid, found):
    day = funnel(valid, positives=1, negatives=1)
    assert ("row_count" in rules(day, label_day(), past(1000, 10, 100_000))) == found


def test_the_median_of_an_even_number_of_days_lies_between_them():
    assert rules(funnel(1000), label_day(), past(100, 900)) == []  # 500
    assert rules(funnel(1001), label_day(), past(100, 900)) == ["row_count"]


@pytest.mark.parametrize(("refused", "found"), [(50, False), (51, True)])
def test_refused_rows_are_a_share_of_the_rows_without_copies(refused, found):
    # 1000 rows once the copies are gone, whatever their number.
    day = funnel(1000 - refused, refused, 50, 900 - refused, duplicates=5000)
    assert ("quarantine" in rules(day, label_day(), [])) == found


def test_a_day_of_refused_rows_only_names_the_reasons_that_it_has():
    findings = inspect(funnel(0, 7, 0, 0), label_day(), past(1000), GuardSettings())
    assert [finding.rule for finding in findings] == ["no_rows", "quarantine"]
    assert findings[0].message.endswith("expected impressions, found 7 rows, 0 of them valid")
    assert "(100.0%: watch_s_negative 7)" in findings[1].message


@pytest.mark.parametrize(
    ("rate", "found"), [(0.15, False), (0.1501, True), (0.0167, False), (0.0166, True), (0, False)]
)
def test_a_rate_may_differ_by_a_factor_of_three(rate, found):
    # A rate of 0 is a day of one class, which has a rule of its own.
    assert ("rate_change" in rules(funnel(), label_day(DayRates(1.0, rate)), past(1000))) == found


def test_both_classes_rates_are_looked_at_and_days_without_the_label_are_not():
    history = [*past(1000), PastDay(DAY - dt.timedelta(9), 1000, {"liked": DayRates(0.9, 0.9)})]
    findings = inspect(funnel(), label_day(DayRates(0.2, 0.2)), history, GuardSettings())
    assert [finding.rule for finding in findings] == ["rate_change", "rate_change"]
    assert "positive_rate of watched within a factor 3 of 1," in findings[0].message
    assert "negative_rate of watched within a factor 3 of 0.05," in findings[1].message


def test_a_day_of_one_stratum_without_positives_is_a_day_of_one_class_only():
    assert rules(funnel(positives=0), label_day(strata={"{}": (0, 900)}), []) == ["one_class"]


def test_a_message_names_five_strata_at_most():
    strata = {f"s{i}": (1, 1) for i in range(7)}
    (finding,) = inspect(funnel(), label_day(strata=strata, known=[]), [], GuardSettings())
    assert finding.message.endswith("7 strata of watched unseen in the days before: s0, s1, s2, s3, s4, ...")


def test_blocking_findings_come_first_and_stop_the_day_with_exit_code_3():
    findings = inspect(funnel(refused=53), label_day(known=["home"]), past(9000), GuardSettings())
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
        {"least_rows": 1.1},
        {"most_rows": 0.9},
        {"most_quarantined": -0.1},
        {"most_quarantined": math.nan},
        {"most_rate_change": 1.0},
        {"strata_named": 0},
    ],
)
def test_settings_out_of_range_are_refused(wrong):
    (key,) = wrong
    with pytest.raises(SettingsError, match=key):
        GuardSettings(**wrong)
