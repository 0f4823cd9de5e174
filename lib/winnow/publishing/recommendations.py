"""Lists of a day: candidates, those that may be shown, scored as of the day, re-ranked, put in the place of former lists."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from winnow import pipeline, reranking, retrieval, schema
from winnow.contracts import HELPER, Step
from winnow.errors import InputNotReadyError, SettingsError
from winnow.publishing.featured import with_features
from winnow.publishing.known import all_users
from winnow.publishing.profiles import clock_of
from winnow.publishing.rankers import serving_rankers
from winnow.publishing.scoring import scored
from winnow.ranking import FEATURES, NUMBERS, Ranker
from winnow.run import Run
from winnow.slices import Slice

_PAIR: list[str] = [schema.USER_ID, schema.MEDIA_ID]
_POPULAR = "popular now"
_FOUND = f"{HELPER}found"


def publish_recommendations(run: Run, as_of: dt.date) -> None:
    """Replace the lists of the serving ranker as of the day, one of ``reranking.length`` for each user.

    Candidates are those of the source merged, or where there are none those of all sources; a user to whom too few may be
    shown is given what is popular beside them.

    Raises InputNotReadyError without candidates of the day or a ranker that serves, ModelError for a ranker that was made for
    another learner, label, correction or other columns than the settings ask for, SettingsError for an engine without Spark
    ML.
    """
    if not run.tables.has_spark_ml:
        raise SettingsError(
            f"ranking.model: expected an engine that can run {run.settings.ranking.model}, found one without Spark ML. "
            "Use --engine spark."
        )
    version, rankers = serving_rankers(run)
    rule = _rules(run, as_of)
    allowed = _candidates(run, as_of).transform(rule)
    rows = allowed.unionByName(_popular(run, as_of, allowed).transform(rule))
    ranked = combined(run, rankers, shown_on(run, with_features(run, as_shown(run, rows, as_of), [as_of])))
    lists = ranked.transform(reranking.choose(run.settings.reranking))
    model = run.settings.ranking.called
    made: dict[str, Column] = {
        schema.AS_OF_DATE: F.lit(as_of),
        schema.MODEL: F.lit(model),
        schema.RUN_ID: F.lit(run.run_id),
    }
    where: Slice = {schema.AS_OF_DATE: as_of, schema.MODEL: model}
    run.tables.describe(f"{as_of}: lists of {model}")
    found = lists.withColumns(made).select(*schema.RECOMMENDATIONS.columns)
    run.tables.replace(schema.RECOMMENDATIONS, found, where, record=run.metadata(), files=run.tables.parallelism())
    if not run.is_dry:
        _tell(run, as_of, where, f"{model}/{version}")


def as_shown(run: Run, rows: DataFrame, as_of: dt.date) -> DataFrame:
    """Return pairs with the context that they are scored in: the day, its hour, and what ``ranking.context`` says."""
    settings = run.settings.ranking
    midnight = dt.datetime.combine(as_of, dt.time(), dt.UTC) - dt.timedelta(hours=clock_of(run).utc_offset_h)
    context: dict[str, Column] = {
        schema.AS_OF_DATE: F.lit(as_of),
        schema.IMPRESSION_TS: F.lit(midnight + dt.timedelta(hours=settings.hour)),
    }
    kinds = {str(column): column.type for column in schema.OPTIONAL_CONTEXT}
    context |= {name: F.lit(value).cast(kinds.get(name, "string")) for name, value in settings.context.items()}
    media, users = run.tables.read_if_there(schema.MEDIA), run.tables.read_if_there(schema.USERS)
    if media is not None:
        rows = rows.join(media.select(schema.MEDIA_ID, schema.MEDIA_DURATION_S), on=schema.MEDIA_ID, how="left")
    if users is not None and schema.COUNTRY not in context:
        rows = rows.join(users.select(schema.USER_ID, schema.COUNTRY), on=schema.USER_ID, how="left")
    return rows.withColumns(context)


def combined(run: Run, rankers: Sequence[Ranker], rows: DataFrame) -> DataFrame:
    """Return the rows with score: the weighted sum of the labels' probabilities (``ranking.combination``)."""
    total: Column = F.lit(0.0)
    for ranker in rankers:
        name = f"{HELPER}score_{ranker.label}"
        found = scored(ranker, rows, unseen="overall").withColumnRenamed(schema.SCORE, name)
        rows = found.drop(FEATURES, NUMBERS)
        total = total + F.lit(run.settings.ranking.part_of(ranker.label)) * F.col(name)
    return rows.withColumn(schema.SCORE, total)


