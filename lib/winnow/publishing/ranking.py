"""A ranker for each label: fitted to the training days, calibrated on the days after, and its scores of held-out days stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from winnow import calibration, pipeline, ranking, schema, splitting
from winnow.contracts import named
from winnow.errors import CalibrationError, ContractError, InputNotReadyError, SettingsError
from winnow.local import kept
from winnow.publishing.featured import ranked_by, with_features
from winnow.publishing.held_out import HELD_OUT, publish_scores, sliced_by
from winnow.publishing.rankers import store_rankers
from winnow.publishing.scoring import OVERALL, scored
from winnow.ranking import LEARNERS, Ranker, RankingSettings, Survey, Vector, calibrators
from winnow.run import Run


def publish_ranker(run: Run) -> None:
    """Fit a ranker for each label to the examples of the days asked for, store them as one version, and score held-out days.

    ``[splitting]`` says which of the days are for training, validation (calibration) and test. The version serves at once
    where ``ranking.serve`` says so and every label's AUC is at least ``ranking.least_auc``.

    Raises InputNotReadyError without training rows or tiles, LeakError where training knows what comes later, DataError
    where nothing can be learnt, CalibrationError where scores would be no probabilities, SettingsError for an engine
    without Spark ML, GuardError for a version that must not serve.
    """
    _check_engine(run)
    _check_validation(run)
    asked = ranked_by(run.settings)
    examples = with_features(run, _parted(run), run.days)
    rankers, metrics = [], dict[str, float]()
    for label in run.settings.ranking.labels:
        view = _view(run, examples, label)
        numbers, words = ranking.kinds(view, asked)
        with kept(view.where(F.col(schema.SPLIT) == splitting.TRAIN).select(*_needed(run, view, asked))) as rows:
            ranker = _fit(run, label, rows, numbers, words)
        own = (schema.IMPRESSION_ID, schema.SPLIT, *sliced_by(run))
        held_out = view.where(F.col(schema.SPLIT).isin(*HELD_OUT)).select(*_needed(run, view, (*asked, *own)))
        with kept(held_out) as rows:
            ranker = _calibrated(run, ranker, rows)
            metrics |= publish_scores(run, ranker, rows)
        rankers.append(ranker)
    store_rankers(run, rankers, metrics)


def _check_engine(run: Run) -> None:
    if not run.tables.has_spark_ml:
        raise SettingsError(
            f"ranking.model: expected an engine that can fit {run.settings.ranking.model}, found one without Spark ML. "
            "Use --engine spark."
        )


def _check_validation(run: Run) -> None:
    settings = run.settings
    if settings.ranking.calibration == "none":
        return
    if settings.splitting.validation_start is None or settings.splitting.downsample_evaluation:
        raise SettingsError(
            f"ranking.calibration: expected validation days of natural balance for {settings.ranking.calibration}, found none. "
            'Set splitting.validation_start and prepare those days again, or ranking.calibration = "none".'
        )


def _parted(run: Run) -> DataFrame:
    """Return the examples of the days with their split, checked: nothing of later days is known in training."""
    first, last = run.days[0], run.days[-1]
    own = run.settings.splitting
    asked = run.tables.read(schema.EXAMPLES).where(F.col(schema.EVENT_DATE).between(F.lit(first), F.lit(last)))
    parted = asked.transform(splitting.assign(own.split(), own.utc_offset_h))
    run.tables.describe(f"{first} to {last}: the split")
    found = {row[schema.SPLIT]: row for row in pipeline.fetch(parted.transform(splitting.bounds()))}
    splitting.check_no_leak({part: (row["first_us"], row["last_us"]) for part, row in found.items()}, own.gap_days)
    if splitting.TRAIN not in found:
        raise InputNotReadyError(
            f"{first} to {last}: expected examples of training days at {run.tables.location(schema.EXAMPLES)}, found none. "
            "Run prepare_examples on them, or change [splitting]."
        )
    return parted


def _view(run: Run, examples: DataFrame, label: str) -> DataFrame:
    """Return the rows of one label with the weights that the learner is to heed."""
    settings = run.settings.ranking
    weight = schema.weight_column(label)
    if weight in examples.columns:
        if not settings.weighted:
            examples = examples.withColumn(weight, F.when(named(weight).isNotNull(), F.lit(1.0)))
        if settings.correction == "by_weights":
            examples = examples.transform(calibration.inverse_rate_weights(label))
    return examples.transform(pipeline.training_view(label))


def _needed(run: Run, rows: DataFrame, columns: Sequence[str]) -> list[str]:
    """Return what training reads: the columns, what is learnt, and what the learner reads beside them."""
    settings = run.settings.ranking
    beside = LEARNERS[settings.model].reads(settings)
    if missing := [name for name in beside if name not in rows.columns]:
        raise ContractError(
            f"ranking.{settings.model}: expected columns of the examples, found no {', '.join(missing)}. "
            f"They have: {', '.join(rows.columns)}"
        )
    own = (schema.CLASS, schema.RATE, schema.WEIGHT, schema.USER_ID, schema.EVENT_DATE)
    return list(dict.fromkeys(map(str, (*columns, *beside, *own))))


def _fit(run: Run, label: str, rows: DataFrame, numbers: Sequence[str], words: Sequence[str]) -> Ranker:
    settings = run.settings.ranking
    run.tables.describe(f"{label}: what the training rows are like")
    counted = pipeline.fetch(rows.transform(ranking.frequent_levels(words, settings.most_levels))) if words else []
    vector = Vector(tuple(numbers), ranking.read_levels(counted, words))
    (row,) = pipeline.fetch(rows.transform(ranking.survey(vector)))
    found = ranking.read_survey(row, label, vector, settings)
    _check_probabilities(found, settings)
    _tell(run, found, vector)
    run.tables.describe(f"{label}: fit of {settings.model}")
    model = LEARNERS[settings.model].fit(rows.transform(vector.assemble()), settings)
    strata = run.settings.sampling.strata if settings.correction == "on_scores" else ()
    return Ranker(
        label=label,
        learner=settings.model,
        model=model,
        vector=vector,
        means=found.means,
        importances=tuple(model.importances(found.spreads)),
        correction=settings.correction,
        strata=strata,
        rates=_rates(run, label) if settings.correction == "on_scores" else (),
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


def _rates(run: Run, label: str) -> tuple[tuple[str, float | None, float | None], ...]:
    """Return stratum, positive_rate and negative_rate of the label over the training days, by the ledger."""
    days = [day for day in run.days if run.settings.splitting.split().part_of(day) == splitting.TRAIN]
    ledger = run.tables.read(schema.LEDGER).where(F.col(schema.EVENT_DATE).isin(days))
    run.tables.describe(f"{label}: rates of the sample")
    whole = ledger.withColumn(schema.STRATUM, F.lit(OVERALL))
    pooled = (calibration.pooled_rates(rows, label) for rows in (ledger, whole))
    found = [row for rates in pooled for row in pipeline.fetch(rates)]
    if not found:
        raise InputNotReadyError(
            f"{label}: expected the rates of its sample in {run.tables.location(schema.LEDGER)}, found none for the training "
            'days. Run prepare_examples on them, or set ranking.correction = "by_weights".'
        )
    columns = (schema.STRATUM, schema.POSITIVE_RATE, schema.NEGATIVE_RATE)
    return tuple(sorted(tuple(row[name] for name in columns) for row in found))


def _calibrated(run: Run, ranker: Ranker, held_out: DataFrame) -> Ranker:
    """Return the ranker with what is fitted to the validation days."""
    kind = run.settings.ranking.calibration
    if kind == "none":
        return ranker
    validation = held_out.where(F.col(schema.SPLIT) == splitting.VALIDATION)
    run.tables.describe(f"{ranker.label}: calibration")
    weighed = scored(ranker, validation).withColumn(schema.WEIGHT, 1.0 / F.col(schema.RATE))
    found = pipeline.fetch(weighed.transform(calibrators.cells()))
    return replace(ranker, calibrator=calibrators.fit(kind, found))


def _tell(run: Run, found: Survey, vector: Vector) -> None:
    run.say(
        f"{found.label}: {found.rows:,} training rows, {found.positives:,} of them positive, {len(vector.columns)} columns as "
        f"{len(vector.names)} numbers"
    )
    if found.missing:
        counts = ", ".join(f"{name} {rows:,}" for name, rows in found.missing.items())
        run.say(f"{found.label}: without a usable value, which counts as 0 or as no level: {counts}")
