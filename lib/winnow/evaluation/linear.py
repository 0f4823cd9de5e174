"""How sure an estimate is, by linearisation: what each group of users adds to it, to first order.

A smooth function of sums moves, when a group's users count a little more, by the group's influence; groups are independent,
so the variance is the sum of the squared influences (Binder, International Statistical Review 1983; Deville, Survey
Methodology 1999; the delta method where the function is a ratio). It is the variance over users and over what was sampled
of their rows, weights and all; nothing is resampled. Intervals are normal: they are those of many groups.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from winnow.evaluation.intervals import Array, Difference, Interval

_NORMAL = NormalDist()


@dataclass(frozen=True)
class Estimate:
    """A value, and how each group of users moves it; the influences sum to zero but for rounding."""

    value: float
    influence: Array
    #: Where the value lies by what it is: an interval does not go beyond.
    bounds: tuple[float, float] = (-math.inf, math.inf)

    @property
    def standard_error(self) -> float:
        """The standard error; NaN where one group alone has rows."""
        groups = len(self.influence)
        if groups < 2 or math.isnan(self.value):
            return math.nan
        return math.sqrt(groups / (groups - 1) * float(np.sum(self.influence**2)))

    def interval(self, confidence: float) -> Interval:
        """Return the value with its standard error and normal interval, within its bounds."""
        margin = _NORMAL.inv_cdf((1 + confidence) / 2) * self.standard_error
        if math.isnan(margin):
            return Interval(self.value, margin, margin, margin)
        low, high = self.bounds
        return Interval(self.value, self.standard_error, max(low, self.value - margin), min(high, self.value + margin))


def paired(one: Estimate, other: Estimate, confidence: float) -> Difference:
    """Return the difference of two estimates on the same groups, in the same order; the p-value is the normal test's."""
    return _tested(Estimate(one.value - other.value, one.influence - other.influence), confidence)


def apart(one: Estimate, other: Estimate, confidence: float) -> Difference:
    """Return the difference of two estimates that no user has a part in both of."""
    return _tested(Estimate(one.value - other.value, np.concatenate([one.influence, -other.influence])), confidence)


def _tested(difference: Estimate, confidence: float) -> Difference:
    error = difference.standard_error
    if math.isnan(error):
        p_value = math.nan
    elif error == 0:
        p_value = 1.0 if difference.value == 0 else 0.0
    else:
        p_value = math.erfc(abs(difference.value) / error / math.sqrt(2.0))
    return Difference(difference.interval(confidence), p_value)
