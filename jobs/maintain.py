"""Keep the tables: report their files, and on demand join small files, remove old versions and days, migrate, erase a user."""

import sys

from winnow.job import Option, main
from winnow.publishing import compact_files, erase_user, migrate_tables, remove_history, remove_old_days, report_files
from winnow.run import Run

ERASE_USER = Option("--erase-user", "erase a user from tables, models and report", metavar="ID", is_personal=True)
MIGRATE = Option("--migrate", "bring tables of an earlier Winnow forward to the columns of this one")
RETAIN = Option("--retain", "remove the days that are older than maintenance.retention_days")
COMPACT = Option("--compact", "join small files")
VACUUM = Option("--vacuum", "remove what was replaced more than maintenance.history_days ago")


def work(run: Run) -> None:
    """Do what was asked for, and report the files that there are then."""
    asked = run.arguments
    if asked.erase_user is not None:
        erase_user(run, asked.erase_user)
    if asked.migrate:
        migrate_tables(run)
    if asked.retain:
        remove_old_days(run)
    if asked.compact:
        compact_files(run)
    if asked.vacuum:
        remove_history(run)
    report_files(run)


if __name__ == "__main__":
    sys.exit(
        main("maintain", work, doc=str(__doc__), days="none", options=[MIGRATE, ERASE_USER, RETAIN, COMPACT, VACUUM])
    )
