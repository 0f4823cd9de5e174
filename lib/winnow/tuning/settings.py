"""``[tuning]``: what is tried, in which order, how it is judged, and when a trial is given up."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from winnow.errors import SettingsError
from winnow.settings import check, check_between, check_name, nearest

#: A value that a setting may have.
Value = bool | int | float | str | tuple[Any, ...]

_DOTTED = re.compile(r"[a-z_][a-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)+")
_METRIC = re.compile(r"[a-z_][a-z0-9_]*(@[1-9][0-9]{0,3})?")
#: Metrics that are better the smaller they are.
LOSSES = frozenset({"log_loss", "ne", "brier", "ece"})
_KEYS = ("choices", "low", "high", "log", "steps")


@dataclass(frozen=True)
class Dimension:
    """What one setting may be: some values, or a range of whole numbers or fractions."""

    choices: tuple[Value, ...] = ()
    low: int | float | None = None
    high: int | float | None = None
    #: Whether equal factors count alike, not equal differences.
    log: bool = False
    #: Points of the range that a grid tries.
    steps: int = 4

    @classmethod
    def from_conf(cls, values: object, where: str) -> Dimension:
        """Read ``{choices = [...]}`` or ``{low = 1, high = 64, log = true, steps = 4}``."""
        if not isinstance(values, Mapping):
            raise SettingsError(f"{where}: expected {{choices = [...]}} or {{low = ..., high = ...}}, found {values!r}")
        for key in values:
            if key not in _KEYS:
                raise SettingsError(
                    f"{where}.{key}: no such key{nearest(str(key), _KEYS) or '.'} Known: {', '.join(_KEYS)}. A setting is "
                    'named by its whole key in quotes, such as "retrieval.als.rank".'
                )
        told = {key: value for key, value in values.items() if value is not None}
        choices = told.get("choices", ())
        check(isinstance(choices, list | tuple), f"{where}.choices", "a list of values", choices)
        for key in ("low", "high"):
            value = told.get(key, 0)
            is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
            check(is_number, f"{where}.{key}", "a finite number", value)
        check(type(told.get("log", False)) is bool, f"{where}.log", "true or false", told.get("log"))
        check(type(told.get("steps", 1)) is int, f"{where}.steps", "a whole number", told.get("steps"))
        try:
            return cls(**{**told, "choices": tuple(tuple(one) if isinstance(one, list) else one for one in choices)})
        except SettingsError as fault:
            raise SettingsError(f"{where}.{fault}") from None

    def __post_init__(self) -> None:
        """Check that it is one of the two, and that there is something to choose."""
        if self.choices:
            check(self.low is None and self.high is None, "choices", "choices, or low and high", self)
            check(len({repr(one) for one in self.choices}) == len(self.choices), "choices", "each once", self.choices)
            return
        check(self.low is not None and self.high is not None, "low", "choices, or low and high", self.low)
        assert self.low is not None
        assert self.high is not None
        check(self.low < self.high, "high", f"more than low ({self.low:g})", self.high)
        check(not self.log or self.low > 0, "low", "above 0, since log = true", self.low)
        check_between("steps", self.steps, 2, 1_000)

    @property
    def is_whole(self) -> bool:
        """Whether it is a range of whole numbers."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    def at(self, share: float) -> Value:
        """Return the value at a share of the range, from 0 at its low end to 1 at its high end; of choices, the one there."""
        if self.choices:
            return self.choices[min(int(share * len(self.choices)), len(self.choices) - 1)]
        assert self.low is not None
        assert self.high is not None
        forth, back = self._scale
        value = min(max(back(forth(self.low) + (forth(self.high) - forth(self.low)) * share), self.low), self.high)
        return round(value) if self.is_whole else float(value)

    def share_of(self, value: Value) -> float:
        """Return the share of the range at which a value lies; of choices, in the middle of its part."""
        if self.choices:
            return (self.choices.index(value) + 0.5) / len(self.choices)
        assert self.low is not None
        assert self.high is not None
        assert isinstance(value, int | float)
        forth, _ = self._scale
        return (forth(value) - forth(self.low)) / (forth(self.high) - forth(self.low))

    @property
    def _scale(self) -> tuple[Callable[[float], float], Callable[[float], float]]:
        return (math.log, math.exp) if self.log else (float, float)


