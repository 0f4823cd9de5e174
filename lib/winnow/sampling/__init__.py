"""Stratified sampling: rates from counts (``rates``), rows from rates by one hash draw (``draw``)."""

from winnow.sampling.draw import (
    DRAW,
    DRAW_STEP,
    PLACE,
    SamplePlan,
    borders,
    draw,
    kept_rows,
    kept_value,
    last_draw,
    sample,
)
from winnow.sampling.rates import Quota, Quotas, SamplingSettings, allocate, natural, plan, whole

__all__ = [
    "DRAW",
    "DRAW_STEP",
    "PLACE",
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
    "plan",
    "sample",
    "whole",
]
