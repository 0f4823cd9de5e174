"""The settings of ranking: what is learnt, by which learner, and how its probabilities are told for the world."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from winnow import schema
from winnow.settings import check, check_between, check_columns, check_name

#: Every learner by name; ``learners.LEARNERS`` has their code.
MODELS = ("gbt", "logistic", "forest", "fm", "xgb", "xgb_rank", "deep")
#: What a candidate itself tells, or the day that lists are made for: no context is put in their place.
_TOLD_BY_THE_ROW = (
    *map(str, schema.IMPRESSIONS.columns),
    str(schema.AS_OF_DATE),
    str(schema.REASON),
    str(schema.SCORE),
)


@dataclass(frozen=True)
class GbtSettings:
    """``[ranking.gbt]``: gradient-boosted trees of Spark ML."""

    #: Trees, one after the other.
    trees: int = 40
    #: Questions that a tree asks in a row.
    depth: int = 5
    #: Share of each tree's answer that counts.
    step: float = 0.1
    #: Values that a column is cut into.
    bins: int = 32
    #: Rows that a leaf has at least.
    least_rows: int = 20
    #: Share of the rows that each tree sees.
    subsample: float = 1.0

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_between("trees", self.trees, 1, 10_000)
        check_between("depth", self.depth, 1, 30)
        check(0 < self.step <= 1, "step", "a number above 0, at most 1", self.step)
        check_between("bins", self.bins, 2, 65_536)
        check_between("least_rows", self.least_rows, 1, 10**9)
        check(0 < self.subsample <= 1, "subsample", "a number above 0, at most 1", self.subsample)


@dataclass(frozen=True)
class LogisticSettings:
    """``[ranking.logistic]``: logistic regression of Spark ML, on standardised columns."""

    #: Pull of the coefficients towards zero.
    regularisation: float = 1e-4
    #: Share of the pull that is of the absolute values (lasso); the rest is of the squares (ridge).
    lasso_share: float = 0.0
    #: Passes over the rows, at most.
    iterations: int = 100

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_between("regularisation", self.regularisation, 0, 1e6)
        check_between("lasso_share", self.lasso_share, 0, 1)
        check_between("iterations", self.iterations, 1, 100_000)


@dataclass(frozen=True)
class ForestSettings:
    """``[ranking.forest]``: a random forest of Spark ML."""

    #: Trees, each on rows and columns of its own.
    trees: int = 50
    #: Questions that a tree asks in a row.
    depth: int = 8
    #: Values that a column is cut into.
    bins: int = 32
    #: Rows that a leaf has at least.
    least_rows: int = 20

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_between("trees", self.trees, 1, 10_000)
        check_between("depth", self.depth, 1, 30)
        check_between("bins", self.bins, 2, 65_536)
        check_between("least_rows", self.least_rows, 1, 10**9)


@dataclass(frozen=True)
class FmSettings:
    """``[ranking.fm]``: factorisation machines of Spark ML, on standardised columns."""

    #: Numbers that describe a column; inner products of two are the effect of their pair.
    factors: int = 4
    #: Pull of the numbers towards zero.
    regularisation: float = 1e-4
    #: Passes over the rows, at most.
    iterations: int = 100
    #: How far a pass goes.
    step: float = 0.05

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_between("factors", self.factors, 1, 1024)
        check_between("regularisation", self.regularisation, 0, 1e6)
        check_between("iterations", self.iterations, 1, 100_000)
        check(0 < self.step <= 100, "step", "a number above 0, at most 100", self.step)


@dataclass(frozen=True)
class XgbSettings:
    """``[ranking.xgb]``: XGBoost on Spark, for the learners xgb (classifier) and xgb_rank (LambdaMART)."""

    #: Trees, one after the other.
    trees: int = 100
    #: Questions that a tree asks in a row.
    depth: int = 5
    #: Share of each tree's answer that counts.
    step: float = 0.1
    #: Values that a column is cut into.
    bins: int = 256
    #: Weight of rows that a leaf has at least.
    least_weight: float = 5.0
    #: Tasks that train together, each on its part of the rows; at most as many as run at once.
    workers: int = 1

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_between("trees", self.trees, 1, 100_000)
        check_between("depth", self.depth, 1, 30)
        check(0 < self.step <= 1, "step", "a number above 0, at most 1", self.step)
        check_between("bins", self.bins, 2, 65_536)
        check_between("least_weight", self.least_weight, 0, 1e9)
        check_between("workers", self.workers, 1, 10_000)


@dataclass(frozen=True)
class DeepSettings:
    """``[ranking.deep]``: a net of numbers, ids and lists; needs the extra ``deep``."""

    #: Columns of ids (or words), each with an embedding of its own.
    ids: tuple[str, ...] = (str(schema.USER_ID), str(schema.MEDIA_ID))
    #: Columns of lists, such as media watched or terms searched -> the name of what they hold (media_id, if it is those).
    lists: Mapping[str, str] = field(default_factory=dict)
    #: Rows of the table of embeddings, into which ids and words are hashed: some of them share one.
    places: int = 100_000
    #: Numbers of an embedding.
    width: int = 16
    #: Units of each hidden layer.
    hidden: tuple[int, ...] = (128, 64)
    #: Passes over the rows, at most.
    epochs: int = 30
    #: Rows that are looked at at once.
    batch: int = 1024
    #: Size of a step of Adam.
    step: float = 0.002
    #: Last days of training that are not trained on: they tell when to stop.
    held_out_days: int = 1
    #: Passes without a smaller loss on those days after which it stops.
    patience: int = 3
    #: Tasks that train together; each takes a share of the rows and its own batches, so that another number is another fit.
    processes: int = 1

    def __post_init__(self) -> None:
        """Check the names and the ranges."""
        check_columns("ids", self.ids)
        check(len(self.ids) > 0, "ids", "one column or more", self.ids)
        check_columns("lists", self.lists)
        check_between("places", self.places, 2, 50_000_000)
        check_between("width", self.width, 1, 1024)
        check(1 <= len(self.hidden) <= 10, "hidden", "one to ten layers", self.hidden)
        for units in self.hidden:
            check_between("hidden", units, 1, 16_384)
        check_between("epochs", self.epochs, 1, 1000)
        check_between("batch", self.batch, 1, 1_000_000)
        check(0 < self.step <= 1, "step", "a number above 0, at most 1", self.step)
        check_between("held_out_days", self.held_out_days, 0, 365)
        check_between("patience", self.patience, 1, 1000)
        check_between("processes", self.processes, 1, 10_000)


@dataclass(frozen=True)
class RankingSettings:
    """``[ranking]``: what is learnt, by which learner, and how its probabilities are told for the world."""

    #: Labels that are learnt, one ranker each.
    labels: tuple[str, ...] = ("watched",)
    #: The learner.
    model: str = "gbt"
    #: What the model is called in scores, metrics and recommendations; not set = the learner's name.
    name: str | None = None
    #: Columns that are learnt from, numbers or words; none = all features.
    columns: tuple[str, ...] = ()
    #: Values of a column of words that are told apart, the most frequent; the others are one.
    most_levels: int = 32
    #: Heed the examples' weights; false = each row counts 1.
    weighted: bool = True
    #: How the sampling is undone, once: on the scores, by weights 1 / rate in training, or not at all.
    correction: Literal["none", "on_scores", "by_weights"] = "on_scores"
    #: What is fitted to the validation days, whose balance is natural: two numbers, a rising table, or nothing.
    calibration: Literal["none", "platt", "isotonic"] = "platt"
    #: Seed of what a learner draws.
    seed: int = 7
    #: Label -> its part in the score that lists are sorted by; none = all labels alike.
    combination: Mapping[str, float] = field(default_factory=dict)
    #: Column -> the value under which candidates are scored, where it is known only when they are shown.
    context: Mapping[str, str] = field(default_factory=dict)
    #: Hour of the day, by the log's clock, at which candidates are scored.
    hour: float = 20.0
    #: Let a new version serve as soon as it is stored.
    serve: bool = True
    #: AUC on the last held-out days below which a version does not serve.
    least_auc: float = 0.5
    gbt: GbtSettings = field(default_factory=GbtSettings)
    logistic: LogisticSettings = field(default_factory=LogisticSettings)
    forest: ForestSettings = field(default_factory=ForestSettings)
    fm: FmSettings = field(default_factory=FmSettings)
    xgb: XgbSettings = field(default_factory=XgbSettings)
    deep: DeepSettings = field(default_factory=DeepSettings)

    def __post_init__(self) -> None:
        """Check the names and the ranges."""
        check(
            len(self.labels) > 0 and len(set(self.labels)) == len(self.labels),
            "labels",
            "different labels",
            self.labels,
        )
        for label in self.labels:
            check_name("labels", label)
        check(self.model in MODELS, "model", f"one of {', '.join(MODELS)}", self.model)
        if self.name is not None:
            check_name("name", self.name)
        check_columns("columns", self.columns)
        check_columns("context", self.context)
        for name in self.context:
            is_free = name not in _TOLD_BY_THE_ROW
            check(is_free, "context", f"columns of what surrounds a list, none of {', '.join(_TOLD_BY_THE_ROW)}", name)
        check(0 <= self.hour < 24, "hour", "a number from 0, below 24", self.hour)
        check_between("least_auc", self.least_auc, 0, 1)
        check_between("most_levels", self.most_levels, 1, 10_000)
        check(
            set(self.combination) <= set(self.labels),
            "combination",
            f"labels of {', '.join(self.labels)}",
            [*self.combination],
        )
        for label, part in self.combination.items():
            check_between(f"combination.{label}", part, -1e6, 1e6)

    @property
    def called(self) -> str:
        """What the model is called."""
        return self.name or self.model

    def part_of(self, label: str) -> float:
        """Return the label's part in the combined score; a label that a combination leaves out has none."""
        return self.combination.get(label, 0.0) if self.combination else 1.0 / len(self.labels)
