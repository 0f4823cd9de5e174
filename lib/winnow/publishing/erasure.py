"""A user erased: from every table, from the models that do not serve, and from the report; and told of where they are still."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import reduce
from operator import or_
from pathlib import Path
from typing import NamedTuple

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from winnow import pipeline, schema
from winnow.contracts import named
from winnow.engines import Comparison, Value
from winnow.errors import ContractError, InputNotReadyError, JobError
from winnow.importing import CORRUPT_RECORD
from winnow.publishing.maintenance import tables_there
from winnow.publishing.report import FILE as REPORT
from winnow.run import Run
from winnow.store import ModelStore, Stored

_NUMBER = re.compile(r"-?[0-9]+")
#: Ids that one DELETE names at most.
_IDS_AT_ONCE = 1000


class _Condition(NamedTuple):
    """A column, and how it compares with the values where the row is the user's."""

    column: str
    comparison: Comparison
    values: tuple[Value, ...]

    def holds(self) -> Column:
        """Return whether it holds for a row."""
        if self.comparison == "matches":
            return F.rlike(self.column, F.lit(*self.values))
        return named(self.column).isin(*self.values)


def erase_user(run: Run, user_id: str) -> None:
    """Erase a user from every table that has users, the service's own and quarantine too, and prove that none is left.

    Readers do not see the rows from then on; the files that held them go with ``remove_history``, once they are old enough.
    Versions of models with a row of the user are removed but for the one that serves, and the report goes, which shows users.

    Raises JobError where a table still has rows of the user, ContractError where a table has no column of users, ModelError for a
    model that was changed.
    """
    erased = 0
    # Scores first: their users are known by the impressions, which go as well.
    for table in sorted(tables_there(run), key=lambda table: table is not schema.SCORES):
        conditions = list(_conditions(run, table, user_id))
        found = _count(run, table, conditions)
        if not found or run.is_dry:
            run.say(f"{table}: {found:,} rows of the user")
            continue
        for column, comparison, values in conditions:
            run.tables.delete(table, column, comparison, *values)
        if left := _count(run, table, conditions):
            raise JobError(f"{table}: expected no row of the user, found {left:,}. Another run wrote them; run again.")
        run.say(f"{table}: {found:,} rows of the user are erased")
        erased += found
    _forget_models(run, user_id)
    _remove_report(run)
    if run.is_dry:
        return
    gone = run.started.date() + dt.timedelta(days=run.settings.maintenance.history_days)
    run.say(
        f"{erased:,} rows erased; none is left in the tables. Their files are removed by maintain.py --vacuum from {gone} on (and "
        "by the service's own VACUUM of its tables). Rankers, and what all users together have taught the models, stay as they "
        "were until they are trained again."
    )


def _conditions(run: Run, table: schema.Table, user_id: str) -> Iterator[_Condition]:
    """Yield what tells the rows of a user in a table: any of it may hold. A table without users yields nothing."""
    rows = run.tables.read_latest(table)
    kinds = {} if rows is None else dict(rows.dtypes)
    if table is schema.QUARANTINE:
        yield from (_Condition(schema.ROW, "matches", (pattern,)) for pattern in _patterns(run, user_id))
        return
    if table is schema.SCORES and rows is not None:
        yield from _scored(run, rows, user_id)
        return
    name = _name_in(run, table, schema.USER_ID)
    if name not in kinds and schema.USER_ID in table.columns:
        raise ContractError(
            f"{table}: expected the column {name}, which tells the users, found {', '.join(kinds)}. Give the --conf whose "
            "[columns] maps it."
        )
    if name in kinds and (kinds[name] == "string" or _NUMBER.fullmatch(user_id)):
        yield _Condition(name, "is", (user_id if kinds[name] == "string" else int(user_id),))


def _scored(run: Run, scores: DataFrame, user_id: str) -> Iterator[_Condition]:
    """Yield what tells the scores of a user's impressions: these name no user, so the log and the examples are asked whose they are."""
    for table in (schema.IMPRESSIONS, schema.EXAMPLES):
        shown = run.tables.read_latest(table)
        if shown is None:
            continue
        of_user = _any_holds(_conditions(run, table, user_id))
        impression = named(_name_in(run, table, schema.IMPRESSION_ID)).alias(schema.IMPRESSION_ID)
        ids = shown.where(of_user).select(impression)
        theirs = scores.join(ids, schema.IMPRESSION_ID, how="left_semi").select(schema.IMPRESSION_ID).distinct()
        found = sorted(row[schema.IMPRESSION_ID] for row in pipeline.fetch(theirs))
        for first in range(0, len(found), _IDS_AT_ONCE):
            yield _Condition(schema.IMPRESSION_ID, "among", tuple(found[first : first + _IDS_AT_ONCE]))


