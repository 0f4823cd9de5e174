"""One trial on one fold: a source or a ranker fitted by the settings that are tried, and its objective on what came after."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import DataFrame

from winnow import calibration, ranking, retrieval, schema
from winnow.errors import DataError
from winnow.evaluation import ranking as metrics_of_lists
from winnow.pipeline import fetch, training_view
from winnow.publishing.featured import ranked_by
from winnow.publishing.fitting import Rates, check_strata, fit_ranker, needed, view_of
from winnow.publishing.score_metrics import sums_of, values_of
from winnow.publishing.scoring import OVERALL, scored
from winnow.publishing.trial_folds import Fold, Folds
from winnow.run import Run
from winnow.tuning import TuningSettings


def judged(run: Run, folds: Folds, fold: Fold) -> float:
    """Return the objective of the model that is tuned, fitted to a fold's training rows by the run's settings: those that are tried.

    Lists of a source are those that it makes of all media; those of a ranker are the judged impressions of each user, best
    score first. Scores are corrected for the sampling and not calibrated: the days that calibration would need are judged.
    """
    asked = run.settings.tuning
    run.tables.describe(f"{asked.study}: fold of {fold.as_of}")
    judge = _judged_ranker if asked.model in ranking.LEARNERS else _judged_source
    return judge(run, folds, fold)


def _judged_source(run: Run, folds: Folds, fold: Fold) -> float:
    asked, own = run.settings.tuning, run.settings.retrieval
    assert asked.k is not None
    with folds.training_rows(fold, run.settings) as examples:
        known = retrieval.interactions(examples.transform(training_view(own.label)), fold.as_of, own, folds.beside)
        model = retrieval.LEARNERS[asked.model].fit(known, own)
        users = fold.wanted.select(schema.USER_ID).distinct()
        return _of_lists(asked, fold, model.recommend(retrieval.Asked(users, asked.k, known, own.skip_seen)))


def _judged_ranker(run: Run, folds: Folds, fold: Fold) -> float:
    asked, settings = run.settings.tuning, run.settings
    (label,) = settings.ranking.labels
    columns, strata = ranked_by(settings), settings.sampling.strata
    with folds.ranked_rows(fold, run) as (train, after):
        view = view_of(settings, train, label)
        check_strata(settings, view)
        rows = view.select(*dict.fromkeys((*needed(settings.ranking, view, columns), *strata)))
        rates = _rates(rows, strata) if settings.ranking.correction == "on_scores" else ()
        ranker = fit_ranker(run, label, rows, columns, rates)
        found = scored(ranker, after.transform(training_view(label)), unseen="overall")
        if asked.k is not None:
            return _of_lists(asked, fold, found.select(schema.USER_ID, schema.MEDIA_ID, schema.SCORE))
        (values,) = values_of(sums_of(found, (), settings.evaluation))
    value = values[asked.metric]
    if value is None:
        raise DataError(
            f"fold of {fold.as_of}: expected positives and negatives of {label} to judge by, found one of them only"
        )
    return float(value)


def _of_lists(asked: TuningSettings, fold: Fold, found: DataFrame) -> float:
    assert asked.k is not None
    (sums,) = fetch(fold.hits(found, asked.k))
    return float(sums[metrics_of_lists.column_of(asked.metric, asked.k)] / sums[metrics_of_lists.USERS])


def _rates(rows: DataFrame, strata: Sequence[str]) -> Rates:
    """Return stratum, positive_rate and negative_rate of the training rows themselves, and of all strata together.

    Of rows that were kept at rate r each stands for 1 / r, so that their number over the sum of 1 / r is the rate of all:
    the ledger knows nothing of examples that a trial makes anew.
    """
    found = fetch(rows.transform(calibration.rates_of_rows(strata)))
    return tuple(
        sorted((row[schema.STRATUM] or OVERALL, row[schema.POSITIVE_RATE], row[schema.NEGATIVE_RATE]) for row in found)
    )