#: Model -> what is tried where the settings do not say: the few that matter most.
SPACES: Mapping[str, Mapping[str, Dimension]] = {
    "popularity": {"retrieval.popularity.window_days": Dimension(low=1, high=28, log=True)},
    "als": {
        "retrieval.als.rank": Dimension(low=8, high=64, log=True),
        "retrieval.als.regularisation": Dimension(low=0.01, high=10.0, log=True),
        "retrieval.als.alpha": Dimension(low=1.0, high=100.0, log=True),
    },
    "svd": {"retrieval.svd.rank": Dimension(low=4, high=128, log=True)},
    "item_item": {
        "retrieval.item_item.shrinkage": Dimension(low=1.0, high=100.0, log=True),
        "retrieval.item_item.neighbours": Dimension(low=10, high=200, log=True),
    },
    "gbt": {
        "ranking.gbt.trees": Dimension(low=20, high=160, log=True),
        "ranking.gbt.depth": Dimension(low=3, high=7),
        "ranking.gbt.step": Dimension(low=0.03, high=0.3, log=True),
    },
    "logistic": {
        "ranking.logistic.regularisation": Dimension(low=1e-6, high=0.1, log=True),
        "ranking.logistic.lasso_share": Dimension(low=0.0, high=1.0),
    },
    "forest": {
        "ranking.forest.trees": Dimension(low=20, high=160, log=True),
        "ranking.forest.depth": Dimension(low=4, high=12),
    },
    "fm": {
        "ranking.fm.factors": Dimension(low=2, high=16, log=True),
        "ranking.fm.regularisation": Dimension(low=1e-6, high=0.01, log=True),
    },
    **{
        name: {
            "ranking.xgb.trees": Dimension(low=50, high=400, log=True),
            "ranking.xgb.depth": Dimension(low=3, high=8),
            "ranking.xgb.step": Dimension(low=0.03, high=0.3, log=True),
        }
        for name in ("xgb", "xgb_rank")
    },
}


@dataclass(frozen=True)
class TuningSettings:
    """``[tuning]``: a search for settings, judged on time-ordered folds of the days that the job is given."""

    #: Name of the search: its trials are found again by it.
    study: str = "retrieval"
    #: Source of candidates, or learner of a ranker, whose lists or scores are judged.
    model: str = "als"
    #: grid: every point; random: points at random; sequential: where the trials so far promise most.
    search: Literal["grid", "random", "sequential"] = "sequential"
    #: Metric of lists and their length, or, of a ranker, of scores: what is made as good as can be.
    objective: str = "precision@10"
    #: Trials, at most.
    trials: int = 20
    #: Trials that run at the same time.
    parallel: int = 2
    #: Trials at random before a sequential search begins to learn, and before any is given up.
    startup: int = 5
    #: none; median: give up what is below the median of the trials so far; halving: keep a third of them a fold.
    pruning: Literal["none", "median", "halving"] = "median"
    #: Seed of the search.
    seed: int = 7
    #: Key of a setting -> what it may be; none = what matters most of the model (SPACES).
    space: Mapping[str, Dimension] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check the names and the ranges."""
        check_name("study", self.study)
        check_name("model", self.model)
        check(
            _METRIC.fullmatch(self.objective) is not None,
            "objective",
            "a metric such as precision@10 or auc",
            self.objective,
        )
        check_between("trials", self.trials, 1, 100_000)
        check_between("parallel", self.parallel, 1, 64)
        check_between("startup", self.startup, 1, 10_000)
        check(
            bool(self.dimensions),
            "space",
            f"settings to try, for there are none by default of {self.model}",
            self.space,
        )
        for key in self.space:
            check(_DOTTED.fullmatch(key) is not None, "space", "keys such as retrieval.als.rank", key)

    @property
    def dimensions(self) -> Mapping[str, Dimension]:
        """What is tried."""
        return self.space or SPACES.get(self.model, {})

    @property
    def metric(self) -> str:
        """Name of the metric that is made as good as can be."""
        return self.objective.partition("@")[0]

    @property
    def k(self) -> int | None:
        """Length of the lists that are judged; None for a metric of scores."""
        length = self.objective.partition("@")[2]
        return int(length) if length else None

    @property
    def sign(self) -> int:
        """1 where the objective is better the larger it is, -1 where the smaller."""
        return -1 if self.metric in LOSSES else 1