def shown_on(run: Run, rows: DataFrame) -> DataFrame:
    """Return the rows with a null for each column of the strata that is not known before they are shown."""
    unknown = [name for name in run.settings.sampling.strata if name not in rows.columns]
    return rows.withColumns({name: F.lit(None).cast("string") for name in unknown})


def _candidates(run: Run, as_of: dt.date) -> DataFrame:
    """Return user_id, media_id, reason of the day's candidates, each pair once."""
    tables = run.tables
    rows = tables.read(schema.CANDIDATES).where(F.col(schema.AS_OF_DATE) == F.lit(as_of))
    tables.describe(f"{as_of}: sources of candidates")
    sources = {row[schema.CANDIDATE_SOURCE] for row in pipeline.fetch(rows.select(schema.CANDIDATE_SOURCE).distinct())}
    if not sources:
        raise InputNotReadyError(
            f"{as_of}: expected candidates as of the day in {tables.location(schema.CANDIDATES)}, found none. "
            f"Run generate_candidates.py --date {as_of}."
        )
    if retrieval.MERGED in sources:
        merged = rows.where(F.col(schema.CANDIDATE_SOURCE) == retrieval.MERGED)
        return merged.select(*_PAIR, schema.REASON)
    # Of several sources the one that has it highest and can say why tells the reason.
    place = F.struct(F.col(schema.REASON).isNull(), schema.RANK, schema.CANDIDATE_SOURCE)
    return rows.groupBy(*_PAIR).agg(F.min_by(schema.REASON, place).alias(schema.REASON))


def _popular(run: Run, as_of: dt.date, allowed: DataFrame) -> DataFrame:
    """Return what is popular for the users who have fewer candidates that may be shown than a list is long."""
    settings = run.settings
    label = settings.retrieval.label
    first = as_of - dt.timedelta(days=settings.retrieval.popularity.window_days)
    positives = run.tables.read(schema.EXAMPLES).where(
        (F.col(schema.EVENT_DATE) >= F.lit(first))
        & (F.col(schema.EVENT_DATE) < F.lit(as_of))
        & (F.col(schema.label_column(label)) == 1)
        & F.col(schema.MEDIA_ID).isNotNull()
    )
    counted = positives.groupBy(schema.MEDIA_ID).agg(F.count_distinct(schema.USER_ID).alias(schema.UNITS))
    most = counted.orderBy(F.col(schema.UNITS).desc(), schema.MEDIA_ID).limit(settings.reranking.pool)
    have = allowed.groupBy(schema.USER_ID).agg(F.count(F.lit(1)).alias(_FOUND))
    lacking = all_users(run).join(have, on=schema.USER_ID, how="left")
    lacking = lacking.where(F.coalesce(F.col(_FOUND), F.lit(0)) < settings.reranking.length).select(schema.USER_ID)
    pairs = lacking.crossJoin(F.broadcast(most.select(schema.MEDIA_ID)))
    more = pairs.join(allowed.select(*_PAIR), on=_PAIR, how="left_anti")
    return more.withColumn(schema.REASON, F.lit(_POPULAR))


def _rules(run: Run, as_of: dt.date) -> Step:
    settings = run.settings
    seen = None
    if settings.reranking.seen != "nothing":
        table = schema.EXAMPLES if settings.reranking.seen == "engaged" else schema.IMPRESSIONS
        rows = run.tables.read(table)
        if table is schema.EXAMPLES:
            labels = (F.col(schema.label_column(label)) == 1 for label in settings.ranking.labels)
            rows = rows.where(F.greatest(F.lit(False), *(F.coalesce(label, F.lit(False)) for label in labels)))
        else:
            rows = rows.withColumnsRenamed(
                {theirs: ours for ours, theirs in settings.columns.items() if theirs in rows.columns}
            )
        seen = rows.transform(reranking.seen_before(as_of, settings.reranking))
    return reranking.may_be_shown(
        as_of,
        settings.reranking,
        media=run.tables.read_if_there(schema.MEDIA),
        users=run.tables.read_if_there(schema.USERS),
        seen=seen,
    )


def _tell(run: Run, as_of: dt.date, where: Slice, model: str) -> None:
    """Say how many lists there are, how many are short, and what they are for."""
    stored = run.tables.read_slice(schema.RECOMMENDATIONS, where)
    assert stored is not None, "it was written a moment ago"
    run.tables.describe(f"{as_of}: what the lists are like")
    by_user = stored.groupBy(schema.USER_ID).agg(
        F.count(F.lit(1)).alias(schema.ROWS),
        F.count_if(F.col(schema.REASON) == _POPULAR).alias(_POPULAR),
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
