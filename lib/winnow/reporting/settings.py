"""``[reporting]``: how much of the tables the page shows."""

from __future__ import annotations

from dataclasses import dataclass

from winnow.settings import check_between


@dataclass(frozen=True)
class ReportingSettings:
    """``[reporting]``: how much of the tables the page shows."""

    #: Days of the ledger, up to its newest, that are shown.
    days: int = 31
    #: Strata of each label that are shown, those with the most rows first.
    strata: int = 12
    #: Users whose lists are shown beside what they watched; by a hash of their id.
    users: int = 4
    #: Media of each list, and of what was watched, that are shown of a user.
    list_length: int = 8
    #: Newest runs that are shown.
    runs: int = 40
    #: Seed of the users that are shown.
    seed: int = 7

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_between("days", self.days, 1, 366)
        check_between("strata", self.strata, 1, 200)
        check_between("users", self.users, 1, 100)
        check_between("list_length", self.list_length, 1, 100)
        check_between("runs", self.runs, 1, 1_000)