def _name_in(run: Run, table: schema.Table, column: schema.Column) -> str:
    """Return what the table calls a column: the log may have a name of its own for it."""
    own = run.settings.columns if table is schema.IMPRESSIONS else {}
    return own.get(column, str(column))


def _patterns(run: Run, user_id: str) -> Iterator[str]:
    """Yield regular expressions of the refused rows of a user: the JSON of a row, or of a line that was not readable.

    The column of users has our name there, or the one that a log calls it by. In a line that was not readable nothing is known
    to be the user, so that one with the id as a word of its own is taken for theirs.
    """
    within = json.dumps(user_id, ensure_ascii=False)[1:-1]
    text, text_in_text = re.escape(within), re.escape(json.dumps(within, ensure_ascii=False)[1:-1])
    value = rf'"{text}"'
    if _NUMBER.fullmatch(user_id):
        value = rf'"?{text}(\.0+)?"?\s*[,}}]'
    source = run.settings.importing.columns.get(schema.USER_ID)
    names = {str(schema.USER_ID), _name_in(run, schema.IMPRESSIONS, schema.USER_ID)}
    if source is not None and len(source.columns) == 1:
        names.add(source.columns[0])
    elif source is not None:
        run.warn(
            f"{schema.QUARANTINE}: refused rows of an import whose users are told by {' and '.join(source.columns)} together "
            "are not looked for: remove them by hand"
        )
    for name in sorted(names):
        yield rf"{re.escape(json.dumps(name, ensure_ascii=False))}:\s*{value}"
    yield rf'"{CORRUPT_RECORD}":"(.*[^\w-])?({text}|{text_in_text})([^\w-].*)?$'


def _count(run: Run, table: schema.Table, conditions: Sequence[_Condition]) -> int:
    """Return how many rows of a table any of the conditions holds for."""
    rows = run.tables.read_latest(table)
    return 0 if rows is None else _rows_of(rows, _any_holds(conditions))


def _any_holds(conditions: Iterable[_Condition]) -> Column:
    """Return whether any of the conditions holds for a row; none of none does."""
    return reduce(or_, (condition.holds() for condition in conditions), F.lit(False))


def _rows_of(rows: DataFrame, is_user: Column) -> int:
    (found,) = pipeline.fetch(rows.agg(F.count_if(is_user).alias(schema.ROWS)))
    return int(found[schema.ROWS])


def _forget_models(run: Run, user_id: str) -> None:
    """Remove the versions of models that have a row of the user; of one that serves, say that another must come first."""
    store = ModelStore(run.tables.root)
    for name in store.names():
        try:
            serving = store.serving(name)
        except InputNotReadyError:
            serving = ""
        for version in [manifest.version for manifest in store.versions(name)]:
            if not _knows(run, store.open(name, version), user_id):
                continue
            if version == serving:
                run.warn(
                    f"models/{name}/{version} has a row of the user and serves: run train_retrieval.py, and --erase-user once more"
                )
            elif run.is_dry:
                run.say(f"models/{name}/{version} has a row of the user, and would be removed")
            else:
                store.remove(name, version)
                run.say(f"models/{name}/{version} had a row of the user, and is removed")


def _knows(run: Run, stored: Stored, user_id: str) -> bool:
    """Return whether a part of the model that is rows of users has one of the user."""
    parts = {file.partition("/")[0] for file in stored.manifest.files if re.fullmatch(r"[^/.]+/[^/]+\.parquet", file)}
    for part in sorted(parts):
        rows = stored.rows(run.tables.spark, part)
        if schema.USER_ID in rows.columns and _rows_of(rows, F.col(schema.USER_ID).cast("string") == F.lit(user_id)):
            return True
    return False


def _remove_report(run: Run) -> None:
    """Remove the report of a root that is a folder of this machine: it shows some users with their lists."""
    page = Path(run.tables.root) / REPORT
    if ":/" in run.tables.root or not page.exists():
        return
    if not run.is_dry:
        page.unlink()
    run.say(
        f"{REPORT}: {'would be' if run.is_dry else 'is'} removed, since it shows users and their lists. Make it anew by report.py; "
        "pages that --out put elsewhere are yours to remove"
    )
