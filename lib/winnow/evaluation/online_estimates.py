"""What online metrics tell of an experiment: each arm's value, the difference to control, and whether the arms can be trusted.

A metric is a ratio of two means over users, whose error the delta method gives, users as the unit (Deng, Knoblich, Lu, "Applying
the Delta Method in Metric Analytics", KDD 2018). What the same users did before takes away what they differ by anyway (CUPED:
Deng, Xu, Kohavi, Walker, WSDM 2013): with R a ratio and R' the same of the days before,

    adjusted = R - theta (R' - R' of all arms),   theta = sum over arms of cov(R, R') / sum over arms of var(R')

with covariances over users of what each adds to the ratios, to first order. Arms that got other shares of the users than they
were meant to (sample-ratio mismatch; Fabijan et al., KDD 2019) are not alike, and no difference means anything.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from winnow.evaluation.intervals import Array
from winnow.evaluation.linear import Estimate
from winnow.evaluation.online import BEFORE, USERS, Ratio

#: Sums by name, one entry a group of users.
Sums = Mapping[str, Array]


def estimate(ratio: Ratio, sums: Sums) -> Estimate:
    """Return the ratio in an arm; NaN where nothing is below."""
    return _ratio(sums[ratio.above], sums[ratio.below])


def adjusted(ratio: Ratio, arms: Mapping[str, Sums]) -> dict[str, Estimate]:
    """Return the ratio in each arm, with what its users were like before taken out; as it is where nothing is known."""
    now = {arm: estimate(ratio, sums) for arm, sums in arms.items()}
    earlier = {arm: _ratio(*_before(ratio, sums)) for arm, sums in arms.items()}
    above, below = (
        sum(float(part.sum()) for part in parts)
        for parts in zip(*(_before(ratio, own) for own in arms.values()), strict=True)
    )
    if any(math.isnan(own.value) for own in earlier.values()):
        return now
    variance = sum(float(np.sum(own.influence**2)) for own in earlier.values())
    shared = sum(float(np.sum(now[arm].influence * earlier[arm].influence)) for arm in arms)
    theta = shared / variance if variance > 0 else 0.0
    everyone = above / below
    return {
        arm: Estimate(
            own.value - theta * (earlier[arm].value - everyone), own.influence - theta * earlier[arm].influence
        )
        for arm, own in now.items()
    }


def _before(ratio: Ratio, sums: Sums) -> tuple[Array, Array]:
    """Return the ratio's sums of the days before; the users are the same."""
    return sums[BEFORE + ratio.above], sums[USERS if ratio.below == USERS else BEFORE + ratio.below]


def _ratio(above: Array, below: Array) -> Estimate:
    total = float(below.sum())
    if not total > 0:
        return Estimate(math.nan, np.zeros(len(below)))
    value = float(above.sum()) / total
    return Estimate(value, (above - value * below) / total)


def mismatch(users: Mapping[str, int], shares: Mapping[str, float]) -> float:
    """Return how often chance alone makes the arms' numbers of users differ so from their shares: Pearson's chi-square test."""
    total, whole = sum(users.get(arm, 0) for arm in shares), sum(shares.values())
    if not total:
        return math.nan
    expected = {arm: share / whole * total for arm, share in shares.items()}
    statistic = sum((users.get(arm, 0) - count) ** 2 / count for arm, count in expected.items())
    return chi_square_tail(statistic, len(shares) - 1)


def chi_square_tail(statistic: float, freedom: int) -> float:
    """Return the probability of a larger chi-square: Q(n / 2, x / 2), from Q(1 / 2) or Q(1) up by its recurrence.

    Q(a + 1, x) = Q(a, x) + x^a e^-x / Gamma(a + 1) (Abramowitz and Stegun, 6.5.21).
    """
    half = statistic / 2
    if half <= 0:
        return 1.0
    a, tail = (0.5, math.erfc(math.sqrt(half))) if freedom % 2 else (1.0, math.exp(-half))
    while a < freedom / 2:
        tail += math.exp(a * math.log(half) - half - math.lgamma(a + 1))
        a += 1
    return min(1.0, tail)
