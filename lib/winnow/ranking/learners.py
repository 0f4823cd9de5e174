"""The learners by name: rows with a vector, a label and a weight in, a model out that gives rows a score."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pyspark.sql import DataFrame

from winnow.ranking import deep, spark_ml, xgb
from winnow.ranking.settings import RankingSettings


class Model(Protocol):
    """What a learner has learnt."""

    def transform(self, rows: DataFrame) -> DataFrame:
        """Return the rows, which have FEATURES, with a score: larger is more likely positive."""

    def importances(self, spreads: Sequence[float]) -> list[float]:
        """Return how much each number of the vector matters, 1 in sum; ``spreads``: their standard deviations."""

    @property
    def native(self) -> Any:
        """The model in a form that can be stored: a model of Spark ML, or the bytes of a file."""


@dataclass(frozen=True)
class Learner:
    """How a model is fitted and read again, and what it can and cannot do."""

    #: Rows in: FEATURES, label (1 or 0), weight (above 0), user_id, event_date.
    fit: Callable[[DataFrame, RankingSettings], Model]
    #: The model of what its ``native`` was.
    revive: Callable[[Any], Model]
    #: How importances are found, in a few words.
    importance: str
    takes_weights: bool = True
    #: The scores are probabilities on the sample, not only an order.
    is_probability: bool = True
    #: Ending of the file that the model is; none = a model of Spark ML.
    ending: str = ""
    #: Columns that are read beside the vector.
    reads: Callable[[RankingSettings], Sequence[str]] = lambda _: ()


#: A further learner is a line here and a name in ``settings.MODELS``.
LEARNERS: Mapping[str, Learner] = {
    "gbt": Learner(spark_ml.fit_gbt, spark_ml.ClassifierModel, "gain of impurity in the trees"),
    "logistic": Learner(spark_ml.fit_logistic, spark_ml.ClassifierModel, "|coefficient| of the standardised column"),
    "forest": Learner(spark_ml.fit_forest, spark_ml.ClassifierModel, "gain of impurity in the trees"),
    "fm": Learner(
        spark_ml.fit_fm,
        spark_ml.StandardisedModel,
        "|linear part| of the standardised column, pairs left out",
        takes_weights=False,
    ),
    "xgb": Learner(xgb.fit_classifier, xgb.revive_classifier, "gain in the trees", ending=".ubj"),
    "xgb_rank": Learner(xgb.fit_ranker, xgb.revive_ranker, "gain in the trees", is_probability=False, ending=".ubj"),
    "deep": Learner(
        deep.fit_deep,
        deep.DeepModel,
        "|weight| of the standardised column in the first layer, ids and lists left out",
        ending=".onnx",
        reads=deep.reads,
    ),
}
