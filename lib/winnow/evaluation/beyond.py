"""Metrics of lists beyond accuracy: how much of the catalogue they show, how new it is to people, how unlike each other.

Over the first N places of the lists of all users who have one, whatever they wanted; p is the share of users who had engaged
with a media before the period, of all U users who had engaged with any; media that nobody had count as if one user had:

    novelty@N                mean of -log2 p over the list, in bits: mean self-information (Zhou et al., PNAS 2010)
    normalised_novelty@N     novelty / log2 U, in [0, 1]
    popularity_percentile@N  mean share of the catalogue that is less popular, ties by half; 0.5 = as if drawn at random
                             (after the average recommendation popularity of Abdollahpouri et al., FLAIRS 2019)
    intra_list_diversity@N   1 - mean over the list's pairs of the Jaccard similarity of their genres (Ziegler et al., WWW 2005)
    catalogue_coverage@N     media of the catalogue that are in some list / media of the catalogue (Ge et al., RecSys 2010)
    exposure_gini@N          Gini coefficient of how often each media of the catalogue is in a list: 0 = all alike, near 1 =
                             few have it all

The first four are means over users of means over their lists, short lists by the places that they fill; they are summed by
groups of users, so that they have intervals. Pairs with a media of no known genre tell nothing, and lists without any other
pair are left out of the diversity.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from winnow import schema
from winnow.contracts import HELPER
from winnow.evaluation.catalogue import ENGAGED, GENRE_BITS, PERCENTILE, jaccard, words_of
from winnow.evaluation.lists import GROUP, ITEMS, grouped
from winnow.evaluation.ranking import LISTED

NOVELTY, NORMALISED_NOVELTY, POPULARITY = "novelty", "normalised_novelty", "popularity_percentile"
DIVERSITY, COVERAGE, GINI = "intra_list_diversity", "catalogue_coverage", "exposure_gini"
#: Column that counts the users whose list has a pair of media of known genres.
COMPARED = "compared"

#: Places of a list whose pairs are compared: their number grows with the square of it.
MOST_COMPARED = 100
#: Media of a catalogue that is sent to every task; a larger one is joined by a shuffle of the lists.
_MOST_BROADCAST = 1_000_000
_FACTS = f"{HELPER}facts"


class Known(NamedTuple):
    """What was known before the period."""

    #: Users who had engaged with something.
    users: int
    #: Media of the catalogue.
    media: int
    #: The genres that there are, in the order of their bits; empty = diversity is not measured.
    genres: tuple[str, ...] = ()


def population_of(metric: str, k: int) -> str:
    """Return the column of ``sum_entries`` that the sums of a metric are divided by."""
    return f"{COMPARED}@{k}" if metric == DIVERSITY else LISTED


def metrics_over_users(known: Known, k: int) -> list[str]:
    """Return the metrics that ``sum_entries`` sums at ``k``: they are means over users."""
    has_pairs = bool(known.genres) and 2 <= k <= MOST_COMPARED
    return [NOVELTY, NORMALISED_NOVELTY, POPULARITY, *([DIVERSITY] if has_pairs else [])]


def sum_entries(
    lists: DataFrame, catalogue: DataFrame, known: Known, at: Sequence[int], *, groups: int, seed: int
) -> DataFrame:
    """Return the sums that the means over users are made of, one row a group of users.

    ``lists``: one row a user, as ``lists.lists`` makes them; ``catalogue``: as ``catalogue_of`` makes it. Rows out: GROUP,
    ``listed`` (users with a list), METRIC@N for each of ``metrics_over_users`` and N of ``at``, and compared@N: users whose
    list has a pair of media of known genres.

    A list's places and its pairs of places come in one pass: the pair of a place with itself is the place.
    """
    facts = F.col(_FACTS)
    counted = [F.size(F.filter(F.slice(facts, 1, k), lambda of: of[GENRE_BITS].isNotNull())) for k in at]
    described = _described(lists, catalogue, known).select(
        grouped(groups, seed).alias(GROUP),
        _FACTS,
        *(count.alias(f"known@{k}") for k, count in zip(at, counted, strict=True)),
    )
    later = F.col("later")
    first = F.when(later < MOST_COMPARED, F.lit(0)).otherwise(later) if known.genres else later
    places = described.withColumn("later", F.explode(F.sequence(F.lit(0), F.size(facts) - 1)))
    pairs = places.withColumn("earlier", F.explode(F.sequence(first, later)))
    is_place = F.col("earlier") == later
    is_user = later == 0
    sums = [F.sum(F.when(is_user, 1).otherwise(0)).alias(LISTED)]
    for k in at:
        within = later < k
        share = 1.0 / F.least(F.size(facts), F.lit(k))
        terms = {
            name: F.when(is_place & within, term * share)
            for name, term in _of_place(F.get(facts, later), known).items()
        }
        if DIVERSITY in metrics_over_users(known, k):
            count = F.col(f"known@{k}")
            similarity = jaccard(
                F.get(facts, F.col("earlier"))[GENRE_BITS], F.get(facts, later)[GENRE_BITS], words_of(known.genres)
            )
            terms[DIVERSITY] = F.when(
                ~is_place & within, (1.0 - similarity) * 2.0 / F.nullif(count * (count - 1), F.lit(0))
            )
            sums.append(F.sum(F.when(is_user & (count >= 2), 1).otherwise(0)).alias(population_of(DIVERSITY, k)))
        sums += [F.coalesce(F.sum(term), F.lit(0.0)).alias(f"{name}@{k}") for name, term in terms.items()]
    return pairs.groupBy(GROUP).agg(*sums)


def _of_place(fact: Column, known: Known) -> dict[str, Column]:
    """Return what a place of a list adds to its list's means; what is not of the catalogue nobody engaged with."""
    most = float(max(known.users, 1))
    information = F.log2(F.lit(most) / F.greatest(F.coalesce(fact[ENGAGED], F.lit(0)), F.lit(1)))
    return {
        NOVELTY: information,
        NORMALISED_NOVELTY: information / F.log2(F.lit(max(most, 2.0))),
        POPULARITY: F.coalesce(fact[PERCENTILE], F.lit(0.0)),
    }


