"""What each user may be shown as of a day: the candidates that the rules allow, and beside too few of them what is popular."""

from __future__ import annotations

import datetime as dt
from functools import partial

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from winnow import pipeline, reranking, retrieval, schema
from winnow.contracts import HELPER, Step
from winnow.errors import InputNotReadyError, SettingsError
from winnow.publishing.known import all_users
from winnow.run import Run

_PAIR: list[str] = [schema.USER_ID, schema.MEDIA_ID]
_HAS, _SEEN, _LIST, _MOST = f"{HELPER}has", f"{HELPER}seen", f"{HELPER}list", f"{HELPER}most"


def allowed_pairs(run: Run, as_of: dt.date) -> DataFrame:
    """Return user_id, media_id, reason, ALIKE and AGE_DAYS of all that may be shown as of the day, each pair once.

    Candidates are those of the source merged, or where there are none those of all sources; users to whom fewer may be shown
    than a list is long have what is popular beside them. Raises InputNotReadyError without candidates of the day.
    """
    media, users = run.tables.read_if_there(schema.MEDIA), run.tables.read_if_there(schema.USERS)
    rules = partial(reranking.may_be_shown, as_of, run.settings.reranking, media=media, users=users)
    seen = _seen(run, as_of)
    candidates = _candidates(run, as_of).transform(rules(seen=seen))
    popular = _popular(run, as_of, candidates, seen, users, rules(seen=None))
    return candidates.unionByName(popular)


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


def _popular(
    run: Run, as_of: dt.date, candidates: DataFrame, seen: DataFrame | None, users: DataFrame | None, rules: Step
) -> DataFrame:
    """Return what is popular for the users of whose candidates fewer may be shown than a list is long.

    Of what they may be shown and have not among their candidates, ``reranking.pool`` media. The rules are asked once for each
    kind of users, and each kind's list is as long as its user needs who has seen the most.
    """
    settings = run.settings.reranking
    nothing = F.array().cast(f"array<{dict(candidates.dtypes)[schema.MEDIA_ID]}>")
    has = candidates.groupBy(schema.USER_ID).agg(F.sort_array(F.collect_list(schema.MEDIA_ID)).alias(_HAS))
    lacking = all_users(run).join(has, on=schema.USER_ID, how="left").withColumn(_HAS, F.coalesce(_HAS, nothing))
    lacking = lacking.where(F.size(_HAS) < settings.length).transform(reranking.treated_alike(users, settings))
    if seen is not None:
        gone = seen.join(lacking, on=schema.USER_ID, how="left_semi").groupBy(schema.USER_ID)
        lacking = lacking.join(
            gone.agg(F.sort_array(F.collect_list(schema.MEDIA_ID)).alias(_SEEN)), on=schema.USER_ID, how="left"
        )
        lacking = lacking.withColumn(_HAS, F.concat(_HAS, F.coalesce(_SEEN, nothing))).drop(_SEEN)
    someone = lacking.groupBy(reranking.KIND).agg(F.min(schema.USER_ID).alias(schema.USER_ID))
    fit = someone.crossJoin(F.broadcast(_counted(run, as_of))).transform(rules)
    best_first = F.sort_array(F.collect_list(F.struct((-F.col(schema.UNITS)).alias(schema.UNITS), schema.MEDIA_ID)))
    media = F.transform(best_first, lambda one: one[schema.MEDIA_ID])
    longest = lacking.agg((F.max(F.size(_HAS)) + settings.pool).alias(_MOST))
    lists = fit.groupBy(reranking.KIND).agg(media.alias(_LIST)).crossJoin(longest)
    lists = lists.select(reranking.KIND, F.slice(_LIST, F.lit(1), F.col(_MOST)).alias(_LIST))
    left = F.slice(F.array_except(_LIST, _HAS), 1, settings.pool)
    more = lacking.join(F.broadcast(lists), on=reranking.KIND, how="inner").select(
        schema.USER_ID, F.explode(left).alias(schema.MEDIA_ID), F.lit(retrieval.POPULAR_NOW).alias(schema.REASON)
    )
    return more.transform(rules)


def _counted(run: Run, as_of: dt.date) -> DataFrame:
    """Return media_id and units: the users who engaged with it in the days of ``retrieval.popularity``."""
    settings = run.settings.retrieval
    first = as_of - dt.timedelta(days=settings.popularity.window_days)
    positives = run.tables.read(schema.EXAMPLES).where(
        (F.col(schema.EVENT_DATE) >= F.lit(first))
        & (F.col(schema.EVENT_DATE) < F.lit(as_of))
        & (F.col(schema.label_column(settings.label)) == 1)
        & F.col(schema.MEDIA_ID).isNotNull()
    )
    return positives.groupBy(schema.MEDIA_ID).agg(F.count_distinct(schema.USER_ID).alias(schema.UNITS))


def _seen(run: Run, as_of: dt.date) -> DataFrame | None:
    """Return the pairs of user_id and media_id that are not shown again; None where all may be.

    Told by the log: of what users engaged with, the examples may have a sample only.
    """
    settings = run.settings.reranking
    if settings.seen == "nothing":
        return None
    log = run.tables.read(schema.IMPRESSIONS)
    if settings.seen == "engaged":
        days = settings.days_before(as_of)
        unknown = [label for label in run.settings.ranking.labels if label not in run.settings.labels]
        if unknown:
            raise SettingsError(
                f"ranking.labels: expected labels of [labels], by which the log tells what was engaged with (reranking.seen = "
                f'"engaged"), found {", ".join(unknown)}. There are: {", ".join(run.settings.labels)}'
            )
        log = pipeline.engaged(log, days, run.settings, run.settings.ranking.labels, describe=run.tables.describe)
    else:
        ours = {theirs: ours for ours, theirs in run.settings.columns.items() if theirs in log.columns}
        log = log.withColumnsRenamed(ours)
    return log.transform(reranking.seen_before(as_of, settings))
