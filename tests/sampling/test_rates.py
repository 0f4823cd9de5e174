"""The sampling maths, without Spark: what is kept of each class and stratum, and at which rate."""

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from winnow.errors import SettingsError
from winnow.sampling import Quota, SamplingSettings, allocate, natural, plan, whole

ROWS = st.one_of(st.sampled_from([0, 1, 2]), st.integers(0, 10**9))
STRATA = st.lists(st.tuples(ROWS, ROWS), min_size=1, max_size=12)
SETTINGS = st.builds(
    SamplingSettings,
    negatives_per_positive=st.floats(1e-3, 1e3),
    positive_rows=st.none() | st.integers(1, 10**8),
    negative_rows=st.none() | st.integers(1, 10**8),
    allocation=st.sampled_from(["per_stratum", "proportional", "equal"]),
    exact=st.booleans(),
)


@given(st.lists(st.tuples(ROWS, st.floats(0, 1e6)), min_size=1, max_size=12), st.floats(0, 1e10))
@example([(1, 2.2250738585e-313)], 0.5)  # a share so small that total / share is infinite
def test_the_parts_sum_to_the_total_or_to_all_that_there_is(strata, total):
    available, shares = zip(*strata, strict=True)
    parts = allocate(available, total, shares)
    assert all(0 <= part <= there for part, there in zip(parts, available, strict=True))
    assert math.isclose(math.fsum(parts), min(total, sum(available)), rel_tol=1e-9, abs_tol=1e-6)


def test_what_one_stratum_cannot_hold_flows_to_the_others_in_their_proportion():
    assert allocate([10, 1000, 1000], 310, [1, 1, 2]) == [10, 100, 200]
    # The overflow of the second fills the third, and what is left then is the fourth's alone.
    assert allocate([10, 20, 40, 1000], 400, [1, 1, 1, 1]) == [10, 20, 40, 330]


def test_strata_without_a_share_take_only_what_no_other_can_hold():
    assert allocate([100, 50, 150], 80, [1, 0, 0]) == [80, 0, 0]
    assert allocate([100, 50, 150], 140, [1, 0, 0]) == [100, 10, 30]
    assert allocate([100, 50, 150], 999, [1, 0, 0]) == [100, 50, 150]
    assert allocate([0, 0], 10, [1, 1]) == [0, 0]


@given(st.lists(st.tuples(st.integers(0, 10**6), st.floats(0, 1)), min_size=1, max_size=12))
def test_whole_parts_have_the_same_sum_and_lie_within_one_row(strata):
    available = [there for there, _ in strata]
    parts = [there * share for there, share in strata]
    rows = whole(parts, available)
    assert all(row == int(row) and row <= there for row, there in zip(rows, available, strict=True))
    assert all(abs(row - part) < 1 + 1e-6 for row, part in zip(rows, parts, strict=True))
    assert sum(rows) == math.floor(math.fsum(parts) + 0.5)


def test_the_largest_remainders_are_rounded_up_first():
    assert whole([1.2, 1.7, 1.1], [9, 9, 9]) == [1, 2, 1]
    assert whole([0.5, 0.5], [9, 9]) == [1, 0]
    assert whole([0.25, 0.25], [9, 9]) == [1, 0]
    assert whole([0.2, 0.2], [9, 9]) == [0, 0]


@given(STRATA, SETTINGS)
def test_every_plan_keeps_what_there_is_at_most_and_says_at_which_rate(counts, settings):
    for (positives, negatives), quotas in zip(counts, plan(counts, settings), strict=True):
        for there, quota in ((positives, quotas.positives), (negatives, quotas.negatives)):
            assert quota.available == there
            assert 0 <= quota.target <= there
            assert 0 <= quota.rate <= 1
            assert quota.threshold == quota.rate
            assert math.isclose(quota.rate * there, quota.target, rel_tol=1e-12, abs_tol=1e-9)
            if settings.exact:
                assert quota.target == int(quota.target)


@given(STRATA, SETTINGS)
def test_every_plan_reaches_the_totals_that_were_asked_for_as_far_as_there_are_rows(counts, settings):
    quotas = plan(counts, settings)
    kept = math.fsum(pair.positives.target for pair in quotas)
    wanted = math.fsum(pair.negatives.target for pair in quotas)
    positives, negatives = (sum(column) for column in zip(*counts, strict=True))
    assert math.isclose(kept, min(positives, settings.positive_rows or positives), rel_tol=1e-9, abs_tol=1e-6)
    if settings.negative_rows is None and settings.allocation == "per_stratum":
        return  # each stratum has its own ratio, and no total is promised
    total = settings.negatives_per_positive * kept if settings.negative_rows is None else settings.negative_rows
    slack = 0.5 + 1e-6 if settings.exact else 1e-6
    assert math.isclose(wanted, min(negatives, total), rel_tol=1e-9, abs_tol=slack)


@given(STRATA, st.floats(0.01, 100), st.booleans())
def test_each_stratum_keeps_its_own_ratio_or_all_that_it_has(counts, ratio, exact):
    settings = SamplingSettings(negatives_per_positive=ratio, exact=exact)
    quotas = plan(counts, settings)
    for (positives, negatives), pair in zip(counts, quotas, strict=True):
        assert pair.positives.rate == (1 if positives else 0)
        slack = 1 + 1e-6 if exact else 1e-6
        assert math.isclose(pair.negatives.target, min(negatives, ratio * positives), rel_tol=1e-9, abs_tol=slack)


