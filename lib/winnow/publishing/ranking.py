"""A ranker for each label: fitted to the training days, calibrated on the days after, and its scores of held-out days stored."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from winnow import calibration, pipeline, schema, splitting
from winnow.errors import InputNotReadyError, SettingsError
from winnow.local import kept
from winnow.publishing.featured import ranked_by, with_features
from winnow.publishing.fitting import Rates, check_strata, fit_ranker, needed, view_of
from winnow.publishing.held_out import HELD_OUT, publish_scores, sliced_by
from winnow.publishing.rankers import store_rankers
from winnow.publishing.scoring import OVERALL, scored
from winnow.publishing.splits import checked_parts
from winnow.ranking import Ranker, calibrators
from winnow.run import Run


def publish_ranker(run: Run) -> None:
    """Fit a ranker for each label to the examples of the days asked for, store them as one version, and score held-out days.

    ``[splitting]`` says which of the days are for training, validation (calibration) and test. The version serves at once
    where ``ranking.serve`` says so and every label's AUC is at least ``ranking.least_auc``.

    Raises InputNotReadyError without training rows or tiles, LeakError where training knows what comes later, DataError
    where nothing can be learnt, CalibrationError where scores would be no probabilities, SettingsError for strata that the
    days were not sampled by and for an engine without Spark ML, GuardError for a version that must not serve.
    """
    _check_engine(run)
    _check_validation(run)
    asked = ranked_by(run.settings)
    examples = with_features(run, _parted(run), run.days)
    check_strata(run.settings, examples)
    rankers, metrics = [], dict[str, float]()
    with kept(_ranked(run, examples, asked)) as rows:  # features are worked out once, for all labels and parts
        for label in run.settings.ranking.labels:
            view = view_of(run.settings, rows, label)
            rates = _rates(run, label) if run.settings.ranking.correction == "on_scores" else ()
            ranker = fit_ranker(run, label, view.where(F.col(schema.SPLIT) == splitting.TRAIN), asked, rates)
            held_out = view.where(F.col(schema.SPLIT).isin(*HELD_OUT))
            ranker = _calibrated(run, ranker, held_out)
            metrics |= publish_scores(run, ranker, held_out)
            rankers.append(ranker)
    for name, value in metrics.items():
        run.measure(name, value)
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
    if splitting.TRAIN not in checked_parts(run, parted, own.gap_days, f"{first} to {last}"):
        raise InputNotReadyError(
            f"{first} to {last}: expected examples of training days at {run.tables.location(schema.EXAMPLES)}, found none. "
            "Run prepare_examples on them, or change [splitting]."
        )
    return parted


def _ranked(run: Run, examples: DataFrame, asked: Sequence[str]) -> DataFrame:
    """Return the rows and columns that rankers of all labels are fitted to, calibrated and measured by.

    Raises ContractError for a label or a column that is not there.
    """
    labels = run.settings.ranking.labels
    views = [view_of(run.settings, examples, label) for label in labels]
    read = [name for name in needed(run.settings.ranking, views[0], asked) if name in examples.columns]
    of_labels = [name for label in labels for name in schema.columns_of(label)]
    names = dict.fromkeys(map(str, (*of_labels, *read, schema.IMPRESSION_ID, schema.SPLIT, *sliced_by(run))))
    is_of_label = F.coalesce(*(F.col(schema.label_column(label)) for label in labels)).isNotNull()
    return examples.where(F.col(schema.SPLIT).isin(splitting.TRAIN, *HELD_OUT) & is_of_label).select(*names)


def _rates(run: Run, label: str) -> Rates:
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
    _check_ledger(run, label, [row[schema.STRATUM] for row in found if row[schema.STRATUM] != OVERALL])
    columns = (schema.STRATUM, schema.POSITIVE_RATE, schema.NEGATIVE_RATE)
    return tuple(sorted(tuple(row[name] for name in columns) for row in found))


def _check_ledger(run: Run, label: str, strata: Sequence[str]) -> None:
    """Raise SettingsError where the days were sampled by other strata than the settings name: no row would have a rate."""
    asked = run.settings.sampling.strata
    for found in sorted({tuple(json.loads(stratum)) for stratum in strata} - {asked}):
        raise SettingsError(
            f"sampling.strata: expected {list(found)}, by which the ledger tells {label} of the training days, found "
            f"{list(asked)}. Set it so, or run prepare_examples on those days again."
        )


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
