"""What rankers read for lists: steps that are usual pass, shifts are found by column, and days are compared once there are enough."""

import dataclasses
import math

import pytest

from winnow.guards import GuardSettings, inspect_served
from winnow.guards.inspection import SHORT_HISTORY
from winnow.moments import Moments

DAY, LABEL = "2026-01-12", "watched"
AGE = Moments(40.0, 10.0)
#: Steps of .3 at most, their median none: three times as much is .9, and a tenth of the deviation 1.
USUAL = [{"age": Moments(mean, 10.0)} for mean in (40.0, 40.3, 40.0, 40.0, 40.0)]


def found(served, history=USUAL, trained=None, **changes):
    settings = dataclasses.replace(GuardSettings(), **changes)
    return inspect_served(DAY, LABEL, {"age": served}, trained or {}, history, settings)


@pytest.mark.parametrize(("mean", "is_found"), [(40.9, False), (41.1, True), (39.1, False), (38.9, True)])
def test_a_mean_may_move_by_a_tenth_of_the_deviation(mean, is_found):
    assert [one.rule for one in found(Moments(mean, 10.0))] == ["served_shift"] * is_found


@pytest.mark.parametrize(("mean", "is_found"), [(4.39, False), (4.41, True)])
def test_or_by_a_tenth_of_itself_where_that_is_less(mean, is_found):
    history = [{"age": Moments(4.0, 10.0)}] * 5
    assert bool(found(Moments(mean, 10.0), history)) == is_found


def test_a_column_that_grows_day_by_day_may_go_on_but_not_stop():
    history = [{"age": Moments(10.0 + 5 * day, 10.0)} for day in range(5)]
    assert found(Moments(35.0, 10.0), history) == []
    (stopped,) = found(Moments(30.0, 10.0), history)
    assert (stopped.found, stopped.low, stopped.high) == pytest.approx((30.0, 34.0, 36.0))


def test_steps_as_large_as_any_before_are_usual():
    history = [{"age": Moments(mean, 10.0)} for mean in (40.0, 44.0, 40.0, 41.0, 40.0)]
    assert found(Moments(48.0, 10.0), history) == []
    assert [one.rule for one in found(Moments(54.0, 10.0), history)] == ["served_shift"]


def test_a_column_that_was_constant_and_is_no_more_is_found_and_rounding_is_not():
    history = [{"age": Moments(0.1, 0.0)}] * 5
    assert found(Moments(0.1 + 1e-17, 0.0), history) == []
    assert [one.rule for one in found(Moments(0.2, 0.3), history)] == ["served_shift"]
    nothing = [{"age": Moments(0.0, 0.0)}] * 5
    assert found(Moments(0.0, 0.0), nothing) == []
    assert [one.rule for one in found(Moments(1e-3, 0.1), nothing)] == ["served_shift"]


def test_what_is_no_number_is_found():
    assert [one.rule for one in found(Moments(math.nan, math.nan), trained={"age": AGE})] == [
        "training_skew",
        "served_shift",
    ]


def test_training_is_another_population_so_only_what_is_far_off_is_found():
    assert found(Moments(69.0, 10.0), [], {"age": AGE}, served_shift="off") == []
    (far,) = found(Moments(71.0, 10.0), [], {"age": AGE}, served_shift="off")
    assert (far.rule, far.severity, far.label, far.low, far.high) == ("training_skew", "warn", LABEL, 10.0, 70.0)
    assert "age 71 (expected 10 to 70)" in far.message
    assert "2026-01-12" in far.message
    assert found(Moments(71.0, 10.0), [], {"age": Moments(40.0, 0.0)}, served_shift="off") == []
    assert found(Moments(71.0, 10.0), [], {"age": Moments(40.0, math.inf)}, served_shift="off") == []


def test_too_few_days_before_are_a_note():
    assert [(one.rule, one.severity) for one in found(Moments(80.0, 10.0), USUAL[:3])] == [(SHORT_HISTORY, "note")]
    assert found(Moments(80.0, 10.0), USUAL[:3], served_shift="off") == []
    assert len(found(Moments(80.0, 10.0), USUAL[:3], least_served_days=3)) == 1
    new = [{**day, "new": AGE} for day in USUAL[:2]]  # of columns that came since
    assert found(AGE, [*USUAL[2:], *new]) == []


def test_a_message_names_the_worst_first_and_severity_is_the_settings():
    history = [{name: Moments(10.0, 10.0) for name in "abcdefg"}] * 5
    served = {name: Moments(10.0 + 3 * place, 10.0) for place, name in enumerate("abcdefg")}
    (one,) = inspect_served(DAY, LABEL, served, {}, history, dataclasses.replace(GuardSettings(), served_shift="block"))
    assert one.severity == "block"
    assert "the means of 6 columns" in one.message
    assert one.message.index("g 28 (") < one.message.index("f 25 (") < one.message.index("c 16 (")
    assert "b 13" not in one.message
    assert one.message.endswith(", ...")
