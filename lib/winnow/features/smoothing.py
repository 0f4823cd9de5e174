"""Empirical Bayes: a rate of few rows is pulled towards the rate of all, as far as the data say that rates are alike."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from winnow.contracts import Step, quotient

#: Columns of a prior: the rate of all, and how many rows of a group it is worth.
MEAN, STRENGTH = "prior_mean", "prior_strength"
#: How alike rows of one group are at least and at most (the correlation rho): strength is (1 - rho) / rho, 1 to 9999.
_LEAST_RHO, _MOST_RHO = 1e-4, 0.5
#: The same where there is nothing to learn it from: a prior worth nine rows.
_USUAL_RHO = 0.1


def priors(by: Sequence[str], trials: str, hits: str) -> Step:
    """Return the step from groups (rows with whole numbers n = ``trials`` and k = ``hits``) to a prior for each ``by``.

    The method of moments for the beta-binomial (Kleinman, JASA 1973), groups weighted by n. With N = sum n, p = sum k / N,
    S = sum n (k/n - p)^2 and G groups: rho = (S / (p (1 - p)) - (G - 1)) / (N - sum n^2 / N - (G - 1)), and the strength
    alpha + beta = (1 - rho) / rho. Sums are of whole numbers (k^2 / n in millionths): the same in any partitioning.
    """
    n, k = F.col(trials), F.col(hits)
    exact_n = n.cast("decimal(18,0)")
    squares = F.rint(k.cast("double") * k.cast("double") / n.cast("double") * 1e6).cast("bigint")

    def step(groups: DataFrame) -> DataFrame:
        summed = (
            groups.where(n > 0)
            .groupBy(*by)
            .agg(
                F.count(F.lit(1)).alias("g"),
                F.sum(n).alias("n"),
                F.sum(k).alias("k"),
                F.sum(exact_n * exact_n).cast("double").alias("n2"),
                (F.sum(squares) / 1e6).alias("k2n"),
            )
        )
        return summed.select(*by, _mean().alias(MEAN), _strength().alias(STRENGTH))

    return step


def smoothed(hits: Column, trials: Column, mean: Column, strength: Column) -> Column:
    """Return (k + strength * mean) / (n + strength): the mean itself where there is nothing (null is 0)."""
    k, n = F.coalesce(hits, F.lit(0)), F.coalesce(trials, F.lit(0))
    return (k + strength * mean) / (n + strength)


def _mean() -> Column:
    return F.col("k") / F.col("n")


def _strength() -> Column:
    n, p, freedom = F.col("n").cast("double"), _mean(), F.col("g") - F.lit(1.0)
    spread = F.col("k2n") - F.col("k") * p
    chance = p * (1 - p)
    room = n - F.col("n2") / n - freedom
    rho = F.when((chance > 0) & (room > 0), (quotient(spread, chance) - freedom) / F.nullif(room, F.lit(0.0)))
    kept = F.greatest(F.lit(_LEAST_RHO), F.least(F.lit(_MOST_RHO), F.coalesce(rho, F.lit(_USUAL_RHO))))
    return (1 - kept) / kept
