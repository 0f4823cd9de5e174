"""A ranker fitted to rows of its label: the view of them, the vector, the survey and the learner; no table, and no calibration."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from winnow import calibration, features, pipeline, ranking, schema
from winnow.config import Settings
from winnow.contracts import HELPER, named
from winnow.errors import CalibrationError, ContractError, SettingsError
from winnow.ranking import LEARNERS, Ranker, RankingSettings, Survey, Vector
from winnow.run import Run
from winnow.settings import nearest

#: Stratum, positive_rate and negative_rate: what the scores of a sample are corrected by.
Rates = Sequence[tuple[str, float | None, float | None]]


def view_of(settings: Settings, examples: DataFrame, label: str) -> DataFrame:
    """Return the rows of one label with the weights that the learner is to heed."""
    weight = schema.weight_column(label)
    if weight in examples.columns:
        if not settings.ranking.weighted:
            examples = examples.withColumn(weight, F.when(named(weight).isNotNull(), F.lit(1.0)))
        if settings.ranking.correction == "by_weights":
            examples = examples.transform(calibration.inverse_rate_weights(label))
    return examples.transform(pipeline.training_view(label))


def needed(settings: RankingSettings, rows: DataFrame, columns: Sequence[str]) -> list[str]:
    """Return what training reads: the columns, what is learnt, and what the learner reads beside them."""
    ranking.kinds(rows, columns)  # raises ContractError for what is missing, before it is asked for
    beside = LEARNERS[settings.model].reads(settings)
    if missing := [name for name in beside if name not in rows.columns]:
        raise ContractError(
            f"ranking.{settings.model}: expected columns of the examples, found no {', '.join(missing)}. "
            f"They have: {', '.join(name for name in rows.columns if not name.startswith(HELPER))}"
        )
    own = [schema.CLASS, schema.RATE, schema.WEIGHT, schema.USER_ID, schema.EVENT_DATE]
    counted = [features.DEFAULTED] if features.DEFAULTED in rows.columns else []
    return list(dict.fromkeys(map(str, (*columns, *beside, *own, *counted))))


def fit_ranker(run: Run, label: str, rows: DataFrame, columns: Sequence[str], rates: Rates) -> Ranker:
    """Return the ranker that is learnt from training rows, which have what is ``needed``; nothing is calibrated yet.

    ``columns``: those that are learnt from, numbers or words; ``rates``: what scores are corrected by, where the settings
    say that they are. Raises DataError where nothing can be learnt, CalibrationError where scores would be no probabilities.
    """
    asked = run.settings.ranking
    _check_correction(asked)
    numbers, words = ranking.kinds(rows, columns)
    run.tables.describe(f"{label}: what the training rows are like")
    counted = pipeline.fetch(rows.transform(ranking.frequent_levels(words, asked.most_levels))) if words else []
    vector = Vector(tuple(numbers), ranking.read_levels(counted, words))
    defaults = features.took_default(rows, run.settings.features)
    assembled = rows.transform(vector.assemble())
    (row,) = pipeline.fetch(assembled.transform(ranking.survey(vector, defaults)))
    found = ranking.read_survey(row, label, vector, asked)
    run.say(
        f"{found.label}: {found.rows:,} training rows, {found.positives:,} of them positive, {len(vector.columns)} columns as "
        f"{len(vector.names)} numbers"
    )
    if found.missing:
        counts = ", ".join(f"{name} {number:,}" for name, number in found.missing.items())
        run.say(f"{found.label}: rows without a usable value, which have the column's default: {counts}")
    _check_probabilities(found, asked)
    run.tables.describe(f"{label}: fit of {asked.model}")
    model = LEARNERS[asked.model].fit(assembled, asked)
    is_corrected = asked.correction == "on_scores"
    return Ranker(
        label=label,
        learner=asked.model,
        model=model,
        vector=vector,
        trained=found.moments,
        importances=tuple(model.importances([one.deviation for one in found.moments.values()])),
        defaulted={name: number / found.rows for name, number in found.missing.items()},
        correction=asked.correction,
        strata=run.settings.sampling.strata if is_corrected else (),
        rates=tuple(rates) if is_corrected else (),
    )


def _check_correction(settings: RankingSettings) -> None:
    """Refuse to undo the sampling on scores that are no probabilities: their log odds have no shift by the rates."""
    if settings.correction == "on_scores" and not LEARNERS[settings.model].is_probability:
        raise CalibrationError(
            f'ranking.correction: expected "none" for {settings.model}, whose scores are an order and no probabilities, found '
            '"on_scores". What is fitted to the validation days (ranking.calibration) makes them probabilities of the world.'
        )


def check_strata(settings: Settings, rows: DataFrame) -> None:
    """Raise SettingsError for columns of ``sampling.strata`` that the examples do not have."""
    if missing := [name for name in settings.sampling.strata if name not in rows.columns]:
        hint = "".join(nearest(name, rows.columns) for name in missing)
        raise SettingsError(
            f"sampling.strata: expected columns of the examples, found {', '.join(missing)}{hint or '.'} They have: "
            f"{', '.join(name for name in rows.columns if not name.startswith(HELPER))}"
        )


def _check_probabilities(found: Survey, settings: RankingSettings) -> None:
    """Refuse a ranker whose scores would be no probabilities of the world, with nothing to make them some."""
    if settings.calibration != "none":
        return
    if not LEARNERS[settings.model].is_probability:
        raise CalibrationError(
            f"ranking.calibration: expected platt or isotonic for {settings.model}, whose scores are an order and no "
            "probabilities, found none."
        )
    if settings.weighted and found.is_weighted and settings.correction != "by_weights":
        raise CalibrationError(
            f"ranking.calibration: expected platt or isotonic, for weights by watch time move probabilities ({found.label} has "
            f"weights from {found.weights[0]:g} to {found.weights[1]:g}), found none. Or set ranking.weighted = false."
        )
