"""Metrics of scores: how well a ranker's probabilities order impressions, and how well they tell what happens.

Every row may stand for several of the log: with weight 1 / rate the metrics are estimates of those of the whole log (Horvitz
and Thompson, JASA 1952). With weights w, labels y, scores p and W the sum of w:

    auc                sum over pairs of a positive and a negative of w w' [p > p'] (a tie counts half) / sum of w w'
    pr_auc             sum over distinct scores, falling, of (recall - recall before) * precision: average precision
    log_loss           - sum of w (y ln p + (1 - y) ln(1 - p)) / W
    ne                 log loss / the entropy of the mean label (He et al., ADKDD 2014)
    brier              sum of w (p - y)^2 / W
    calibration_ratio  sum of w p / sum of w y: predicted / observed
    ece                sum over bins of |sum of w p - sum of w y| / W (Naeini et al., AAAI 2015), bins of equal weight

Rows are ordered within cells of neighbouring scores: no task holds all of them. What comes out are sums, of groups of users
and of bins, in one pass; ``score_estimates`` makes the metrics and their standard errors of them.
"""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from winnow import schema
from winnow.contracts import HELPER, Step
from winnow.evaluation.lists import GROUP, grouped

AUC, PR_AUC, LOG_LOSS, NE = "auc", "pr_auc", "log_loss", "ne"
BRIER, CALIBRATION_RATIO, ECE = "brier", "calibration_ratio", "ece"
METRICS_OF_SCORES = (AUC, PR_AUC, LOG_LOSS, NE, BRIER, CALIBRATION_RATIO, ECE)

#: Sums of weights: of positives and negatives; of w p, of the log loss, of w (p - y)^2.
POSITIVE, NEGATIVE, SCORED, LOST, MISSED = "positive", "negative", "scored", "lost", "missed"
#: Of each negative's weight times that of the positives above it; of each positive's times that of the negatives below.
WON, BEATEN = "won", "beaten"
#: Of each positive's weight times the precision at its score; and what a row adds to the precision at scores below its own.
PRECISE, RAISED = "precise", "raised"
SUMS = (POSITIVE, NEGATIVE, SCORED, LOST, MISSED, WON, BEATEN, PRECISE, RAISED)
#: Rows without a score; the least and the largest score.
UNSCORED, LEAST, MOST = "unscored", "least", "most"

_CELL, _KEY, _ALL = f"{HELPER}cell", f"{HELPER}key", "_of_all"
#: Probabilities are this far from 0 and 1 at least, so that one wrong certainty does not make a loss infinite.
_EDGE = 1e-15
#: Cells in each factor e of a score, and the score below which they no longer tell scores apart.
_CELLS_PER_E, _SMALLEST = 256, 1e-9
#: What a positive's precision gains from a positive above it, and loses by a negative, each times its weight.
_GAINS, _LOSES = "gains", "loses"


def sum_scores(bins: int, groups: int, seed: int) -> Step:
    """Return the step from scored rows to their sums: one row a slice and group of users, and one a slice and bin.

    Rows in: user_id, slice, score in [0, 1] (null: counted as UNSCORED, and in nothing else), label (1 or 0) and weight (above
    0; 1 / rate, or 1). Rows out: slice, GROUP (null in the bins), bin (from 1, by rising score; null in the groups), rows,
    UNSCORED, LEAST, MOST and SUMS. Bins hold as much weight each as whole scores allow: equal scores are in one bin, so
    there may be fewer bins than asked for.
    """

    def step(rows: DataFrame) -> DataFrame:
        by_score = rows.transform(_by_score(groups, seed)).transform(_with_above((POSITIVE, NEGATIVE)))
        positive, negative = F.col(POSITIVE), F.col(NEGATIVE)
        reached, reached_negative = F.col(f"{POSITIVE}_reached"), F.col(f"{NEGATIVE}_reached")
        tied, tied_negative = F.col(f"{POSITIVE}_tied"), F.col(f"{NEGATIVE}_tied")
        all_reached = reached + reached_negative
        has_positive = positive > 0  # so that something was reached
        precise = by_score.withColumns(
            {
                _GAINS: F.when(has_positive, positive * reached_negative / all_reached / all_reached).otherwise(0.0),
                _LOSES: F.when(has_positive, positive * reached / all_reached / all_reached).otherwise(0.0),
            }
        ).transform(_with_above((_GAINS, _LOSES)))
        below = {
            name: F.col(name + _ALL) - F.col(f"{name}_reached") + F.col(f"{name}_tied") for name in (_GAINS, _LOSES)
        }
        weight_of_all = F.col(POSITIVE + _ALL) + F.col(NEGATIVE + _ALL)
        share_above = (all_reached - (tied + tied_negative) / 2) / F.nullif(weight_of_all, F.lit(0.0))
        place = F.greatest(F.lit(1), F.least(F.lit(bins), F.floor((1.0 - share_above) * bins) + 1)).cast("int")
        negative_below = F.col(NEGATIVE + _ALL) - reached_negative + tied_negative / 2
        summed = precise.withColumns(
            {
                schema.BIN: F.when(F.col(schema.SCORE).isNotNull(), place),
                WON: negative * (reached - tied / 2),
                BEATEN: positive * negative_below,
                PRECISE: F.when(has_positive, positive * reached / all_reached).otherwise(0.0),
                RAISED: positive * below[_GAINS] - negative * below[_LOSES],
            }
        )
        # Each row counts in its group and in its bin; not by grouping sets, which Sail lacks.
        group, no_group = F.col(GROUP), F.lit(None).cast("int")
        place, no_place = F.col(schema.BIN), F.lit(None).cast("int")
        keys = [(group, no_place), (no_group, place)]
        of_each = F.explode(F.array(*(F.struct(one.alias(GROUP), other.alias(schema.BIN)) for one, other in keys)))
        counted = summed.withColumn(_KEY, of_each).drop(GROUP, schema.BIN)
        return counted.groupBy(
            schema.SLICE, F.col(_KEY)[GROUP].alias(GROUP), F.col(_KEY)[schema.BIN].alias(schema.BIN)
        ).agg(
            F.sum(schema.ROWS).alias(schema.ROWS),
            F.sum(UNSCORED).alias(UNSCORED),
            F.min(schema.SCORE).alias(LEAST),
            F.max(schema.SCORE).alias(MOST),
            *(F.sum(name).alias(name) for name in SUMS),
        )

    return step


