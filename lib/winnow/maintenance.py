"""The settings of the tables' upkeep: how long what was replaced stays readable, and how long days are kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from winnow import schema
from winnow.errors import SettingsError
from winnow.settings import check_between, nearest

#: Tables that are the service's own: they are told of and erased from, but left as they are otherwise. Ratings are ours:
#: import_ratings keeps the last word of each pair, and replaces the whole table each time.
OF_THE_SERVICE = tuple(
    table.name for table in (schema.IMPRESSIONS, schema.MEDIA, schema.USERS, schema.SEARCHES, schema.ONBOARDING)
)


@dataclass(frozen=True)
class MaintenanceSettings:
    """``[maintenance]``: what jobs/maintain.py keeps."""

    #: Days for which a replaced version of a table stays readable: jobs that run read such versions. A new table is told so
    #: when it is made, one that is there by --vacuum, which removes what was replaced before.
    history_days: int = 30
    #: Table = days that --retain keeps of it; a table that is not named is kept whole.
    retention_days: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check the ranges, and that the tables are ours and kept by days."""
        check_between("history_days", self.history_days, 7, 3660)
        known = [str(table) for table in schema.TABLES if table.partition and table.name not in OF_THE_SERVICE]
        for name, days in self.retention_days.items():
            if name not in known:
                raise SettingsError(
                    f"retention_days.{name}: expected a table of Winnow's that is kept by days{nearest(name, known) or '.'} "
                    f"Known here: {', '.join(known)}"
                )
            check_between(f"retention_days.{name}", days, 1, 36_600)
