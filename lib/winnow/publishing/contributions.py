"""Why one user's stored list is as it is: what each column contributes to the score of each medium in it."""

from __future__ import annotations

import datetime as dt

from pyspark.sql import functions as F

from winnow import pipeline, schema
from winnow.errors import InputNotReadyError, ModelError
from winnow.publishing.featured import with_features
from winnow.publishing.rankers import stored_rankers
from winnow.publishing.recommendations import as_shown
from winnow.ranking import Ranker, contributions
from winnow.run import Run

#: Columns told of a medium, those that contribute most.
_MOST_TOLD = 5


def explain_list(run: Run, as_of: dt.date, user: str) -> None:
    """Tell what contributes most to each medium of the user's list as of the day, in log odds.

    By the version of the ranker that made the list. Raises InputNotReadyError where the user has no list of that day, ModelError
    where that version was removed since.
    """
    model = run.settings.ranking.called
    lists = run.tables.read(schema.RECOMMENDATIONS).where(
        (F.col(schema.AS_OF_DATE) == F.lit(as_of))
        & (F.col(schema.MODEL) == model)
        & (F.col(schema.USER_ID).cast("string") == F.lit(user))
    )
    run.tables.describe(f"{as_of}: the list of one user")
    stored = sorted(pipeline.fetch(lists), key=lambda row: int(row[schema.RANK]))
    if not stored:
        raise InputNotReadyError(
            f"{as_of}: expected a list of {model} for this user, found none. Run recommend.py --date {as_of}."
        )
    version, rankers = _rankers(run, as_of, stored[0][schema.MODEL_VERSION])
    rows = as_shown(run, rankers, lists.select(schema.USER_ID, schema.MEDIA_ID), as_of)
    rows = with_features(run, rows, [as_of])
    lines = [
        f"{as_of}: the list of user {user}, by {model}/{version}; beside each column the log odds that the score loses when the column is "
        "left at its mean in training:"
    ]
    for ranker in rankers:
        run.tables.describe(f"{as_of}: contributions to {ranker.label}")
        found = pipeline.fetch(contributions.contributions(ranker, rows, [schema.MEDIA_ID]))
        for row in stored:
            mine = [one for one in found if one[schema.MEDIA_ID] == row[schema.MEDIA_ID]]
            mine.sort(key=lambda one: (-abs(one[contributions.CONTRIBUTION]), one[contributions.COLUMN]))
            told = ", ".join(
                f"{one[contributions.COLUMN]} {one[contributions.CONTRIBUTION]:+.2f}" for one in mine[:_MOST_TOLD]
            )
            lines.append(
                f"  {row[schema.RANK]:>3}  {row[schema.MEDIA_ID]}  score {row[schema.SCORE]:.4f}  ({row[schema.REASON]})  "
                f"{ranker.label}: {told}"
            )
    run.say("\n".join(lines))


def _rankers(run: Run, as_of: dt.date, version: str | None) -> tuple[str, list[Ranker]]:
    """Return the version that made the list, and its rankers; of a list that does not tell, those that serve now."""
    if version is None:
        run.warn(
            f"{as_of}: the list does not tell the version that made it, so it is explained by the one that serves now"
        )
        return stored_rankers(run)
    try:
        return stored_rankers(run, version)
    except InputNotReadyError as gone:
        raise ModelError(
            f"{as_of}: expected the version that made the list, {run.settings.ranking.called}/{version}, found it removed "
            f"({gone}) Run recommend.py --date {as_of}, which makes the lists anew by the version that serves."
        ) from None
