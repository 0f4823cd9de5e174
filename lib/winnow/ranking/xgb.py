"""XGBoost on Spark (the extra ``xgb``): a classifier, and LambdaMART, which learns the order of each user's day."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from winnow import schema
from winnow.contracts import HELPER
from winnow.errors import SettingsError
from winnow.ranking.settings import RankingSettings
from winnow.ranking.spark_ml import shares
from winnow.ranking.vectors import FEATURES, NUMBERS

_QUERY, _GRADE = f"{HELPER}query", f"{HELPER}grade"
#: XGBoost's gain of a grade is 2 ** grade - 1, and it takes no grade above this.
_HIGHEST_GRADE = 31
#: Its queries have numbers below this: of a million, one in two thousand meets another under the same number.
_QUERIES = 2**31


@dataclass(frozen=True)
class XgbModel:
    """Trees of XGBoost, as the bytes of its own format (UBJSON): its wrapper for Spark would keep a pickle."""

    native: bytes
    #: Its score is a probability; else it is an order within a user's day.
    is_probability: bool

    def transform(self, rows: DataFrame) -> DataFrame:
        """Return the rows with a score: P(positive) on the sample, or the logistic function of LambdaMART's number."""
        score = F.arrow_udf(_predict(self.native), "double")  # type: ignore[attr-defined]
        found = score(F.col(NUMBERS))
        return rows.withColumn(schema.SCORE, found if self.is_probability else 1 / (1 + F.exp(-found)))

    def importances(self, spreads: Sequence[float]) -> list[float]:
        """Return the gain of all splits by each number of the vector, 1 in sum."""
        gains = _booster(self.native).get_score(importance_type="total_gain")
        return shares([float(gains.get(f"f{place}", 0.0)) for place in range(len(spreads))])


def _predict(native: bytes) -> Callable[[Iterator[pa.Array]], Iterator[pa.Array]]:
    """Return the function that scores arrays of numbers, a batch of rows at a time."""

    # Spark reads from the annotations what the function is given: they must be types, and not the text of types.
    def predict(batches):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        booster = _booster(native)
        for batch in batches:
            numbers = batch.flatten().to_numpy(zero_copy_only=False).reshape(len(batch), -1)
            yield pa.array(booster.inplace_predict(numbers, validate_features=False).astype("float64"))

    predict.__annotations__ = {"batches": Iterator[pa.Array], "return": Iterator[pa.Array]}
    return predict


def fit_classifier(rows: DataFrame, settings: RankingSettings) -> XgbModel:
    """Fit boosted trees to the logistic loss (Chen and Guestrin, KDD 2016)."""
    learner = _xgboost().SparkXGBClassifier(
        weight_col=str(schema.WEIGHT),
        label_col=str(schema.CLASS),
        **_shared(settings),
    )
    return revive_classifier(_bytes_of(learner.fit(rows)))


def fit_ranker(rows: DataFrame, settings: RankingSettings) -> XgbModel:
    """Fit LambdaMART (Burges 2010): the order of what a user was shown on a day, by NDCG.

    XGBoost's ranker takes no weights of rows, so they are in the grades: a negative's is 0, a positive's log2(1 + weight)
    rounded, at least 1, so that its gain 2 ** grade - 1 is about its weight.
    """
    weighed = F.rint(F.log2(1.0 + F.col(schema.WEIGHT))).cast("int")
    grade = F.greatest(F.lit(1), F.least(F.lit(_HIGHEST_GRADE), weighed))
    graded = rows.withColumns(
        {
            _QUERY: F.pmod(F.xxhash64(schema.USER_ID, schema.EVENT_DATE), F.lit(_QUERIES)),
            _GRADE: F.when(F.col(schema.CLASS) == 1, grade).otherwise(0),
        }
    )
    learner = _xgboost().SparkXGBRanker(qid_col=_QUERY, label_col=_GRADE, objective="rank:ndcg", **_shared(settings))
    return revive_ranker(_bytes_of(learner.fit(graded)))


def revive_classifier(native: bytes) -> XgbModel:
    """Return the model of its bytes."""
    return XgbModel(native, is_probability=True)


def revive_ranker(native: bytes) -> XgbModel:
    """Return the model of its bytes."""
    return XgbModel(native, is_probability=False)


def _bytes_of(fitted: Any) -> bytes:
    return bytes(fitted.get_booster().save_raw("ubj"))


def _booster(native: bytes) -> Any:
    import xgboost

    booster = xgboost.Booster({"nthread": 1})  # Spark runs a task on each core already
    booster.load_model(bytearray(native))
    return booster


def _shared(settings: RankingSettings) -> dict[str, Any]:
    own = settings.xgb
    return {
        "features_col": FEATURES,
        "n_estimators": own.trees,
        "max_depth": own.depth,
        "learning_rate": own.step,
        "max_bin": own.bins,
        "min_child_weight": own.least_weight,
        "tree_method": "hist",
        "random_state": settings.seed,
        "num_workers": own.workers,
        # A worker without a row fails the fit; in turn, and not at random, every worker gets some.
        "force_repartition": True,
        "repartition_random_shuffle": False,
        "verbosity": 0,
    }


def _xgboost() -> Any:
    try:
        from xgboost import spark
    except ImportError as missing:
        raise SettingsError(
            "ranking.model: expected a learner that is installed, found xgb, whose package is not there "
            f'({missing}). Install winnow[xgb], or use ranking.model = "gbt".'
        ) from missing
    return spark
