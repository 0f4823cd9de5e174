"""The sampling maths on one page: how many rows of each class and stratum are kept, and at which rate. No Spark."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from winnow.settings import check, check_between, check_columns


@dataclass(frozen=True)
class SamplingSettings:
    """``[sampling]``: which rows become examples."""

    #: Columns whose combinations of values are the strata; none = all rows are one stratum. Null is a value of its own.
    strata: tuple[str, ...] = ()
    #: Negatives kept for each kept positive, where negative_rows does not say how many.
    negatives_per_positive: float = 1.0
    #: Positives to keep a day, all strata together; not set = every positive.
    positive_rows: int | None = None
    #: Negatives to keep a day, all strata together; not set = negatives_per_positive times the positives.
    negative_rows: int | None = None
    #: per_stratum: each stratum at the ratio of its own positives; proportional: one rate for all; equal: as many of each.
    allocation: Literal["per_stratum", "proportional", "equal"] = "per_stratum"
    #: Keep exactly the target (the rows of the smallest draws) instead of each row with the target's probability.
    exact: bool = False
    #: Seed of the draw; another seed is another, independent sample.
    seed: int = 20_260_105
    #: settle: of the copies of an impression_id one counts; trust: the log has none, which saves a look at every id.
    duplicates: Literal["settle", "trust"] = "settle"

    def __post_init__(self) -> None:
        """Check names and ranges."""
        check_columns("strata", self.strata)
        check_between("negatives_per_positive", self.negatives_per_positive, 0.0, 1e6)
        check(
            self.negatives_per_positive > 0, "negatives_per_positive", "a number above 0", self.negatives_per_positive
        )
        for key in ("positive_rows", "negative_rows"):
            rows = getattr(self, key)
            check(rows is None or 0 < rows <= 10**12, key, "a number of rows above 0", rows)
        check(-(2**63) <= self.seed < 2**63, "seed", "a whole number of 64 bits", self.seed)


@dataclass(frozen=True)
class Quota:
    """What is kept of one class in one stratum: the rows whose draw is below ``threshold``."""

    #: Rows that there are.
    available: int
    #: Rows asked for, at most ``available``; whole when the sample is exact.
    target: float
    #: Inclusion probability of each of the rows.
    rate: float
    #: Rows with a draw below it are kept; the rate itself, but for an exact sample.
    threshold: float

    @classmethod
    def of(cls, available: int, target: float) -> Quota:
        """Return the quota that keeps ``target`` of ``available`` rows: rate = target / available, 0 of none."""
        rate = min(1.0, target / available) if available else 0.0
        return cls(available, float(min(target, available)), rate, rate)

    @property
    def is_cut(self) -> bool:
        """Whether some of the rows are kept and some are not."""
        return 0.0 < self.rate < 1.0

    def at(self, threshold: float) -> Quota:
        """Return the quota with the draw that an exact sample ends at."""
        return replace(self, threshold=threshold)

    def bracket(self, sigmas: float) -> tuple[float, float]:
        """Return draws between which the draw of the last kept row lies, but for odds of ``sigmas`` deviations.

        The k-th smallest of n uniform draws has mean k / (n + 1) and a standard deviation below sqrt(rate (1 - rate) / n).
        """
        if not self.is_cut:
            return self.rate, self.rate
        width = sigmas * math.sqrt(self.rate * (1 - self.rate) / self.available) + 2 * sigmas / self.available
        return max(0.0, self.rate - width), min(1.0, self.rate + width)


@dataclass(frozen=True)
class Quotas:
    """What is kept of a stratum, by class."""

    positives: Quota
    negatives: Quota


def plan(counts: Sequence[tuple[int, int]], settings: SamplingSettings) -> list[Quotas]:
    """Return what to keep of each stratum, of its (positives, negatives).

    Positives: all, or ``positive_rows`` of them: in equal parts for the allocation ``equal``, else at one rate.
    Negatives, where ``negative_rows`` says how many, or ``negatives_per_positive`` times all kept positives:
    ``per_stratum`` shares them out as the kept positives lie, ``proportional`` as the negatives lie (one rate for all),
    ``equal`` in equal parts. A part is cut at what the stratum has; what is left over flows to the others. Only
    ``per_stratum`` with a ratio lets nothing flow: each stratum has its own ratio, and no total is promised.
    """
    positives = [positive for positive, _ in counts]
    negatives = [negative for _, negative in counts]
    even = [1.0] * len(counts)
    kept = [float(positive) for positive in positives]
    if settings.positive_rows is not None:
        shares = even if settings.allocation == "equal" else kept
        kept = allocate(positives, settings.positive_rows, shares)
    if settings.exact:
        kept = whole(kept, positives)
    total = settings.negative_rows
    if total is None and settings.allocation == "per_stratum":
        wanted = [settings.negatives_per_positive * positive for positive in kept]
        wanted = [min(float(there), want) for there, want in zip(negatives, wanted, strict=True)]
    else:
        shares = {"per_stratum": kept, "proportional": [float(n) for n in negatives], "equal": even}[
            settings.allocation
        ]
        wanted = allocate(negatives, settings.negatives_per_positive * sum(kept) if total is None else total, shares)
    if settings.exact:
        wanted = whole(wanted, negatives)
    return [
        Quotas(Quota.of(positive, keep), Quota.of(negative, want))
        for positive, keep, negative, want in zip(positives, kept, negatives, wanted, strict=True)
    ]


def natural(counts: Sequence[tuple[int, int]], rate: float = 1.0) -> list[Quotas]:
    """Return the quotas that keep both classes of every stratum at one rate: the class balance stays as it is."""
    return [
        Quotas(Quota.of(positive, rate * positive), Quota.of(negative, rate * negative))
        for positive, negative in counts
    ]


def allocate(available: Sequence[int], total: float, shares: Sequence[float]) -> list[float]:
    """Share out ``total`` rows in proportion to ``shares``, none more than is available; what is cut off flows on.

    The parts sum to min(total, all that is available). Strata with a share of 0 take what no other can hold, in
    proportion to what they have.
    """
    parts = [0.0] * len(available)
    left = min(float(total), float(sum(available)))
    for weights in (shares, available):
        open_strata = [i for i, there in enumerate(available) if weights[i] > 0 and parts[i] < there]
        while open_strata and left > 0:
            total_share = math.fsum(weights[i] for i in open_strata)
            wanted = {i: left * (weights[i] / total_share) for i in open_strata}
            full = [i for i in open_strata if parts[i] + wanted[i] >= available[i]]
            if not full:
                for i in open_strata:
                    parts[i] += wanted[i]
                return parts
            for i in full:
                left -= available[i] - parts[i]
                parts[i] = float(available[i])
            open_strata = [i for i in open_strata if i not in set(full)]
    return parts


def whole(parts: Sequence[float], available: Sequence[int]) -> list[float]:
    """Round parts to whole rows of the same sum, half up (largest remainders first), none more than is available."""
    floors = [math.floor(part + 1e-9) for part in parts]
    spare = math.floor(math.fsum(parts) + 0.5) - sum(floors)
    by_remainder = sorted(range(len(parts)), key=lambda i: (floors[i] - parts[i], i))
    for i in by_remainder:
        if spare > 0 and floors[i] < min(available[i], parts[i] + 1):
            floors[i] += 1
            spare -= 1
    return [float(part) for part in floors]
