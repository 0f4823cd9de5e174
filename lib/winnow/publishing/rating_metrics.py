"""Models of ratings held against ratings that they did not see: RMSE and MAE beside how many were predicted at all."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping

from pyspark.sql import DataFrame

from winnow import pipeline, retrieval, schema
from winnow.contracts import Step
from winnow.errors import SettingsError
from winnow.evaluation import ratings as rated
from winnow.local import kept
from winnow.publishing.known import beside_of
from winnow.publishing.measured import Mean, Model, Sums, asked_of, compare
from winnow.publishing.metrics import days_of, replace_metrics
from winnow.retrieval.explicit import fit_bias, fit_explicit, known_ratings
from winnow.run import Run

#: What METRICS calls it: a share of each user's ratings is asked for, whenever they were given.
HELD_OUT_RATINGS = "held_out_ratings_optimistic"
_BIAS = "bias"
_MEANS = (
    Mean(rated.RMSE, None, rated.RMSE, rated.PREDICTED, is_root=True),
    Mean(rated.MAE, None, rated.MAE, rated.PREDICTED),
    Mean(rated.COVERAGE, None, rated.PREDICTED, rated.GIVEN),
)


def publish_rating_metrics(run: Run) -> None:
    """Fit the bias model, and factors by ALS and by SVD, to all but a share of each user's ratings, and measure that share.

    The ratings are those before the end of the run's last day; ``evaluation.masked_share`` of each user's, by a hash, is held
    out. Each model has rmse and mae over what it predicts and coverage, the share that it does; differences are to the bias
    model. Optimistic: ratings that were given later are known.

    Raises InputNotReadyError without ratings, SettingsError on an engine without Spark ML.
    """
    if not run.tables.has_spark_ml:
        raise SettingsError(
            "--protocol: expected an engine with Spark ML for held_out_ratings, found one without. Use --engine spark."
        )
    settings, evaluation = run.settings.retrieval, run.settings.evaluation
    last = run.days[-1]
    beside = beside_of(run)
    nothing = run.tables.spark.createDataFrame([], "user_id bigint, media_id bigint")
    known = retrieval.Interactions(last + dt.timedelta(days=1), nothing, nothing, beside)
    parted = known_ratings(known).transform(rated.hold_out(evaluation.masked_share, evaluation.seed))
    train, held_out = (
        parted.where(side).drop(rated.HELD_OUT) for side in (~parted[rated.HELD_OUT], parted[rated.HELD_OUT])
    )
    fits: Mapping[str, Callable[[DataFrame], Step]] = {
        _BIAS: lambda rows: fit_bias(rows, settings).predict(schema.SCORE),
        "als_explicit": lambda rows: fit_explicit(known, settings, ratings=rows).predict(schema.SCORE),
        "svd_explicit": lambda rows: fit_explicit(known, settings, by="svd", ratings=rows).predict(schema.SCORE),
    }
    sums = {}
    with kept(train) as rows, kept(held_out) as asked:
        for name, fit in fits.items():
            run.tables.describe(f"ratings: {name}")
            summed = asked.transform(fit(rows)).transform(
                rated.sum_ratings(str(schema.SCORE), evaluation.groups, evaluation.seed)
            )
            names = (rated.GIVEN, rated.PREDICTED, rated.MAE, rated.RMSE)
            sums[Model(schema.RATINGS, name)] = Sums(pipeline.fetch(summed), names)
            run.tables.release()
    found = list(compare(sums, _MEANS, asked_of(evaluation), Model(schema.RATINGS, _BIAS)))
    replace_metrics(run, HELD_OUT_RATINGS, {schema.METRICS: found}, days_of(run))
