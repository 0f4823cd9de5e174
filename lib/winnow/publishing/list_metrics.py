"""Lists held against what users went on to do: how much of it they found, and what they are like beyond that."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from winnow import pipeline, schema
from winnow.errors import InputNotReadyError
from winnow.evaluation import beyond, lists, ranking
from winnow.evaluation.catalogue import MOST_GENRES, catalogue_of
from winnow.publishing.measured import Mean, Model, Record, Sums, asked_of, compare
from winnow.run import Run

_PAIR: list[str] = [schema.USER_ID, schema.MEDIA_ID]
_WAS_SEEN = "was_seen"


class HeldOut(NamedTuple):
    """What lists are held against, and what was known when they were made."""

    #: The day of the lists, before which everything is known.
    as_of: dt.date
    #: What was known.
    before: DataFrame
    #: The examples that the lists did not know.
    examples: DataFrame
    #: How they are called on screen, such as their days.
    called: str


def measure_lists(run: Run, held_out: HeldOut, listed: Mapping[Model, DataFrame]) -> list[Record]:
    """Return the records of METRICS for the lists of each model.

    Relevant is a media that is positive for a label of ``evaluation.relevance``.

    Raises InputNotReadyError without positives, ContractError where the examples lack a slice's column.
    """
    settings = run.settings.evaluation
    wanted = _wanted(run, held_out)
    best = {model: rows.transform(lists.lists(settings.longest)) for model, rows in listed.items()}
    baseline = _baseline(run, list(best))
    accuracy = {model: _accuracy(run, model, wanted, rows) for model, rows in best.items()}
    means = [
        Mean(metric, k, ranking.column_of(metric, k), ranking.USERS)
        for k in settings.at
        for metric in ranking.METRICS_OF_LISTS
    ]
    return [*compare(accuracy, means, asked_of(settings), baseline), *_measure_beyond(run, held_out, best, baseline)]


def _baseline(run: Run, models: Sequence[Model]) -> Model | None:
    """Return the model that the others are compared with; of two of the name, the source of candidates."""
    name = run.settings.evaluation.baseline
    found = next((model for model in models if model.name == name), None)
    if name is not None and found is None:
        known = ", ".join(model.name for model in models)
        run.warn(f"evaluation.baseline: expected one of {known}, found {name}: no lists are compared")
    return found


def _accuracy(run: Run, model: Model, wanted: DataFrame, best: DataFrame) -> Sums:
    settings = run.settings.evaluation
    run.tables.describe(f"lists of {model.name}")
    joined = wanted.join(best, on=schema.USER_ID, how="left")
    summed = ranking.sum_hits(joined, settings.at, groups=settings.groups, seed=settings.seed)
    names = [ranking.column_of(metric, k) for k in settings.at for metric in ranking.METRICS_OF_LISTS]
    return Sums(pipeline.fetch(summed), [ranking.USERS, *names])


# ---- what was wanted -----------------------------------------------------------------------------------------------


def _wanted(run: Run, held_out: HeldOut) -> DataFrame:
    """Return what users engaged with in the held-out examples, as ``lists.relevant`` makes it."""
    settings, tables, period = run.settings.evaluation, run.tables, held_out.called
    graded = held_out.examples.transform(lists.graded(settings.relevance))
    graded = graded.join(_seen(run, held_out.before), on=_PAIR, how="left")
    tables.describe(f"{period}: positives")
    (found,) = pipeline.fetch(
        graded.agg(
            F.count(F.lit(1)).alias(schema.ROWS),
            F.min(schema.RATE).alias(schema.RATE),
            F.count(_WAS_SEEN).alias(schema.UNITS),
        )
    )
    if not found[schema.ROWS]:
        raise InputNotReadyError(
            f"{period}: expected positives of {', '.join(settings.relevance)} in the examples, found none. "
            "Run prepare_examples on those days."
        )
    if found[schema.RATE] < 1:
        run.warn(
            f"{period}: positives were downsampled (rate {found[schema.RATE]:.3g}): recall, map and ndcg are those "
            "of the sample. Keep every positive of these days ([splitting] validation_start or test_start)."
        )
    if found[schema.UNITS]:
        run.say(
            f"{period}: {found[schema.UNITS]:,} of {found[schema.ROWS]:,} positives were engaged with before, and are left "
            "out, as lists leave them out (evaluation.skip_seen)"
        )
    new = graded.where(F.col(_WAS_SEEN).isNull()).drop(_WAS_SEEN)
    return new.transform(lists.relevant(settings.slices))


def _seen(run: Run, before: DataFrame) -> DataFrame:
    """Return the pairs that lists leave out, each with _WAS_SEEN; none where they do not."""
    skip = run.settings.evaluation.skip_seen
    is_left_out = run.settings.retrieval.skip_seen if skip is None else skip
    engaged = (
        before.where(lists.is_positive(run.settings.retrieval.label)) if is_left_out else before.where(F.lit(False))
    )
    return engaged.select(*_PAIR).distinct().withColumn(_WAS_SEEN, F.lit(True))


# ---- beyond accuracy -----------------------------------------------------------------------------------------------


def _measure_beyond(
    run: Run, held_out: HeldOut, best: Mapping[Model, DataFrame], baseline: Model | None
) -> list[Record]:
    """Return the records of coverage, novelty, diversity and popularity of each model's lists, of all users who have one."""
    settings, as_of = run.settings.evaluation, held_out.as_of
    engaged = held_out.before.where(lists.is_engaged(settings.relevance)).select(*_PAIR)
    media = _media(run, as_of)
    genres = _genres(run, media)
    catalogue = catalogue_of(engaged, media, genres)
    run.tables.describe(f"{as_of}: what was known before")
    (users,) = pipeline.fetch(engaged.agg(F.count_distinct(schema.USER_ID).alias(schema.UNITS)))
    (size,) = pipeline.fetch(catalogue.agg(F.count(F.lit(1)).alias(schema.ROWS)))
    known = beyond.Known(users[schema.UNITS], size[schema.ROWS], tuple(genres))
    if not known.users:
        run.say(f"{as_of}: nothing was known before: novelty, popularity, coverage and diversity are not measured")
        return []
    sums: dict[Model, Sums] = {}
    found: list[Record] = []
    means = [
        Mean(metric, k, f"{metric}@{k}", beyond.population_of(metric, k))
        for k in settings.at
        for metric in beyond.metrics_over_users(known, k)
    ]
    names = list(dict.fromkeys(name for mean in means for name in (mean.below, mean.above)))
    for model, rows in best.items():
        run.tables.describe(f"lists of {model.name}: beyond accuracy")
        summed = beyond.sum_entries(rows, catalogue, known, settings.at, groups=settings.groups, seed=settings.seed)
        sums[model] = Sums(pipeline.fetch(summed), names)
        listed = int(sums[model].of(lists.ALL, sorted(sums[model].groups(lists.ALL)))[:, 0].sum())
        for row in pipeline.fetch(beyond.exposure(rows, catalogue, known, settings.at)):
            common = {**model.record, schema.K: row[schema.K], schema.SLICE: lists.ALL, schema.UNITS: listed}
            found += [
                common | {schema.METRIC: name, schema.VALUE: row[name]} for name in (beyond.COVERAGE, beyond.GINI)
            ]
    return [*compare(sums, means, asked_of(settings), baseline), *found]


def _media(run: Run, as_of: dt.date) -> DataFrame | None:
    """Return the catalogue as it was known on the day, None where there is no such table."""
    rows = run.tables.read_if_there(schema.MEDIA)
    if rows is not None and schema.ADDED_DATE in rows.columns:
        rows = rows.where(F.coalesce(F.col(schema.ADDED_DATE) <= F.lit(as_of), F.lit(True)))
    return rows


def _genres(run: Run, media: DataFrame | None) -> list[str]:
    """Return the genres of the catalogue, in order; none where it tells none, or too many to be genres."""
    if media is None or schema.GENRES not in media.columns:
        return []
    named = media.select(F.explode(schema.GENRES).alias("genre")).where(F.col("genre").isNotNull()).distinct()
    found = sorted(row["genre"] for row in pipeline.fetch(named.limit(MOST_GENRES + 1)))
    if len(found) > MOST_GENRES:
        run.warn(f"media: expected at most {MOST_GENRES} genres, found more: the diversity of lists is not measured")
        return []
    return found
