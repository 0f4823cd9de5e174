"""Planning: the census' counts become funnel, plan and sums of weights; exact plans end where the borders were found."""

import datetime as dt

from winnow.census import LabelCount, StratumCount
from winnow.config import Settings
from winnow.labelling import OUTCOMES, Action
from winnow.planning import basis_of_all, basis_of_kept, end_at, funnel_of, plan_of, quotas_of
from winnow.sampling import DRAW_STEP, Quota, SamplePlan, SamplingSettings, kept_rows, kept_value, last_draw
from winnow.splitting import SplittingSettings
from winnow.weighting import BasisSum

DAY = dt.date(2026, 1, 5)
REASONS = ["user_id_missing", "watch_s_negative"]


def stratum(name, positives, negatives, *, middle=0, immature=0, refused=0, copies=0):
    outcomes = {**dict.fromkeys(OUTCOMES, 0), "positive": positives, "negative": negatives}
    outcomes |= {"middle": middle, "immature": immature}
    valid = positives + negatives + middle + immature
    labels = {"watched": LabelCount(outcomes, 1000 * positives, 10**6 * positives)}
    lines = valid + refused + copies
    return StratumCount((name,), f'{{"s":"{name}"}}', lines, valid, 1, {REASONS[0]: 0, REASONS[1]: refused}, labels)


COUNTS = (
    stratum("a", 10, 90, middle=5, copies=7),
    stratum("b", 30, 20, immature=2, refused=3),
    stratum("c", 0, 0, refused=4),
)
SETTINGS = Settings(sampling=SamplingSettings(strata=("s",)))


def test_the_funnel_sums_the_strata_and_accounts_for_every_row():
    funnel = funnel_of(DAY, COUNTS, REASONS, SETTINGS)
    funnel.check_sums()
    assert (funnel.input_rows, funnel.duplicates, funnel.valid_rows, funnel.rewatched) == (171, 7, 157, 3)
    assert funnel.quarantined == {"user_id_missing": 0, "watch_s_negative": 7}
    watched = funnel.labels["watched"]
    assert (watched.positives, watched.negatives, watched.middle) == (40, 110, 5)
    assert watched.unlabelled == {"no_duration": 0, "not_played": 0, "immature": 2}


def test_the_funnel_of_no_rows_is_empty():
    funnel = funnel_of(DAY, (), REASONS, SETTINGS)
    funnel.check_sums()
    assert (funnel.input_rows, funnel.valid_rows, funnel.labels["watched"].positives) == (0, 0, 0)


def test_the_plan_has_a_quota_for_each_stratum_in_the_order_of_the_census():
    plan = plan_of(COUNTS, DAY, SETTINGS)
    assert plan.strata == ("s",)
    assert plan.keys == (("a",), ("b",), ("c",))
    assert [pair.negatives.rate for pair in plan.quotas["watched"]] == [10 / 90, 1, 0]
    assert len(list(quotas_of(plan))) == 6


def test_every_label_has_a_plan_of_its_own():
    labels = {"watched": Settings().labels["watched"], "liked": Action()}
    both = Settings(labels=labels, sampling=SamplingSettings(strata=("s",)))
    liked = LabelCount({**dict.fromkeys(OUTCOMES, 0), "positive": 2, "negative": 103}, 0, 0)
    count = StratumCount(("a",), "{}", 105, 105, 0, {}, {**stratum("a", 10, 90, middle=5).labels, "liked": liked})
    plan = plan_of([count], DAY, both)
    assert plan.quotas["liked"][0].negatives == Quota.of(103, 2)
    assert plan.quotas["watched"][0].negatives == Quota.of(90, 10)


def test_days_of_validation_and_test_keep_the_natural_balance():
    splitting = SplittingSettings(validation_start=DAY, evaluation_rate=0.5)
    natural = Settings(sampling=SETTINGS.sampling, splitting=splitting)
    assert {quota.rate for quota in quotas_of(plan_of(COUNTS, DAY, natural))} == {0.5, 0.0}
    day_before = plan_of(COUNTS, DAY - dt.timedelta(1), natural)
    assert day_before == plan_of(COUNTS, DAY, SETTINGS)


def exact_plan(*counts):
    return plan_of(counts, DAY, Settings(sampling=SamplingSettings(strata=("s",), exact=True)))


def found(positive, negative):
    return {last_draw("watched", "positive"): positive, last_draw("watched", "negative"): negative}


def test_an_exact_plan_ends_just_behind_the_last_kept_draw():
    plan = exact_plan(*COUNTS[:2])
    ended = end_at(plan, [found(None, 0.125), found(None, None)])
    first, second = ended.quotas["watched"]
    assert first.negatives.threshold == 0.125 + DRAW_STEP
    assert first.negatives.threshold > 0.125
    assert first.negatives.rate == 10 / 90  # the rate that is stored stays k / n
    # What is kept whole needs no border.
    assert (first.positives, second) == (plan.quotas["watched"][0].positives, plan.quotas["watched"][1])
    # Nor does a stratum of which nothing was found because nothing was asked.
    assert end_at(plan, [found(None, 0.125), {}]) == ended


def test_a_border_that_was_not_found_is_looked_for_again():
    plan = exact_plan(*COUNTS[:2])
    assert end_at(plan, [found(None, None), found(None, None)]) is None


def test_the_sums_of_weights_come_from_the_census_or_from_what_is_kept():
    assert basis_of_all("watched", COUNTS) == BasisSum(40, 40_000)
    assert basis_of_all("watched", ()) == BasisSum(0, 0)
    rows = [{kept_rows("watched"): 3, kept_value("watched"): 300}, {kept_rows("watched"): 2, kept_value("watched"): 11}]
    assert basis_of_kept("watched", rows) == BasisSum(5, 311)
    assert basis_of_kept("watched", [*rows, {}]) == BasisSum(5, 311)


def test_a_plan_without_strata_has_one_key_of_no_values():
    whole_day = StratumCount((), "{}", 100, 100, 0, {}, stratum("a", 10, 90).labels)
    plan = plan_of([whole_day], DAY, Settings())
    assert isinstance(plan, SamplePlan)
    assert (plan.strata, plan.keys) == ((), ((),))
