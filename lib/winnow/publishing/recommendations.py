"""Lists of a day: candidates, those that may be shown, scored as of the day, re-ranked, put in the place of former lists."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from pyspark.sql import Column, DataFrame, Observation
from pyspark.sql import functions as F

from winnow import features, pipeline, reranking, retrieval, schema
from winnow.contracts import HELPER
from winnow.errors import SettingsError
from winnow.local import kept
from winnow.publishing.allowed import allowed_pairs
from winnow.publishing.featured import with_features
from winnow.publishing.known import all_users
from winnow.publishing.profiles import clock_of
from winnow.publishing.rankers import stored_rankers
from winnow.publishing.scoring import scored, tell_unusable, unusable, unusable_counts
from winnow.publishing.served import Watched, check_served, keep_served
from winnow.ranking import FEATURES, LEARNERS, NUMBERS, Ranker
from winnow.run import Run
from winnow.settings import nearest
from winnow.slices import Slice

#: What is counted of a user's list.
_POPULAR = f"{HELPER}popular"


def publish_recommendations(run: Run, as_of: dt.date) -> None:
    """Replace the lists of the serving ranker as of the day, one of ``reranking.length`` for each user.

    Of what ``allowed_pairs`` has: candidates, and beside too few of them what is popular.

    Raises InputNotReadyError without candidates of the day or a ranker that serves, ModelError for a ranker that was made for
    another learner, label, correction or other columns than the settings ask for, SettingsError for an engine without Spark
    ML.
    """
    if not run.tables.has_spark_ml:
        raise SettingsError(
            f"ranking.model: expected an engine that can run {run.settings.ranking.model}, found one without Spark ML. "
            "Use --engine spark."
        )
    version, rankers = stored_rankers(run)
    rows = as_shown(run, rankers, allowed_pairs(run, as_of), as_of)
    watched = [Watched(ranker, Observation()) for ranker in rankers]
    ranked = combined(run, watched, with_features(run, rows, [as_of]))
    model = run.settings.ranking.called
    made: dict[str, Column] = {
        schema.AS_OF_DATE: F.lit(as_of),
        schema.MODEL: F.lit(model),
        schema.RUN_ID: F.lit(run.run_id),
        schema.MODEL_VERSION: F.lit(version),
    }
    where: Slice = {schema.AS_OF_DATE: as_of, schema.MODEL: model}
    # Kept, so that what rows lack is counted without scoring them again.
    with kept(ranked) as candidates:
        scored_rows = _tell_candidates(run, as_of, rankers, candidates)
        served = check_served(run, as_of, watched) if scored_rows else {}
        lists = candidates.transform(reranking.choose(run.settings.reranking))
        found = lists.withColumns(made).select(*schema.RECOMMENDATIONS.columns)
        run.tables.describe(f"{as_of}: lists of {model}")
        run.tables.replace(schema.RECOMMENDATIONS, found, where, record=run.metadata(), files=run.tables.parallelism())
    if not run.is_dry:
        keep_served(run, where, scored_rows, served)
        _tell(run, as_of, where, f"{model}/{version}")


def as_shown(run: Run, rankers: Sequence[Ranker], rows: DataFrame, as_of: dt.date) -> DataFrame:
    """Return pairs with the context that they are scored in: the day, its hour, and what ``ranking.context`` says.

    Raises SettingsError for a context that neither the rankers nor features ask for.
    """
    settings = run.settings.ranking
    asked = {*map(str, schema.OPTIONAL_CONTEXT), *LEARNERS[settings.model].reads(settings)}
    asked |= {name for ranker in rankers for name in (*ranker.vector.columns, *ranker.strata)}
    asked -= features.names(run.settings.features)
    if unknown := sorted(set(settings.context) - asked):
        raise SettingsError(
            f"ranking.context: expected columns that a ranker, its strata or features ask for, found {', '.join(unknown)}"
            f"{nearest(unknown[0], asked) or '.'} They ask for: {', '.join(sorted(asked))}"
        )
    midnight = dt.datetime.combine(as_of, dt.time(), dt.UTC) - dt.timedelta(hours=clock_of(run).utc_offset_h)
    context: dict[str, Column] = {
        schema.AS_OF_DATE: F.lit(as_of),
        schema.IMPRESSION_TS: F.lit(midnight + dt.timedelta(hours=settings.hour)),
    }
    kinds = {str(column): column.type for column in schema.OPTIONAL_CONTEXT}
    context |= {name: F.lit(value).cast(kinds.get(name, "string")) for name, value in settings.context.items()}
    media, users = run.tables.read_if_there(schema.MEDIA), run.tables.read_if_there(schema.USERS)
    if media is not None and schema.MEDIA_DURATION_S in media.columns:
        rows = rows.join(media.select(schema.MEDIA_ID, schema.MEDIA_DURATION_S), on=schema.MEDIA_ID, how="left")
    if users is not None and schema.COUNTRY in users.columns and schema.COUNTRY not in context:
        rows = rows.join(users.select(schema.USER_ID, schema.COUNTRY), on=schema.USER_ID, how="left")
    return rows.withColumns(context)


def combined(run: Run, watched: Sequence[Watched], rows: DataFrame) -> DataFrame:
    """Return what re-ranking reads of the rows and score: the weighted sum of the labels' probabilities, by rankers that are watched.

    The weights are those of ``ranking.combination``. Of each ranker there is also what ``unusable`` makes.
    """
    total: Column = F.lit(0.0)
    lacks = [unusable(run, one.ranker, rows) for one in watched]
    for one in watched:
        ranker = one.ranker
        name = f"{HELPER}score_{ranker.label}"
        found = scored(ranker, rows, unseen="overall").withColumnRenamed(schema.SCORE, name)
        rows = one.watch(found).drop(FEATURES, NUMBERS)
        total = total + F.lit(run.settings.ranking.part_of(ranker.label)) * F.col(name)
    own = (schema.USER_ID, schema.MEDIA_ID, schema.REASON, reranking.ALIKE, reranking.AGE_DAYS)
    return rows.select(*own, total.alias(schema.SCORE), *lacks)


def _tell_candidates(run: Run, as_of: dt.date, rankers: Sequence[Ranker], candidates: DataFrame) -> int:
    """Tell of which columns the candidates have no usable value, and return how many there are; none is read in a dry run."""
    if run.is_dry:
        return 0
    run.tables.describe(f"{as_of}: candidates scored, and those without a usable value")
    counts = (count for ranker in rankers for count in unusable_counts(ranker))
    (row,) = pipeline.fetch(candidates.agg(F.count(F.lit(1)).alias(schema.ROWS), *counts))
    for ranker in rankers:
        tell_unusable(run, ranker, "candidates", row[schema.ROWS], row)
    return int(row[schema.ROWS])


def _tell(run: Run, as_of: dt.date, where: Slice, model: str) -> None:
    """Say how many lists there are, how many are short, and what they are for."""
    stored = run.tables.read_slice(schema.RECOMMENDATIONS, where)
    assert stored is not None, "it was written a moment ago"
    run.tables.describe(f"{as_of}: what the lists are like")
    by_user = stored.groupBy(schema.USER_ID).agg(
        F.count(F.lit(1)).alias(schema.ROWS),
        F.count_if(F.col(schema.REASON) == retrieval.POPULAR_NOW).alias(_POPULAR),
    )
    length = run.settings.reranking.length
    told = all_users(run).join(by_user, on=schema.USER_ID, how="full")
    (row,) = pipeline.fetch(
        told.agg(
            F.count(schema.ROWS).alias("lists"),
            F.count_if(F.col(schema.ROWS) < length).alias("short"),
            F.count_if(F.col(schema.ROWS).isNull()).alias("none"),
            F.count_if(F.col(schema.ROWS) == F.col(_POPULAR)).alias(_POPULAR),
        )
    )
    run.say(
        f"{as_of}: {row['lists']:,} lists of {model}, {row['short']:,} of them shorter than {length}, {row[_POPULAR]:,} of what "
        "is popular only"
    )
    if row["none"]:
        run.warn(f"{as_of}: {row['none']:,} users have no list: nothing that they may be shown was found")
