"""Metrics of scores, made of the sums of groups of users: each with what every group adds to it, hence its standard error.

The influences are derivatives by the weight of a group's rows. With P and N the weight of positives and negatives, W their sum:

    log_loss, brier     (sum of losses - value * weight) / W
    calibration_ratio   (sum of w p - value * positives) / P
    ne                  influence of the log loss / H - value / H * H'(share) * (positives - share * weight) / W
    auc                 (pairs won by its positives and by its negatives) / (P N) - value * (positives / P + negatives / N):
                        DeLong, DeLong, Clarke-Pearson (Biometrics 1988), for clusters of rows Obuchowski (Biometrics 1997)
    pr_auc              (precision at its positives - value * positives + what its rows add to the precision below them) / P

ECE has no standard error: it is a sum of absolute values, too large by chance where gaps are small (Kumar, Liang, Ma, NeurIPS
2019), and no interval of this kind would tell that.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from winnow import schema
from winnow.evaluation.intervals import Array
from winnow.evaluation.linear import Estimate
from winnow.evaluation.scores import (
    AUC,
    BEATEN,
    BRIER,
    CALIBRATION_RATIO,
    LOG_LOSS,
    LOST,
    MISSED,
    NE,
    NEGATIVE,
    POSITIVE,
    PR_AUC,
    PRECISE,
    RAISED,
    SCORED,
    WON,
)

_SHARE = (0.0, 1.0)
_FROM_ZERO = (0.0, math.inf)


def estimates(sums: Mapping[str, Array]) -> dict[str, Estimate]:
    """Return each metric of scores but ece, given SUMS by name, one entry a group.

    Without a positive or without a negative there is no order to judge: auc, pr_auc, ne and calibration_ratio are NaN as far
    as they are not defined.
    """
    positives, negatives = sums[POSITIVE], sums[NEGATIVE]
    weights = positives + negatives
    positive, negative, weight = positives.sum(), negatives.sum(), weights.sum()
    log_loss = _ratio(sums[LOST], weights, _FROM_ZERO)
    found = {
        AUC: _unknown(weights),
        PR_AUC: _unknown(weights),
        LOG_LOSS: log_loss,
        NE: _unknown(weights),
        BRIER: _ratio(sums[MISSED], weights, _SHARE),
        CALIBRATION_RATIO: _ratio(sums[SCORED], positives, _FROM_ZERO),
    }
    if positive > 0:
        value = sums[PRECISE].sum() / positive
        influence = (sums[PRECISE] - value * positives + sums[RAISED]) / positive
        found[PR_AUC] = Estimate(float(value), influence, _SHARE)
    if positive > 0 and negative > 0:
        pairs = positive * negative
        value = sums[WON].sum() / pairs
        influence = (sums[WON] + sums[BEATEN]) / pairs - value * (positives / positive + negatives / negative)
        found[AUC] = Estimate(float(value), influence, _SHARE)
        share = positive / weight
        entropy = -(share * math.log(share) + (1 - share) * math.log1p(-share))
        slope = math.log1p(-share) - math.log(share)
        ne = log_loss.value / entropy
        influence = (log_loss.influence - ne * slope * (positives - share * weights) / weight) / entropy
        found[NE] = Estimate(ne, influence, _FROM_ZERO)
    return found


def curve_of(bins: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the reliability curve, in order: bin, rows, rows_weight, mean_score, positive_share, given the sums of each bin."""
    return [
        {
            schema.BIN: row[schema.BIN],
            schema.ROWS: row[schema.ROWS],
            schema.ROWS_WEIGHT: (weight := row[POSITIVE] + row[NEGATIVE]),
            schema.MEAN_SCORE: row[SCORED] / weight,
            schema.POSITIVE_SHARE: row[POSITIVE] / weight,
        }
        for row in sorted(bins, key=lambda row: int(row[schema.BIN]))
    ]


def ece(curve: Sequence[Mapping[str, Any]]) -> float:
    """Return the mean gap between what was predicted and what happened, over the bins of the curve by their weight."""
    weight = sum(row[schema.ROWS_WEIGHT] for row in curve)
    gaps = (
        abs(row[schema.MEAN_SCORE] - row[schema.POSITIVE_SHARE]) * row[schema.ROWS_WEIGHT] / weight for row in curve
    )
    return float(sum(gaps)) if weight else math.nan


def _ratio(above: Array, below: Array, bounds: tuple[float, float]) -> Estimate:
    """Return the sum of one over the sum of the other."""
    total = below.sum()
    if not total > 0:
        return _unknown(below)
    value = above.sum() / total
    return Estimate(float(value), (above - value * below) / total, bounds)


def _unknown(groups: Array) -> Estimate:
    return Estimate(math.nan, np.zeros(len(groups)))
