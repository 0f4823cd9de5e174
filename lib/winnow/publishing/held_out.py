"""Scores of the days that a ranker was not trained on: stored, measured and told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from winnow import pipeline, schema, splitting
from winnow.contracts import named
from winnow.evaluation import cohorts, lists, scores
from winnow.local import kept
from winnow.publishing.score_metrics import sums_by, values_of
from winnow.publishing.scoring import scored, tell_unusable, unusable, unusable_counts
from winnow.ranking import LEARNERS, Ranker
from winnow.run import Run
from winnow.slices import Slice

#: The parts of a split that no ranker is trained on.
HELD_OUT = (splitting.VALIDATION, splitting.TEST)


def sliced_by(run: Run) -> tuple[str, ...]:
    """Return the columns by whose values scores are told apart: those of evaluation that the rows have, and the strata."""
    slices = (name for name in run.settings.evaluation.slices if name not in cohorts.COHORTS)
    return tuple(dict.fromkeys((*slices, *run.settings.sampling.strata)))


def publish_scores(run: Run, ranker: Ranker, held_out: DataFrame) -> dict[str, float]:
    """Replace the ranker's scores of the held-out days, tell how good they are, and return the metrics of the last part.

    ``held_out``: rows of the ranker's label with the columns that it learnt from, split, and those of ``sliced_by``. Rows of
    a stratum that was not in training have no score: they are counted in a warning, and not stored. The metrics are named
    metric_label, such as auc_watched.
    """
    settings, model = run.settings, run.settings.ranking.called
    days = [day for day in run.days if settings.splitting.split().part_of(day) in HELD_OUT]
    if not days:
        run.warn(f"{ranker.label}: no day is held out (splitting.validation_start, test_start): nothing is measured")
        return {}
    own = (
        schema.EVENT_DATE,
        schema.IMPRESSION_ID,
        schema.USER_ID,
        schema.SPLIT,
        schema.CLASS,
        schema.RATE,
        schema.SCORE,
    )
    names = dict.fromkeys(map(str, (*own, *sliced_by(run))))
    lacks = unusable(run, ranker, held_out)
    with kept(scored(ranker, held_out).select(*map(named, names), lacks)) as found:
        _tell_rows(run, ranker, found)
        made: dict[str, Column] = {
            schema.MODEL: F.lit(model),
            schema.LABEL: F.lit(ranker.label),
            schema.RUN_ID: F.lit(run.run_id),
        }
        known = found.where(F.col(schema.SCORE).isNotNull())
        rows = known.drop(schema.CLASS).withColumns(made).select(*schema.SCORES.columns)
        where: Slice = {schema.EVENT_DATE: days, schema.MODEL: model, schema.LABEL: ranker.label}
        run.tables.describe(f"{ranker.label}: scores")
        run.tables.replace(schema.SCORES, rows, where, record=run.metadata(), files=run.tables.parallelism())
        measured = _measured(run, found)
    run.say(_screen(run, ranker, measured))
    whole = [row for row in measured if row[schema.SLICE] == lists.ALL]
    last = whole[-1] if whole else {}
    return {
        f"{metric}_{ranker.label}": float(last[metric])
        for metric in scores.METRICS_OF_SCORES
        if last.get(metric) is not None
    }


def _tell_rows(run: Run, ranker: Ranker, found: DataFrame) -> None:
    """Warn of rows that have no score, and tell of which columns rows have no usable value."""
    run.tables.describe(f"{ranker.label}: rows without a score, and without a usable value")
    no_score = F.count_if(F.col(schema.SCORE).isNull()).alias(schema.SCORE)
    (row,) = pipeline.fetch(found.agg(F.count(F.lit(1)).alias(schema.ROWS), no_score, *unusable_counts(ranker)))
    if row[schema.SCORE]:
        run.warn(
            f"{ranker.label}: {row[schema.SCORE]:,} of {row[schema.ROWS]:,} held-out rows have no score and are not stored: they "
            "are of strata that training had no positives or no negatives of. Train on more days, or sample by fewer strata."
        )
    tell_unusable(run, ranker, "held-out rows", row[schema.ROWS], row)


def _measured(run: Run, found: DataFrame) -> list[dict[str, Any]]:
    """Return the metrics of each held-out part, whole first, then by slice."""
    run.tables.describe("metrics of the held-out days")
    summed = sums_by(schema.SPLIT, found, sliced_by(run), run.settings.evaluation)
    parts = (part for part in HELD_OUT if part in summed)
    return [row | {schema.SPLIT: part} for part in parts for row in values_of(summed[part])]


def _screen(run: Run, ranker: Ranker, measured: list[dict[str, Any]]) -> str:
    """Return the metrics of each part, whole and by slice, and what matters most."""
    lines = [f"{ranker.label}: {run.settings.ranking.called}, correction {ranker.correction}"]
    width = max((len(row[schema.SLICE]) for row in measured), default=0)
    lines += [f"  {row[schema.SPLIT]:<10}  {row[schema.SLICE]:<{width}}  {'  '.join(_cells(row))}" for row in measured]
    important = list(ranker.importance_by_column().items())[:_MOST_TOLD]
    told = ", ".join(f"{name} {share:.3f}" for name, share in important)
    return "\n".join([*lines, f"  matters most ({LEARNERS[ranker.learner].importance}): {told}"])


#: Columns that the screen names.
_MOST_TOLD = 8


def _cells(row: Mapping[str, Any]) -> list[str]:
    shown = {"auc": scores.AUC, "ne": scores.NE, "ece": scores.ECE, "predicted/observed": scores.CALIBRATION_RATIO}
    told = [f"{name} {'-' if row[metric] is None else f'{row[metric]:.4f}'}" for name, metric in shown.items()]
    return [*told, f"of {row[schema.ROWS]:,}"]
