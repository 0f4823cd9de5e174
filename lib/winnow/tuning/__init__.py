"""Tuning: a search for settings that make a metric of time-ordered folds as large as can be."""

from winnow.tuning.conf import conf_text
from winnow.tuning.progress import Progress
from winnow.tuning.search import grid, proposals
from winnow.tuning.settings import Dimension, TuningSettings
from winnow.tuning.study import Judge, Tell, search
from winnow.tuning.trials import DONE, FAILED, PRUNED, Trial, Tried, as_plain, best, trial_id

__all__ = [
    "DONE",
    "FAILED",
    "PRUNED",
    "Dimension",
    "Judge",
    "Progress",
    "Tell",
    "Trial",
    "Tried",
    "TuningSettings",
    "as_plain",
    "best",
    "conf_text",
    "grid",
    "proposals",
    "search",
    "trial_id",
]