@given(STRATA.filter(lambda counts: sum(negatives for _, negatives in counts) > 0), st.integers(1, 10**8))
def test_proportional_is_one_rate_for_all_strata(counts, rows):
    quotas = plan(counts, SamplingSettings(allocation="proportional", negative_rows=rows))
    total = sum(negatives for _, negatives in counts)
    for pair in quotas:
        if pair.negatives.available:
            assert math.isclose(pair.negatives.rate, min(1, rows / total), rel_tol=1e-9)


def test_equal_takes_tiny_strata_whole_and_shares_the_rest():
    quotas = plan([(5, 3), (5, 0), (5, 500), (5, 700)], SamplingSettings(allocation="equal", negative_rows=203))
    assert [pair.negatives.target for pair in quotas] == [3, 0, 100, 100]
    assert [pair.negatives.rate for pair in quotas] == [1, 0, 0.2, 1 / 7]


def test_positives_are_downsampled_when_rows_of_them_are_asked_for():
    counts = [(800, 5000), (200, 5000)]
    one_rate = plan(counts, SamplingSettings(positive_rows=100))
    assert [pair.positives.target for pair in one_rate] == [80, 20]
    assert [pair.positives.rate for pair in one_rate] == [0.1, 0.1]
    # The ratio is to the kept positives, not to all.
    assert [pair.negatives.target for pair in one_rate] == [80, 20]
    in_equal_parts = plan(counts, SamplingSettings(positive_rows=500, allocation="equal"))
    assert [pair.positives.target for pair in in_equal_parts] == [300, 200]


def test_a_ratio_that_would_need_half_rows_is_kept_to_the_row_by_an_exact_plan():
    quotas = plan([(3, 100), (3, 100)], SamplingSettings(negatives_per_positive=0.5, exact=True))
    assert [pair.negatives.target for pair in quotas] == [2, 1]
    assert quotas[0].negatives.rate == 0.02


def test_five_million_of_each_class_of_a_hundred_million_rows():
    (pair,) = plan([(5_000_000, 95_000_000)], SamplingSettings())
    assert (pair.positives.target, pair.negatives.target) == (5e6, 5e6)
    assert pair.positives.rate == 1
    assert round(pair.negatives.rate, 4) == 0.0526
    both = SamplingSettings(positive_rows=5_000_000, negative_rows=5_000_000, exact=True)
    assert plan([(5_000_000, 95_000_000)], both) == [pair]


def test_a_stratum_without_a_class_or_without_rows_has_the_rate_0_there():
    quotas = plan([(0, 10), (10, 0), (0, 0), (1, 1)], SamplingSettings())
    assert [(pair.positives.rate, pair.negatives.rate) for pair in quotas] == [(0, 0), (1, 0), (0, 0), (1, 1)]
    assert plan([], SamplingSettings(negative_rows=5)) == []


def test_the_natural_balance_keeps_both_classes_at_one_rate():
    quotas = natural([(5, 95), (0, 10)], rate=0.25)
    assert [(pair.positives.rate, pair.negatives.rate) for pair in quotas] == [(0.25, 0.25), (0, 0.25)]
    assert quotas[0].negatives.target == 23.75
    assert natural([(5, 95)])[0].positives == Quota(5, 5.0, 1.0, 1.0)


@given(st.integers(1, 10**9), st.floats(0, 1), st.floats(0, 1e9))
def test_the_bracket_of_the_last_draw_lies_in_the_unit_interval_around_the_rate(available, share, sigmas):
    quota = Quota.of(available, share * available)
    low, high = quota.bracket(sigmas)
    assert 0 <= low <= quota.rate <= high <= 1


def test_the_bracket_is_as_wide_as_the_deviation_of_an_order_statistic():
    low, high = Quota.of(10_000, 1_000).bracket(6)
    # sqrt(.1 * .9 / 10000) = .003
    assert math.isclose(high - low, 2 * (6 * 0.003 + 12 / 10_000))
    assert Quota.of(10, 10).bracket(6) == (1, 1)
    assert Quota.of(10, 0).bracket(6) == (0, 0)
    assert Quota.of(10_000, 1_000).bracket(1e9) == (0, 1)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"negatives_per_positive": 0.0}, "negatives_per_positive: expected a number above 0"),
        ({"negatives_per_positive": math.nan}, "negatives_per_positive"),
        ({"positive_rows": 0}, "positive_rows: expected a number of rows above 0, found 0"),
        ({"negative_rows": -1}, "negative_rows"),
        ({"negative_rows": 10**13}, "negative_rows"),
        ({"seed": 2**63}, "seed: expected a whole number of 64 bits"),
        ({"strata": ("a", "a")}, "strata: expected each column once"),
        ({"strata": ("a.b",)}, "strata: expected a plain column name"),
    ],
)
def test_settings_that_make_no_sample_are_refused(wrong, said):
    with pytest.raises(SettingsError, match=said):
        SamplingSettings(**wrong)


def test_a_quota_is_cut_when_some_of_its_rows_are_kept_and_some_are_not():
    assert [Quota.of(10, kept).is_cut for kept in (0, 1, 9, 10)] == [False, True, True, False]
    assert not Quota.of(0, 0).is_cut
