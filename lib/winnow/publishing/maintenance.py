"""Upkeep of the tables: how large their files are, small files joined, old versions and old days removed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from winnow import schema
from winnow.errors import SettingsError
from winnow.maintenance import OF_THE_SERVICE
from winnow.run import Run

_MB = 1e6


def report_files(run: Run) -> None:
    """Tell each table's version, files and megabytes, and how large a file is on average."""
    for table in tables_there(run):
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

    From then on each of them keeps its versions for as long, which its properties tell Delta.
    """
    days = run.settings.maintenance.history_days
    for table in _ours(run):
        if run.is_dry:
            run.say(f"{table}: would remove what was replaced more than {days} days ago")
            continue
        run.tables.vacuum(table, days=days)
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


def tables_there(run: Run) -> Iterator[schema.Table]:
    """Yield the tables that are there, in the order of the line."""
    return (table for table in schema.TABLES if run.tables.exists(table))


def _ours(run: Run) -> Iterator[schema.Table]:
    return (table for table in tables_there(run) if table.name not in OF_THE_SERVICE)
