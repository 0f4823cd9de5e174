"""Stratified sampling: rates from counts (``rates``), rows from rates by one hash draw (``draw``)."""

from winnow.sampling.draw import (
    DRAW,
    DRAW_STEP,
    SamplePlan,
    borders,
    draw,
    kept_rows,
    kept_value,
    last_draw,
    no_borders,
    sample,
    stratum_columns,
)
from winnow.sampling.rates import Quota, Quotas, SamplingSettings, allocate, natural, plan, whole

__all__ = [
    "DRAW",
    "DRAW_STEP",
    "Quota",
    "Quotas",
    "SamplePlan",
    "SamplingSettings",
    "allocate",
    "borders",
    "draw",
    "kept_rows",
    "kept_value",
    "last_draw",
    "natural",
    "no_borders",
    "plan",
    "sample",
    "stratum_columns",
    "whole",
]