def _by_score(groups: int, seed: int) -> Step:
    """Return the step to one row a slice, distinct score and group: its weights and losses, in a cell of like scores."""

    def step(rows: DataFrame) -> DataFrame:
        score, label = F.col(schema.SCORE), F.col(schema.CLASS)
        weight = F.when(score.isNotNull(), F.col(schema.WEIGHT)).otherwise(F.lit(0.0))
        likely = F.coalesce(score, F.lit(0.0))
        certain = F.greatest(F.lit(_EDGE), F.least(F.lit(1.0 - _EDGE), likely))
        loss = -F.when(label == 1, F.log(certain)).otherwise(F.log1p(-certain))
        cell = F.floor(F.log1p(certain / _SMALLEST) * _CELLS_PER_E)  # within 0.4 % of each other
        return (
            rows.select("*", grouped(groups, seed).alias(GROUP))
            .groupBy(schema.SLICE, schema.SCORE, GROUP)
            .agg(
                F.count(score).alias(schema.ROWS),
                F.sum(F.when(score.isNull(), 1).otherwise(0)).alias(UNSCORED),
                F.sum(F.when(label == 1, weight).otherwise(0.0)).alias(POSITIVE),
                F.sum(F.when(label == 0, weight).otherwise(0.0)).alias(NEGATIVE),
                F.sum(weight * likely).alias(SCORED),
                F.sum(weight * loss).alias(LOST),
                F.sum(weight * (likely - label) * (likely - label)).alias(MISSED),
            )
            .withColumn(_CELL, F.when(score.isNull(), F.lit(-1)).otherwise(cell))
        )

    return step


def _with_above(names: Sequence[str]) -> Step:
    """Return the step that adds, for each of ``names``, its sum over scores as large or larger, as large, and all.

    The columns are NAME_reached, NAME_tied and NAME_of_all. Sums of the cells above come from few rows, one a cell.
    """

    def step(scores: DataFrame) -> DataFrame:
        cells = scores.groupBy(schema.SLICE, _CELL).agg(*(F.sum(name).alias(name) for name in names))
        whole = Window.partitionBy(schema.SLICE)
        higher = whole.orderBy(F.col(_CELL).desc()).rowsBetween(Window.unboundedPreceding, -1)
        above = cells.select(
            schema.SLICE,
            _CELL,
            *(F.coalesce(F.sum(name).over(higher), F.lit(0.0)).alias(f"{name}_above") for name in names),
            *(F.sum(name).over(whole).alias(name + _ALL) for name in names),
        )
        cell = Window.partitionBy(schema.SLICE, _CELL)
        falling = cell.orderBy(F.col(schema.SCORE).desc()).rangeBetween(Window.unboundedPreceding, Window.currentRow)
        tied = Window.partitionBy(schema.SLICE, _CELL, schema.SCORE)
        joined = scores.join(above, on=[schema.SLICE, _CELL], how="inner")
        reached = {f"{name}_reached": F.col(f"{name}_above") + F.sum(name).over(falling) for name in names}
        ties = {f"{name}_tied": F.sum(name).over(tied) for name in names}
        return joined.withColumns(reached | ties).drop(*(f"{name}_above" for name in names))

    return step
