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

Rows are summed by distinct score first, then ordered within cells of neighbouring scores: no task holds all of them.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from winnow import schema
from winnow.contracts import HELPER, Step

AUC, PR_AUC, LOG_LOSS, NE = "auc", "pr_auc", "log_loss", "ne"
BRIER, CALIBRATION_RATIO, ECE = "brier", "calibration_ratio", "ece"
METRICS_OF_SCORES = (AUC, PR_AUC, LOG_LOSS, NE, BRIER, CALIBRATION_RATIO, ECE)

#: Helper columns: the cell of neighbouring scores; the weight of positives and of negatives at a score, and above it.
_CELL = f"{HELPER}cell"
_POSITIVE, _NEGATIVE = f"{HELPER}positive", f"{HELPER}negative"
_POSITIVE_ABOVE, _NEGATIVE_ABOVE = f"{HELPER}positive_above", f"{HELPER}negative_above"
_SCORED, _LOST, _MISSED = f"{HELPER}scored", f"{HELPER}lost", f"{HELPER}missed"
#: Probabilities are this far from 0 and 1 at least, so that one wrong certainty does not make a loss infinite.
_EDGE = 1e-15
#: Cells in each factor e of a score, and the score below which they no longer tell scores apart.
_CELLS_PER_E, _SMALLEST = 256, 1e-9


def by_score() -> Step:
    """Return the step from scored rows to one row a slice and distinct score, with what lies above it.

    Rows in: slice, score in [0, 1], label (1 or 0) and weight (above 0; 1 / rate, or 1). Rows with a null score, label or
    weight are left out: count them first.
    """

    def step(rows: DataFrame) -> DataFrame:
        score, weight, label = F.col(schema.SCORE), F.col(schema.WEIGHT), F.col(schema.CLASS)
        certain = F.greatest(F.lit(_EDGE), F.least(F.lit(1.0 - _EDGE), score))
        loss = -F.when(label == 1, F.log(certain)).otherwise(F.log1p(-certain))
        known = rows.where(score.isNotNull() & label.isNotNull() & weight.isNotNull())
        scores = known.groupBy(schema.SLICE, schema.SCORE).agg(
            F.sum(F.when(label == 1, weight).otherwise(0.0)).alias(_POSITIVE),
            F.sum(F.when(label == 0, weight).otherwise(0.0)).alias(_NEGATIVE),
            F.sum(weight * score).alias(_SCORED),
            F.sum(weight * loss).alias(_LOST),
            F.sum(weight * (score - label) * (score - label)).alias(_MISSED),
            F.count(F.lit(1)).alias(schema.ROWS),
        )
        return scores.withColumn(_CELL, _cell(score)).transform(_with_above)

    return step


def _cell(score: Column) -> Column:
    """Return a number that grows with the score, slowly: what lies in one cell is within 0.4 % of each other."""
    return F.floor(F.log1p(score / _SMALLEST) * _CELLS_PER_E)


def _with_above(scores: DataFrame) -> DataFrame:
    """Add the weight of positives and of negatives with larger scores: of the cells above, and within the cell."""
    cells = scores.groupBy(schema.SLICE, _CELL).agg(
        F.sum(_POSITIVE).alias(_POSITIVE_ABOVE), F.sum(_NEGATIVE).alias(_NEGATIVE_ABOVE)
    )
    falling = Window.partitionBy(schema.SLICE).orderBy(F.col(_CELL).desc())
    earlier = falling.rowsBetween(Window.unboundedPreceding, -1)
    above = cells.select(
        schema.SLICE,
        _CELL,
        *(F.coalesce(F.sum(name).over(earlier), F.lit(0.0)).alias(name) for name in (_POSITIVE_ABOVE, _NEGATIVE_ABOVE)),
    )
    within = Window.partitionBy(schema.SLICE, _CELL).orderBy(F.col(schema.SCORE).desc())
    larger = within.rowsBetween(Window.unboundedPreceding, -1)
    return scores.join(above, on=[schema.SLICE, _CELL], how="inner").withColumns(
        {
            total: F.col(total) + F.coalesce(F.sum(own).over(larger), F.lit(0.0))
            for own, total in ((_POSITIVE, _POSITIVE_ABOVE), (_NEGATIVE, _NEGATIVE_ABOVE))
        }
    )