def _described(lists: DataFrame, catalogue: DataFrame, known: Known) -> DataFrame:
    """Return user_id and _FACTS: what is known of each media of the user's list, in its order."""
    facts = catalogue if known.media > _MOST_BROADCAST else F.broadcast(catalogue)
    entries = lists.select(schema.USER_ID, F.posexplode(ITEMS).alias("place", str(schema.MEDIA_ID)))
    fact = F.struct("place", ENGAGED, PERCENTILE, GENRE_BITS)
    joined = entries.join(facts, on=schema.MEDIA_ID, how="left")
    return joined.groupBy(schema.USER_ID).agg(F.sort_array(F.collect_list(fact)).alias(_FACTS))


def exposure(lists: DataFrame, catalogue: DataFrame, known: Known, at: Sequence[int]) -> DataFrame:
    """Return one row an N of ``at``: k, catalogue_coverage, exposure_gini.

    With the C media of the catalogue in the order of how often they are shown, x_1 <= ... <= x_C: Gini = 2 sum of i x_i /
    (C sum of x_i) - (C + 1) / C. It is summed by distinct x, few however large the catalogue is. Shows of media that are not of
    the catalogue count in neither.
    """
    shown = (
        lists.select(F.posexplode(ITEMS).alias("place", str(schema.MEDIA_ID)))
        .groupBy(schema.MEDIA_ID)
        .agg(*(F.sum(F.when(F.col("place") < k, 1).otherwise(0)).alias(f"shows@{k}") for k in at))
        .join(catalogue.select(schema.MEDIA_ID), on=schema.MEDIA_ID, how="left_semi")
    )
    one_each = F.explode(F.array(*(F.struct(F.lit(k).alias(schema.K), F.col(f"`shows@{k}`").alias("x")) for k in at)))
    counts = (
        shown.select(one_each.alias("of"))
        .select(f"of.{schema.K}", "of.x")
        .where(F.col("x") > 0)
        .groupBy(schema.K, "x")
        .agg(F.count(F.lit(1)).alias("media"))
    )
    of_k = Window.partitionBy(schema.K)
    rising = of_k.orderBy("x").rowsBetween(Window.unboundedPreceding, Window.currentRow)
    media, x, size = F.col("media"), F.col("x"), float(known.media)
    # Media of equal x take places in a row: the last is as many from the end as media are shown more.
    last = F.lit(size) - F.sum(media).over(of_k) + F.sum(media).over(rising)
    placed = counts.withColumn("mean_place", last - (media - 1) / 2)
    gini = 2.0 * F.sum(F.col("mean_place") * media * x) / (F.sum(media * x) * size) - (size + 1.0) / size
    covered = F.sum(media) / size
    return placed.groupBy(schema.K).agg(covered.alias(COVERAGE), F.greatest(F.lit(0.0), gini).alias(GINI))
