"""Upkeep of the tables: how large their files are, small files joined, old versions and old days removed, users erased."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator

from pyspark.sql import functions as F

from winnow import pipeline, schema
from winnow.contracts import named
from winnow.engines import Comparison
from winnow.errors import JobError, SettingsError
from winnow.maintenance import OF_THE_SERVICE
from winnow.run import Run

_MB = 1e6


def report_files(run: Run) -> None:
    """Tell each table's version, files and megabytes, and how large a file is on average."""
    for table in _there(run):
        sizes = run.tables.sizes(table)
        mean = sizes.bytes / sizes.files / _MB if sizes.files else 0.0
        run.say(
            f"{table}: version {run.tables.pin(table)}, {sizes.files:,} files, {sizes.bytes / _MB:,.1f} MB ({mean:,.1f} each)"
        )


def compact_files(run: Run) -> None:
    """Join small files of each table of ours; the rows stay as they are, and readers see nothing of it."""
    for table in _ours(run):
        before = run.tables.sizes(table).files
        if run.is_dry:
            run.say(f"{table}: would join small ones of {before:,} files")
            continue
        run.tables.compact(table)
        run.say(f"{table}: {before:,} files became {run.tables.sizes(table).files:,}")


def remove_history(run: Run) -> None:
    """Remove the files of each table of ours that only versions replaced before ``maintenance.history_days`` ago have.

    A day that was published since then was made of a version that was the newest then, so it stays reproducible; one that
    was published before may not be, and verify.py says so.
    """
    days = run.settings.maintenance.history_days
    for table in _ours(run):
        if run.is_dry:
            run.say(f"{table}: would remove what was replaced more than {days} days ago")
            continue
        run.tables.vacuum(table, hours=days * 24)
        run.say(f"{table}: what was replaced more than {days} days ago is removed")


def migrate_tables(run: Run) -> None:
    """Bring each table of ours forward, a version at a time, to the columns that this Winnow writes."""
    for table in _ours(run):
        found = run.tables.schema_version(table)
        if found == table.version:
            run.say(f"{table}: columns of version {found}, the newest")
        for version in range(found + 1, table.version + 1):
            added = ", ".join(run.tables.migrate(table, version)) or "none"
            run.say(
                f"{table}: {'would bring' if run.is_dry else 'brought'} columns to version {version}; added: {added}"
            )


def remove_old_days(run: Run) -> None:
    """Remove the days of each table in ``maintenance.retention_days`` that are older than it says, by the run's own date."""
    limits = run.settings.maintenance.retention_days
    if not limits:
        raise SettingsError(
            "maintenance.retention_days: expected how many days to keep of a table, such as examples = 400, found none."
        )
    for table in _ours(run):
        if table.name not in limits:
            continue
        first = run.started.date() - dt.timedelta(days=limits[table.name])
        day = table.partition[0]
        if run.is_dry:
            run.say(f"{table}: would remove the days before {first} ({day})")
            continue
        run.tables.delete(table, day, "below", first)
        run.say(f"{table}: the days before {first} are removed")


def erase_user(run: Run, user_id: str) -> None:
    """Erase a user from every table that has users, the service's own and quarantine too, and prove that none is left.

    Readers do not see the rows from then on; the files that held them go with ``remove_history``, once they are old enough.
    Models know users until they are trained again.

    Raises JobError where a table still has rows of the user.
    """
    erased = 0
    for table in _there(run):
        found = _count(run, table, user_id)
        if not found or run.is_dry:
            run.say(f"{table}: {found:,} rows of the user")
            continue
        for column, comparison, value in _conditions(run, table, user_id):
            run.tables.delete(table, column, comparison, value)
        if left := _count(run, table, user_id):
            raise JobError(f"{table}: expected no row of the user, found {left:,}. Another run wrote them; run again.")
        run.say(f"{table}: {found:,} rows of the user are erased")
        erased += found
    if run.is_dry:
        return
    gone = run.started.date() + dt.timedelta(days=run.settings.maintenance.history_days)
    run.say(
        f"{erased:,} rows erased; none is left. Their files are removed by maintain.py --vacuum from {gone} on (and by the "
        "service's own VACUUM of its tables). Train the models again: those of before still know the user."
    )


def _conditions(run: Run, table: schema.Table, user_id: str) -> Iterator[tuple[str, Comparison, int | str]]:
    """Yield what tells the rows of a user in a table: any of it may hold. A table without users yields nothing."""
    rows = run.tables.read_latest(table)
    kinds = {} if rows is None else dict(rows.dtypes)
    if table is schema.QUARANTINE:
        # The id is a text there, or a number that a comma or the end of the object follows.
        values = [json.dumps(user_id, ensure_ascii=False), *(user_id + end for end in ",}" if user_id.isdecimal())]
        yield from ((schema.ROW, "contains", f"{json.dumps(schema.USER_ID)}:{value}") for value in values)
        return
    own = run.settings.columns if table is schema.IMPRESSIONS else {}
    name = own.get(schema.USER_ID, str(schema.USER_ID))
    if name in kinds and (kinds[name] == "string" or user_id.lstrip("-").isdecimal()):
        yield name, "is", user_id if kinds[name] == "string" else int(user_id)


def _count(run: Run, table: schema.Table, user_id: str) -> int:
    """Return how many rows of a user the table has."""
    rows, is_it = run.tables.read_latest(table), F.lit(False)
    for column, comparison, value in _conditions(run, table, user_id):
        is_it = is_it | (named(column) == F.lit(value) if comparison == "is" else F.contains(column, F.lit(value)))
    if rows is None:
        return 0
    (found,) = pipeline.fetch(rows.agg(F.count_if(is_it).alias(schema.ROWS)))
    return int(found[schema.ROWS])


def _there(run: Run) -> Iterator[schema.Table]:
    return (table for table in schema.TABLES if run.tables.exists(table))


def _ours(run: Run) -> Iterator[schema.Table]:
    return (table for table in _there(run) if table.name not in OF_THE_SERVICE)