def reliability(bins: int) -> Step:
    """Return the step from what ``by_score`` makes to the reliability curve: one row a slice and bin.

    Rows out: slice, bin (from 1, by rising score), rows, rows_weight, mean_score, positive_share. Bins hold as much weight
    each as whole scores allow: equal scores are in one bin, so there may be fewer bins than asked for.
    """

    def step(scores: DataFrame) -> DataFrame:
        weight = F.col(_POSITIVE) + F.col(_NEGATIVE)
        totals = scores.groupBy(schema.SLICE).agg(F.sum(weight).alias(schema.WEIGHT))
        above = F.col(_POSITIVE_ABOVE) + F.col(_NEGATIVE_ABOVE) + weight / 2
        share_below = 1.0 - above / F.col(schema.WEIGHT)
        place = F.greatest(F.lit(1), F.least(F.lit(bins), F.floor(share_below * bins) + 1)).cast("int")
        return (
            scores.join(totals, on=schema.SLICE, how="inner")
            .withColumn(schema.BIN, place)
            .groupBy(schema.SLICE, schema.BIN)
            .agg(
                F.sum(schema.ROWS).alias(schema.ROWS),
                F.sum(weight).alias(schema.ROWS_WEIGHT),
                (F.sum(_SCORED) / F.sum(weight)).alias(schema.MEAN_SCORE),
                (F.sum(_POSITIVE) / F.sum(weight)).alias(schema.POSITIVE_SHARE),
            )
        )

    return step


def measure(bins: int) -> Step:
    """Return the step from what ``by_score`` makes to one row a slice: rows, and a column for each METRICS_OF_SCORES.

    Without a positive or without a negative there is no order to judge: auc, pr_auc, ne and calibration_ratio are null
    as far as they are not defined.
    """

    def step(scores: DataFrame) -> DataFrame:
        positive, negative = F.col(_POSITIVE), F.col(_NEGATIVE)
        reached = F.col(_POSITIVE_ABOVE) + positive
        precision = reached / (reached + F.col(_NEGATIVE_ABOVE) + negative)
        sums = scores.groupBy(schema.SLICE).agg(
            F.sum(schema.ROWS).alias(schema.ROWS),
            F.sum(positive).alias(_POSITIVE),
            F.sum(negative).alias(_NEGATIVE),
            F.sum(negative * (F.col(_POSITIVE_ABOVE) + positive / 2)).alias("won"),
            F.sum(positive * precision).alias("precise"),
            *(F.sum(name).alias(name) for name in (_SCORED, _LOST, _MISSED)),
        )
        curve = scores.transform(reliability(bins))
        gap = F.abs(F.col(schema.MEAN_SCORE) - F.col(schema.POSITIVE_SHARE)) * F.col(schema.ROWS_WEIGHT)
        gaps = curve.groupBy(schema.SLICE).agg(F.sum(gap).alias("gap"))
        total = positive + negative
        share = positive / total
        entropy = -(share * F.log(share) + (1 - share) * F.log1p(-share))
        has_both = (positive > 0) & (negative > 0)
        metrics = {
            AUC: F.when(has_both, F.col("won") / (positive * negative)),
            PR_AUC: F.when(positive > 0, F.col("precise") / positive),
            LOG_LOSS: F.col(_LOST) / total,
            NE: F.when(has_both, F.col(_LOST) / total / entropy),
            BRIER: F.col(_MISSED) / total,
            CALIBRATION_RATIO: F.when(positive > 0, F.col(_SCORED) / positive),
            ECE: F.col("gap") / total,
        }
        measured = sums.join(gaps, on=schema.SLICE, how="inner")
        return measured.select(schema.SLICE, schema.ROWS, *(value.alias(name) for name, value in metrics.items()))

    return step
