"""How sure a metric is: bootstrap over users, and the paired comparison of two models.

Users are resampled in groups, by a hash of their id: of a group only its sums are known, so what is resampled fits into
memory for any number of users. With fewer users than groups nearly each user is a group of its own, and this is the
bootstrap over users of Efron and Tibshirani, "An Introduction to the Bootstrap" (1993), chapters 6 and 13; with more of
them, users are still alike between groups, and the intervals are those of means over many users.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
#: Sums of all groups -> the metric; the last axis holds the sums, so that all resamples are worked out at once.
Statistic = Callable[[Array], Array]
#: Resamples that are drawn at a time: more would only take memory.
_AT_ONCE = 64


class Asked(NamedTuple):
    """How intervals are made."""

    resamples: int = 1_000
    confidence: float = 0.95
    seed: int = 0


#: What is asked for where nobody says otherwise.
USUAL = Asked()


class Interval(NamedTuple):
    """A metric, how far it may be off, and its confidence interval."""

    value: float
    standard_error: float
    low: float
    high: float


class Difference(NamedTuple):
    """How much better one model is than another on the same users, and how often chance alone does that."""

    interval: Interval
    p_value: float


def ratio_of(numerator: int, denominator: int) -> Statistic:
    """Return the statistic that divides one sum by another: a mean over users is a sum over users by their number."""

    def ratio(sums: Array) -> Array:
        above, below = sums[..., numerator], sums[..., denominator]
        divided: Array = np.divide(above, below, out=np.full_like(above, np.nan), where=below != 0)
        return divided

    return ratio


def root_of(numerator: int, denominator: int) -> Statistic:
    """Return the statistic that is the root of ``ratio_of``: of a mean of squares."""
    ratio = ratio_of(numerator, denominator)
    return lambda sums: np.sqrt(ratio(sums))


class Resampled:
    """The sums of groups of users, resampled once for all metrics that are made of them."""

    def __init__(self, sums: Array, asked: Asked = USUAL) -> None:
        """Resample ``sums``: one row a group of users, one column a sum. Equal seeds and groups give equal resamples."""
        random, groups = np.random.default_rng((asked.seed, 0)), len(sums)
        shares = np.full(groups, 1.0 / groups)
        drawn = [random.multinomial(groups, shares, size=count) @ sums for count in _batches(asked.resamples)]
        self.asked = asked
        self.sums = sums
        self.total: Array = sums.sum(axis=0)
        self.drawn: Array = np.concatenate(drawn)

    def interval(self, statistic: Statistic) -> Interval:
        """Return the metric with its standard error and percentile interval; one group tells nothing of its spread: NaN."""
        return _interval(float(statistic(self.total)), statistic(self.drawn), self.asked.confidence)


class Paired:
    """Two models on the same groups of users: what makes users easy or hard for either cancels out."""

    def __init__(self, one: Resampled, other: Resampled) -> None:
        """Let groups change sides at random; both are resampled alike, of the same groups in the same order."""
        if (one.sums.shape, one.asked) != (other.sums.shape, other.asked):
            raise ValueError(
                f"expected the same groups and sums of both, found {one.sums.shape} and {other.sums.shape}"
            )
        self.one, self.other, asked = one, other, one.asked
        random, difference = np.random.default_rng((asked.seed, 1)), one.sums - other.sums
        sides = [
            random.choice((-1.0, 1.0), size=(count, len(difference))) @ difference
            for count in _batches(asked.resamples)
        ]
        self._swapped: Array = np.concatenate(sides)

    def difference(self, statistic: Statistic) -> Difference:
        """Return how much larger the metric is than the baseline's.

        The p-value is that of the randomisation test (Smucker, Allan, Carterette, CIKM 2007).
        """
        one, other = self.one, self.other
        value = float(statistic(one.total) - statistic(other.total))
        both = one.total + other.total
        mixed = statistic((both + self._swapped) / 2) - statistic((both - self._swapped) / 2)
        as_large = int(np.sum(np.abs(mixed) >= abs(value) * (1 - 1e-12)))
        interval = _interval(value, statistic(one.drawn) - statistic(other.drawn), one.asked.confidence)
        return Difference(interval, (as_large + 1) / (one.asked.resamples + 1))


def _interval(value: float, drawn: Array, confidence: float) -> Interval:
    known: Any = drawn[np.isfinite(drawn)]
    if len(known) < 2 or np.isnan(value):
        return Interval(value, float("nan"), float("nan"), float("nan"))
    low, high = np.quantile(known, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(value, float(np.std(known, ddof=1)), float(low), float(high))


def _batches(resamples: int) -> list[int]:
    return [min(_AT_ONCE, resamples - done) for done in range(0, resamples, _AT_ONCE)]
