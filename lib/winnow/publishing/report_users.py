"""Some users of the report: what they had watched, the lists that they were given, and what they watched next."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from winnow import pipeline, reporting, schema
from winnow.reporting import summaries
from winnow.run import Run

#: Each table of lists with the column that tells its models apart; the first that has lists is shown.
_LISTS = ((schema.RECOMMENDATIONS, schema.MODEL), (schema.CANDIDATES, schema.CANDIDATE_SOURCE))


def users_and_lists(run: Run) -> list[reporting.User] | None:
    """Return a sample of users with a positive since the newest lists that were made, None without lists or examples."""
    label = run.settings.retrieval.label
    if not run.tables.exists(schema.EXAMPLES):
        return None
    examples = run.tables.read(schema.EXAMPLES)
    if schema.label_column(label) not in examples.columns:
        return None
    positives = examples.transform(pipeline.training_view(label)).where(F.col(schema.CLASS) == 1)
    for table, model in _LISTS:
        if run.tables.exists(table):
            lists = run.tables.read(table).withColumnRenamed(model, schema.MODEL)
            users = _of_lists(run, lists, positives)
            if users:
                return users
    return None


def _of_lists(run: Run, lists: DataFrame, positives: DataFrame) -> list[reporting.User]:
    settings = run.settings.reporting
    run.tables.describe("report: lists of users")
    (last,) = pipeline.fetch(positives.agg(F.max(schema.EVENT_DATE).alias(schema.EVENT_DATE)))
    asked = lists.where(F.col(schema.AS_OF_DATE) <= F.lit(last[schema.EVENT_DATE]))
    (newest,) = pipeline.fetch(asked.agg(F.max(schema.AS_OF_DATE).alias(schema.AS_OF_DATE)))
    as_of = newest[schema.AS_OF_DATE]
    if as_of is None:
        return []
    mine = lists.where((F.col(schema.AS_OF_DATE) == F.lit(as_of)) & (F.col(schema.RANK) <= settings.list_length))
    is_before = F.col(schema.EVENT_DATE) < F.lit(as_of)
    after = positives.where(~is_before)
    sampled = after.transform(summaries.sampled_users(mine, settings.users, settings.seed))
    ids = [row[schema.USER_ID] for row in pipeline.fetch(sampled)]
    media = run.tables.read_if_there(schema.MEDIA)
    is_chosen = F.col(schema.USER_ID).isin(ids)

    def of_user(rows: DataFrame) -> dict[Any, list[dict[str, Any]]]:
        found: dict[Any, list[dict[str, Any]]] = {one: [] for one in ids}
        for row in pipeline.fetch(rows.where(is_chosen).transform(summaries.titled(media))):
            found[row[schema.USER_ID]].append(row)
        return found

    watched = summaries.last_watched(settings.list_length)
    chosen = positives.where(is_chosen)
    before, later = (
        of_user(chosen.where(is_before).transform(watched)),
        of_user(chosen.where(~is_before).transform(watched)),
    )
    return [_user(one, as_of, before[one], later[one], rows) for one, rows in of_user(mine).items()]


def _user(
    user_id: Any,
    as_of: dt.date,
    before: list[dict[str, Any]],
    after: list[dict[str, Any]],
    lists: list[dict[str, Any]],
) -> reporting.User:
    models: dict[str, list[reporting.Media]] = {}
    for row in sorted(lists, key=lambda row: (row[schema.MODEL], row[schema.RANK])):
        models.setdefault(row[schema.MODEL], []).append(_media(row, row[schema.REASON] or ""))
    return reporting.User(user_id, as_of, _watched(before), _watched(after), models)


def _watched(rows: list[dict[str, Any]]) -> list[reporting.Media]:
    return [_media(row, _share_told(row)) for row in sorted(rows, key=lambda row: row[summaries.PLACE])]


def _share_told(row: Mapping[str, Any]) -> str:
    share = row[summaries.WATCHED_SHARE]
    day: dt.date = row[schema.EVENT_DATE]
    return f"{day}" if share is None else f"{share:.0%} watched, {day}"


def _media(row: Mapping[str, Any], told: str) -> reporting.Media:
    return reporting.Media(row[schema.MEDIA_ID], row[schema.TITLE], told)
