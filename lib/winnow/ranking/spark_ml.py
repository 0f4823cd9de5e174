"""The learners of Spark ML: boosted trees, logistic regression, random forest, factorisation machines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from winnow import schema
from winnow.contracts import HELPER
from winnow.ranking.settings import RankingSettings
from winnow.ranking.vectors import FEATURES

# pyspark.ml is not everywhere where the rest of Winnow runs, so it is imported where it is used.

_PROBABILITY, _MARGIN, _CLASS = f"{HELPER}probability", f"{HELPER}margin", f"{HELPER}class"
_COLUMNS = {
    "featuresCol": FEATURES,
    "labelCol": str(schema.CLASS),
    "probabilityCol": _PROBABILITY,
    "rawPredictionCol": _MARGIN,
    "predictionCol": _CLASS,
}


@dataclass(frozen=True)
class ClassifierModel:
    """A fitted classifier of Spark ML."""

    fitted: Any

    def transform(self, rows: DataFrame) -> DataFrame:
        """Return the rows with a score: P(positive) on the sample."""
        from pyspark.ml.functions import vector_to_array

        scored: DataFrame = self.fitted.transform(rows)
        probability = F.element_at(vector_to_array(F.col(_PROBABILITY)), 2)
        return scored.withColumn(schema.SCORE, probability).drop(_PROBABILITY, _MARGIN, _CLASS)

    def importances(self, spreads: Sequence[float]) -> list[float]:
        """Return how much each number of the vector matters, 1 in sum (0 where nothing matters)."""
        if hasattr(self.fitted, "featureImportances"):
            return [float(value) for value in self.fitted.featureImportances.toArray()]
        linear = self.fitted.coefficients if hasattr(self.fitted, "coefficients") else self.fitted.linear
        return shares([abs(float(own)) * spread for own, spread in zip(linear.toArray(), spreads, strict=True)])

    @property
    def native(self) -> Any:
        """The model of Spark ML."""
        return self.fitted


@dataclass(frozen=True)
class StandardisedModel:
    """A fitted pipeline: standardised columns, then a classifier that asks for them."""

    fitted: Any

    def transform(self, rows: DataFrame) -> DataFrame:
        """Return the rows with a score: P(positive) on the sample."""
        scaler, classifier = self.fitted.stages
        return ClassifierModel(classifier).transform(scaler.transform(rows)).drop(_STANDARDISED)

    def importances(self, spreads: Sequence[float]) -> list[float]:
        """Return how much each number of the vector matters: what is constant says nothing."""
        varies = [float(spread > 0) for spread in spreads]
        return ClassifierModel(self.fitted.stages[1]).importances(varies)

    @property
    def native(self) -> Any:
        """The model of Spark ML."""
        return self.fitted


_STANDARDISED = f"{HELPER}standardised"


def fit_gbt(rows: DataFrame, settings: RankingSettings) -> ClassifierModel:
    """Fit gradient-boosted trees (Friedman 2001) to the logistic loss; P = sigmoid(2F)."""
    from pyspark.ml.classification import GBTClassifier

    own = settings.gbt
    learner = GBTClassifier(
        maxIter=own.trees,
        maxDepth=own.depth,
        stepSize=own.step,
        maxBins=own.bins,
        minInstancesPerNode=own.least_rows,
        subsamplingRate=own.subsample,
        seed=settings.seed,
    )
    return ClassifierModel(_wired(learner, weightCol=str(schema.WEIGHT)).fit(rows))


def fit_logistic(rows: DataFrame, settings: RankingSettings) -> ClassifierModel:
    """Fit logistic regression."""
    from pyspark.ml.classification import LogisticRegression

    own = settings.logistic
    learner = LogisticRegression(
        regParam=own.regularisation,
        elasticNetParam=own.lasso_share,
        maxIter=own.iterations,
    )
    return ClassifierModel(_wired(learner, weightCol=str(schema.WEIGHT)).fit(rows))


def fit_forest(rows: DataFrame, settings: RankingSettings) -> ClassifierModel:
    """Fit a random forest (Breiman 2001)."""
    from pyspark.ml.classification import RandomForestClassifier

    own = settings.forest
    learner = RandomForestClassifier(
        numTrees=own.trees,
        maxDepth=own.depth,
        maxBins=own.bins,
        minInstancesPerNode=own.least_rows,
        seed=settings.seed,
    )
    return ClassifierModel(_wired(learner, weightCol=str(schema.WEIGHT)).fit(rows))


def fit_fm(rows: DataFrame, settings: RankingSettings) -> StandardisedModel:
    """Fit factorisation machines (Rendle 2010); Spark's know no weights, and diverge on columns of unlike scales."""
    from pyspark.ml import Pipeline
    from pyspark.ml.classification import FMClassifier
    from pyspark.ml.feature import StandardScaler

    own = settings.fm
    learner = FMClassifier(
        factorSize=own.factors,
        regParam=own.regularisation,
        maxIter=own.iterations,
        stepSize=own.step,
        seed=settings.seed,
    )
    wired = _wired(learner, featuresCol=_STANDARDISED)
    scaler = StandardScaler(withMean=True, withStd=True, inputCol=FEATURES, outputCol=_STANDARDISED)
    return StandardisedModel(Pipeline(stages=[scaler, wired]).fit(rows))


def _wired(learner: Any, **columns: str) -> Any:
    """Return the learner with the columns that it reads and writes."""
    for name, column in (_COLUMNS | columns).items():
        learner.set(learner.getParam(name), column)
    return learner


def shares(values: Sequence[float]) -> list[float]:
    """Return the values as shares of their sum; all 0 where it is."""
    total = sum(values)
    return [value / total if total else 0.0 for value in values]
