"""The limits of the guards, and what each rule does where it does not hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from winnow import schema
from winnow.settings import check, check_between, check_columns

Rule = Literal[
    "no_rows",
    "one_class",
    "row_count",
    "quarantine",
    "share_change",
    "rate_change",
    "null_share",
    "stratum_rate_change",
    "new_stratum",
    "vanished_stratum",
    "stratum_without_positives",
]
#: Of what rankers read for lists; the others are of days of the log.
ServedRule = Literal["training_skew", "served_shift"]
Severity = Literal["block", "warn", "off"]


@dataclass(frozen=True)
class GuardSettings:
    """``[guards]``: what makes a day suspicious, and what then happens."""

    #: Days before the day whose ledger it is compared with.
    history_days: int = 7
    #: Of those, days that must be there for the day to be compared; with fewer it is taken as it is, and that is told.
    least_history_days: int = 1
    #: Valid rows below this share of the median of those days are too few.
    least_rows: float = 0.5
    #: Valid rows above this multiple of the median of those days are too many.
    most_rows: float = 2.0
    #: Share of refused rows above which the log itself is suspected.
    most_quarantined: float = 0.05
    #: The share of positives in the log may differ from the median of those days by this factor.
    most_share_change: float = 2.0
    #: A rate of sampling, of the whole day or of a stratum, may differ from the median of those days by this factor.
    most_rate_change: float = 3.0
    #: Columns whose share of nulls is looked at, of those that the census reads anyway.
    null_columns: tuple[str, ...] = (str(schema.WATCH_S), str(schema.MEDIA_DURATION_S))
    #: The share of nulls in such a column may differ from the median of those days by so much.
    most_null_change: float = 0.1
    #: Rows with which shares, and a stratum's rates, are compared; of fewer, chance alone makes them jump.
    least_compared: int = 1000
    #: Strata, or columns, named in a message, at most.
    strata_named: int = 5
    #: Standard deviations of training that the mean of a column over what is scored for lists may be off its mean in training.
    most_training_skew: float = 3.0
    #: Share of a column's mean, or of its standard deviation if that is less, that its mean may move by from one day's lists to the next.
    most_served_shift: float = 0.1
    #: Times as much as on any of the days before that it may move, if that is more.
    most_served_steps: float = 3.0
    #: Of the days before, those with lists that must be there for the columns to be compared.
    least_served_days: int = 4
    # What each rule does: block (exit code 3, nothing is published), warn (on screen and in the run's record), off.
    no_rows: Severity = "block"
    one_class: Severity = "block"
    row_count: Severity = "block"
    quarantine: Severity = "block"
    share_change: Severity = "block"
    rate_change: Severity = "block"
    null_share: Severity = "block"
    stratum_rate_change: Severity = "warn"
    new_stratum: Severity = "warn"
    vanished_stratum: Severity = "warn"
    stratum_without_positives: Severity = "warn"
    training_skew: Severity = "warn"
    served_shift: Severity = "warn"

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_between("history_days", self.history_days, 1, 366)
        check_between("least_history_days", self.least_history_days, 1, self.history_days)
        check_between("least_rows", self.least_rows, 0, 1)
        check_between("most_rows", self.most_rows, 1, 1e6)
        check_between("most_quarantined", self.most_quarantined, 0, 1)
        check(self.most_share_change > 1, "most_share_change", "a factor above 1", self.most_share_change)
        check(self.most_rate_change > 1, "most_rate_change", "a factor above 1", self.most_rate_change)
        check_columns("null_columns", self.null_columns)
        check_between("most_null_change", self.most_null_change, 0, 1)
        check_between("least_compared", self.least_compared, 0, 10**12)
        check_between("strata_named", self.strata_named, 1, 1000)
        check(self.most_training_skew > 0, "most_training_skew", "a number above 0", self.most_training_skew)
        check(self.most_served_shift > 0, "most_served_shift", "a number above 0", self.most_served_shift)
        check_between("most_served_steps", self.most_served_steps, 1, 1e6)
        check_between("least_served_days", self.least_served_days, 2, 366)  # one step at least
