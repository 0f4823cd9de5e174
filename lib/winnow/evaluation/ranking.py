"""Metrics of lists: how much of what a user wanted stands near the top.

Users are all with a relevant media; a user without a list scores 0. With R the relevant media of a user, ranks from 1:

    precision@N    hits in the first N / N                       recall@N     hits in the first N / |R|
    f1@N           2 P R / (P + R) = 2 hits / (N + |R|)          hit_rate@N   1 where there is a hit, else 0
    map@N          sum of P@i over hits i <= N, / min(|R|, N)    mrr@N        1 / rank of the first hit, 0 without
    mar@N          mean of recall@n over n = 1..N                ndcg@N       sum of (2^grade - 1) / log2(i + 1) over hits,
                                                                              / the largest such sum that N places can have

Every one of them is a sum over hits of something that knows the user's |R| and the hit's rank, place among the hits and
grade. So no user's metrics are ever made: hits are summed by groups of users, in one pass, however many N there are.

Sources: Manning, Raghavan, Schuetze, "Introduction to Information Retrieval" (2008), chapter 8; Jarvelin and Kekalainen,
TOIS 2002, for (N)DCG, with the gain 2^grade - 1 of Burges et al., ICML 2005. There is no agreed mean average recall: ours
is the mean of recall over the places.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from winnow import schema
from winnow.contracts import HELPER
from winnow.evaluation.lists import GROUP, ITEMS, RELEVANT, grouped

PRECISION, RECALL, F1, HIT_RATE = "precision", "recall", "f1", "hit_rate"
MAP, MAR, MRR, NDCG = "map", "mar", "mrr", "ndcg"
METRICS_OF_LISTS = (PRECISION, RECALL, F1, HIT_RATE, MAP, MAR, MRR, NDCG)

#: Column that counts the users with a relevant media, and that of those who have a list too.
USERS, LISTED = "users", "listed"

#: Who is counted: all users with a relevant media, or those of them who have a list too.
Population = Literal["relevant", "listed"]
_LISTED = f"{HELPER}listed"


@dataclass(frozen=True)
class Convention:
    """What libraries do differently, and call by the same names."""

    name: str
    #: Whose mean map, precision and recall are.
    population: Population = "relevant"
    #: Whose mean ndcg is.
    ndcg_population: Population = "relevant"
    #: What map divides by: the hits that N places can have, or all that is relevant.
    map_over: Literal["possible", "relevant"] = "possible"
    #: The best list that ndcg compares with: of what is relevant, or of N relevant media, however few there are.
    ideal: Literal["possible", "full"] = "possible"


#: Ours. Spark's RankingMetrics, given every user with a relevant media, and implicit agree with it for grades of 1.
WINNOW = Convention("winnow")
#: Every library's own, by its name; each gives that library's numbers.
CONVENTIONS = {
    convention.name: convention
    for convention in (
        WINNOW,
        Convention("spark_ranking_metrics"),
        Convention("recommenders_pandas", population="listed"),
        Convention("recommenders_spark", population="listed", ndcg_population="listed"),
        Convention("rectools", map_over="relevant", ideal="full"),
        Convention("ranx", map_over="relevant"),
    )
}


def column_of(metric: str, k: int) -> str:
    """Return the name of the column that sums a metric."""
    return f"{metric}@{k}"


def sum_hits(
    lists: DataFrame,
    at: Sequence[int],
    *,
    groups: int,
    seed: int,
    convention: Convention = WINNOW,
) -> DataFrame:
    """Return the sums that all metrics of lists are made of, one row a slice and group of users.

    Rows in: what ``lists.relevant`` makes, with ITEMS of ``lists.lists`` joined on user_id (null: no list). Rows out:
    slice, GROUP, ``users`` (with a relevant media), ``listed`` (those with a list), and METRIC@N for each metric and N
    of ``at``: the sum over the group's users, of ``users`` or ``listed`` as the convention says.
    """
    relevant = F.col(RELEVANT)
    hits = F.transform(
        relevant,
        lambda of: F.struct(
            F.array_position(F.coalesce(ITEMS, F.array().cast(lists.schema[ITEMS].dataType)), of["media"]).alias(
                schema.RANK
            ),
            of["grade"].alias("grade"),
        ),
    )
    found = F.sort_array(F.filter(hits, lambda of: of[schema.RANK] > 0))
    users = lists.select(
        schema.SLICE,
        grouped(groups, seed).alias(GROUP),
        F.col(ITEMS).isNotNull().alias(_LISTED),
        F.size(relevant).alias("wanted"),
        *(_ideal(k, convention).alias(f"ideal@{k}") for k in at),
        F.posexplode_outer(found).alias("earlier", "hit"),
    )
    is_first = F.coalesce(F.col("earlier"), F.lit(0)) == 0  # one row of each user, with hits or without
    sums = [
        F.sum(F.when(is_first, 1).otherwise(0)).alias(USERS),
        F.sum(F.when(is_first & F.col(_LISTED), 1).otherwise(0)).alias(LISTED),
    ]
    for k in at:
        counts = F.col("hit")[schema.RANK] <= k
        terms = _terms(k, convention)
        sums += [
            F.coalesce(F.sum(F.when(counts, term)), F.lit(0.0)).alias(column_of(metric, k))
            for metric, term in terms.items()
        ]
    return users.groupBy(schema.SLICE, GROUP).agg(*sums)


def _terms(k: int, convention: Convention) -> dict[str, Column]:
    """Return what a hit within the first ``k`` places adds to each metric of its user."""
    rank, grade = F.col("hit")[schema.RANK], F.col("hit")["grade"]
    place, wanted = F.col("earlier") + 1, F.col("wanted")
    possible = wanted if convention.map_over == "relevant" else F.least(wanted, F.lit(k))
    return {
        PRECISION: F.lit(1.0 / k),
        RECALL: 1.0 / wanted,
        F1: 2.0 / (wanted + k),
        HIT_RATE: F.when(place == 1, 1.0).otherwise(0.0),
        MAP: place / rank / possible,
        MAR: (F.lit(k + 1) - rank) / (wanted * float(k)),
        MRR: F.when(place == 1, 1.0 / rank).otherwise(0.0),
        NDCG: _discounted(grade, rank) / F.col(f"ideal@{k}"),
    }


def _ideal(k: int, convention: Convention) -> Column:
    """Return the discounted gain of the best list of ``k`` places."""
    if convention.ideal == "full":
        return F.lit(sum(1.0 / math.log2(place + 1) for place in range(1, k + 1)))
    gains = F.transform(F.slice(RELEVANT, 1, k), lambda of, earlier: _discounted(of["grade"], earlier + 1))
    return F.aggregate(gains, F.lit(0.0), lambda total, gain: total + gain)


def _discounted(grade: Column, place: Column) -> Column:
    """Return the gain of a grade, discounted by its place, from 1."""
    return (F.pow(F.lit(2.0), grade) - 1.0) / F.log2(place + 1)


def population_of(metric: str, convention: Convention = WINNOW) -> str:
    """Return the column of ``sum_hits`` that the sums of a metric are divided by."""
    population = convention.ndcg_population if metric == NDCG else convention.population
    return USERS if population == "relevant" else LISTED
