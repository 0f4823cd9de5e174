"""Labels: each impression is positive, negative, or neither, with the reason why."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from winnow import schema
from winnow.contracts import Step
from winnow.errors import InputNotReadyError
from winnow.labelling.duration_groups import duration_groups, needs_duration_groups
from winnow.labelling.kinds import (
    IMMATURE,
    MIDDLE,
    NEGATIVE,
    NO_DURATION,
    NOT_PLAYED,
    OUTCOMES,
    POSITIVE,
    Action,
    AnyAction,
    DurationGroup,
    DurationQuantile,
    Label,
    WatchedFraction,
    action_columns,
    check_labels,
    code,
    leaned_on,
)
from winnow.settings import check_between

__all__ = [
    "IMMATURE",
    "MIDDLE",
    "NEGATIVE",
    "NOT_PLAYED",
    "NO_DURATION",
    "OUTCOMES",
    "POSITIVE",
    "Action",
    "AnyAction",
    "DurationGroup",
    "DurationQuantile",
    "Label",
    "LabellingSettings",
    "WatchedFraction",
    "action_columns",
    "check_labels",
    "duration_groups",
    "label",
    "leaned_on",
    "needs_duration_groups",
]


@dataclass(frozen=True)
class LabellingSettings:
    """``[labelling]``: what holds for all labels; the labels themselves are ``[labels.NAME]``."""

    #: Hours after the end of a day (UTC) until its watch times are settled; a younger day is refused. 0 = at once.
    maturity_hours: float = 0.0

    def __post_init__(self) -> None:
        """Check the range."""
        check_between("maturity_hours", self.maturity_hours, 0, 24 * 366)

    def settled_from(self, day: dt.date) -> dt.datetime:
        """Return the moment from which on all impressions of a day (UTC) have had their time to be watched."""
        return dt.datetime.combine(day, dt.time(), dt.UTC) + dt.timedelta(days=1, hours=self.maturity_hours)

    def mature_until(self, day: dt.date, now: dt.datetime) -> dt.datetime | None:
        """Return the moment after which a day's impressions have no label yet, None where the whole day is settled."""
        is_settled = not self.maturity_hours or now >= self.settled_from(day)
        return None if is_settled else now - dt.timedelta(hours=self.maturity_hours)

    def check_settled(self, day: dt.date, now: dt.datetime, advice: str) -> None:
        """Raise InputNotReadyError where a day is younger than its labels need, with what to do."""
        if self.mature_until(day, now) is not None:
            raise InputNotReadyError(
                f"{day}: expected labels to be settled, which they are from {self.settled_from(day):%Y-%m-%d %H:%M} UTC on "
                f"(labelling.maturity_hours = {self.maturity_hours:g}); it is {now:%Y-%m-%d %H:%M}. {advice}"
            )


def label(
    labels: Mapping[str, Label],
    groups: Sequence[DurationGroup] = (),
    mature_until: dt.datetime | None = None,
) -> Step:
    """Return the step that adds, for each label L, L_label (1, 0 or null), L_is_positive, L_outcome (a code) and L_reason.

    Rows in: valid impressions. ``groups``: what ``duration_groups`` found. ``mature_until``: impressions after this
    moment are immature; None = all are old enough. Codes and reasons are the places and words of OUTCOMES.
    """
    leaning = [name for name in labels if leaned_on(name, labels)]
    plain = [name for name in labels if name not in leaning]
    by_label = {name: [group for group in groups if group.label == name] for name in labels}

    def is_positive(name: str) -> Column:
        return labels[name].is_positive(name, leaned_on(name, labels), by_label[name]) & ~_is_immature(mature_until)

    def outcome(name: str) -> Column:
        found = F.when(F.col(schema.positive_column(name)), code(POSITIVE)).when(
            _is_immature(mature_until), code(IMMATURE)
        )
        return found.otherwise(labels[name].otherwise(by_label[name])).cast("tinyint")

    def step(rows: DataFrame) -> DataFrame:
        # Told apart from the other outcomes: nearly every row is asked whether it is a positive, and few are asked more.
        for names in filter(None, (plain, leaning)):
            rows = rows.withColumns({schema.positive_column(name): is_positive(name) for name in names})
        rows = rows.withColumns({schema.outcome_column(name): outcome(name) for name in labels})
        for name in labels:
            found = F.col(schema.outcome_column(name))
            label_class = F.when(found == code(POSITIVE), 1).when(found == code(NEGATIVE), 0)
            word = F.element_at(F.array(*map(F.lit, OUTCOMES)), found + 1)
            rows = rows.withColumns({schema.label_column(name): label_class, schema.reason_column(name): word})
        return rows

    return step


def _is_immature(mature_until: dt.datetime | None) -> Column:
    if mature_until is None:
        return F.lit(False)
    return F.unix_micros(F.col(schema.IMPRESSION_TS)) > round(mature_until.timestamp() * 1_000_000)
