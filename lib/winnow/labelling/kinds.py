"""The kinds of label: what each reads of a row, and the outcome that it gives it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar, Literal

from pyspark.sql import Column
from pyspark.sql import functions as F

from winnow import schema
from winnow.contracts import micros
from winnow.errors import SettingsError
from winnow.settings import build, check, check_between, check_columns, check_name

POSITIVE = "positive"
NEGATIVE = "negative"
MIDDLE = "middle"
NO_DURATION = "no_duration"
NOT_PLAYED = "not_played"
IMMATURE = "immature"
#: Every outcome that a valid row can have for a label.
OUTCOMES = (POSITIVE, NEGATIVE, MIDDLE, NO_DURATION, NOT_PLAYED, IMMATURE)

#: A longer media counts as unknown: beyond it the comparison would leave the whole numbers that a double holds.
_MAX_DURATION_S = 604_800.0


@dataclass(frozen=True)
class DurationGroup:
    """The thresholds of one duration group of a ``duration_quantile`` label, in seconds; None = no row reaches it."""

    label: str
    longest_s: float
    positive_from_s: float | None
    negative_to_s: float | None


class Label:
    """A kind of label: the columns that it reads and the outcome that it gives a row."""

    kind: ClassVar[str]

    @classmethod
    def from_conf(cls, values: object, where: str) -> Label:
        """Make the label that ``kind`` names; the other keys are that kind's own settings."""
        if not isinstance(values, Mapping):
            raise SettingsError(f"{where}: expected a table with a kind, found {values!r}")
        kind = values.get("kind")
        check(isinstance(kind, str) and kind in KINDS, f"{where}.kind", f"one of {', '.join(KINDS)}", kind)
        made: Label = build(KINDS[str(kind)], {key: value for key, value in values.items() if key != "kind"}, where)
        return made

    def actions_of(self, name: str) -> tuple[str, ...]:
        """Return the actions that the label called ``name`` asks for: boolean columns, or other labels."""
        return ()

    def is_positive(self, name: str, labels: Collection[str], groups: Sequence[DurationGroup]) -> Column:
        """Return whether a valid, mature row is a positive; true or false, not null.

        ``name``: the label's own; ``labels``: the labels that are already made, by name; ``groups``: its own.
        """
        raise NotImplementedError

    def otherwise(self, groups: Sequence[DurationGroup]) -> Column:
        """Return the outcome of a valid, mature row that is no positive, as a code: its place among OUTCOMES."""
        raise NotImplementedError


@dataclass(frozen=True)
class WatchedFraction(Label):
    """Positive when enough of the media was watched, negative when hardly any was, else the middle, dropped.

    positive: watch_s >= positive_at_least * media_duration_s; negative: watch_s <= negative_at_most * media_duration_s.
    """

    kind: ClassVar[str] = "watched_fraction"
    #: Share of the duration from which on a row is positive, inclusive; at most four decimals.
    positive_at_least: float = 0.8
    #: Share of the duration up to which a row is negative, inclusive; at most four decimals.
    negative_at_most: float = 0.1
    #: What an impression is that was never played (watch_s null): without a label, or a negative.
    not_played: Literal["unlabelled", "negative"] = "unlabelled"

    def __post_init__(self) -> None:
        """Check the thresholds."""
        _check_thresholds(self.positive_at_least, self.negative_at_most, highest=10.0)

    def is_positive(self, name: str, labels: Collection[str], groups: Sequence[DurationGroup]) -> Column:
        """Compare whole microseconds, so that an exact share such as 24 of 30 minutes is on the right side."""
        high = decimal_ratio(self.positive_at_least)
        watch, duration = micros(F.col(schema.WATCH_S)), micros(F.col(schema.MEDIA_DURATION_S))
        is_long = watch * high.denominator >= duration * high.numerator  # asked first: most rows are not
        return _is_true(is_long & has_duration())

    def otherwise(self, groups: Sequence[DurationGroup]) -> Column:
        """Compare as ``is_positive`` does; what most rows are is asked first."""
        low = decimal_ratio(self.negative_at_most)
        watch, duration = micros(F.col(schema.WATCH_S)), micros(F.col(schema.MEDIA_DURATION_S))
        played = F.when(watch * low.denominator <= duration * low.numerator, code(NEGATIVE)).when(
            F.col(schema.WATCH_S).isNotNull(), code(MIDDLE)
        )
        not_played = code(NEGATIVE if self.not_played == "negative" else NOT_PLAYED)
        return F.when(has_duration(), played.otherwise(not_played)).otherwise(code(NO_DURATION))


@dataclass(frozen=True)
class DurationQuantile(Label):
    """Positive when a row was watched longer than most rows of media about as long: short clips do not win by that.

    Durations are cut into groups of equally many rows (D2Q: Zhan et al., KDD 2022, "Deconfounding Duration Bias in
    Watch-time Prediction for Video Recommendation"). A watch time covers the quantiles from the share of its group's
    rows strictly below it to the share at or below it: positive when the upper end reaches ``positive_at_least``,
    negative when the lower end is at most ``negative_at_most``, the middle when neither or both.
    """

    kind: ClassVar[str] = "duration_quantile"
    #: Number of duration groups; rows of one duration are never split.
    groups: int = 10
    #: Quantile from which on a row is positive, inclusive; at most four decimals.
    positive_at_least: float = 0.8
    #: Quantile up to which a row is negative, inclusive; at most four decimals.
    negative_at_most: float = 0.2

    def __post_init__(self) -> None:
        """Check the thresholds."""
        check_between("groups", self.groups, 1, 1000)
        _check_thresholds(self.positive_at_least, self.negative_at_most, highest=1.0)

    def is_positive(self, name: str, labels: Collection[str], groups: Sequence[DurationGroup]) -> Column:
        """Compare with the thresholds of the row's duration group, as ``duration_groups`` found them."""
        reaches_high, reaches_low = self._reached(groups)
        return _is_true(has_duration() & reaches_high & ~reaches_low)

    def otherwise(self, groups: Sequence[DurationGroup]) -> Column:
        """Compare as ``is_positive`` does."""
        reaches_high, reaches_low = self._reached(groups)
        played = F.when(reaches_low & ~reaches_high, code(NEGATIVE)).when(
            F.col(schema.WATCH_S).isNotNull(), code(MIDDLE)
        )
        return F.when(has_duration(), played.otherwise(code(NOT_PLAYED))).otherwise(code(NO_DURATION))

    def _reached(self, groups: Sequence[DurationGroup]) -> tuple[Column, Column]:
        """Return whether the row's watch time reaches its group's upper quantile, and whether the lower one reaches it."""
        watch, duration = F.col(schema.WATCH_S), F.col(schema.MEDIA_DURATION_S)
        positive_from, negative_to = F.lit(None).cast("double"), F.lit(None).cast("double")
        for group in sorted(groups, key=lambda group: group.longest_s, reverse=True):
            is_here = duration <= group.longest_s
            positive_from = F.when(is_here, F.lit(group.positive_from_s)).otherwise(positive_from)
            negative_to = F.when(is_here, F.lit(group.negative_to_s)).otherwise(negative_to)
        return _is_true(watch >= positive_from), _is_true(watch <= negative_to)


@dataclass(frozen=True)
class AnyAction(Label):
    """Positive when any of the named actions happened, else negative; a label of the run may be among them."""

    kind: ClassVar[str] = "any_action"
    #: Boolean columns of the log, or names of other labels of the run (their positives count).
    actions: tuple[str, ...]

    def __post_init__(self) -> None:
        """Check the names."""
        check_columns("actions", self.actions)
        check(len(self.actions) > 0, "actions", "at least one action", self.actions)

    def actions_of(self, name: str) -> tuple[str, ...]:
        """Return the actions."""
        return self.actions

    def is_positive(self, name: str, labels: Collection[str], groups: Sequence[DurationGroup]) -> Column:
        """Return whether any of the actions happened; a null action did not."""
        happened = F.lit(False)
        for action in self.actions_of(name):
            is_made = action in labels
            happened = happened | _is_true(F.col(schema.positive_column(action) if is_made else action))
        return happened

    def otherwise(self, groups: Sequence[DurationGroup]) -> Column:
        """Return negative."""
        return F.lit(code(NEGATIVE))


@dataclass(frozen=True)
class Action(AnyAction):
    """One label an action: positive when that action happened, else negative (a comment is a negative for liked)."""

    kind: ClassVar[str] = "action"
    #: The one action; when not given, the column that is called as the label is.
    actions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check the name."""
        check_columns("actions", self.actions)
        check(len(self.actions) <= 1, "actions", "one action (any_action takes several)", self.actions)

    def actions_of(self, name: str) -> tuple[str, ...]:
        """Return the one action."""
        return self.actions or (name,)


def code(outcome: str) -> int:
    """Return the number that stands for an outcome, its place among OUTCOMES: rows are grouped by it faster than by words."""
    return OUTCOMES.index(outcome)


KINDS: dict[str, type[Any]] = {kind.kind: kind for kind in (WatchedFraction, AnyAction, Action, DurationQuantile)}


def check_labels(labels: Mapping[str, Label]) -> None:
    """Raise SettingsError unless the labels have fit names and lean only on labels that lean on none."""
    check(len(labels) > 0, "labels", "at least one label", {})
    for name in labels:
        check_name("labels", name)
        for other in leaned_on(name, labels):
            leans = bool(leaned_on(other, labels))
            check(not leans, f"labels.{name}.actions", "columns, or labels that lean on no other", other)


def leaned_on(name: str, labels: Mapping[str, Label]) -> list[str]:
    """Return the labels that the label called ``name`` is made of (a label may be called as its own action is)."""
    return [action for action in labels[name].actions_of(name) if action in labels and action != name]


def action_columns(labels: Mapping[str, Label]) -> dict[str, str]:
    """Return the columns of the log that the labels read as actions, with their type."""
    return {
        action: "boolean"
        for name, label in labels.items()
        for action in label.actions_of(name)
        if action not in leaned_on(name, labels)
    }


def has_duration() -> Column:
    """Return whether the media's duration is known: a positive, plausible number; null where it is null."""
    duration = F.col(schema.MEDIA_DURATION_S)
    return (duration > 0) & (duration <= _MAX_DURATION_S)


def _is_true(condition: Column) -> Column:
    """Return the condition with false in place of null; of a coalesce Sail makes "is not null and is", and asks both in full."""
    return condition.eqNullSafe(F.lit(True))


def decimal_ratio(share: float) -> Fraction:
    """Return the share as the decimal fraction that was written, not as the nearest binary one."""
    return Fraction(repr(share))


def _check_thresholds(positive_at_least: float, negative_at_most: float, highest: float) -> None:
    check_between("positive_at_least", positive_at_least, 0, highest)
    check_between("negative_at_most", negative_at_most, 0, highest)
    check(negative_at_most < positive_at_least, "negative_at_most", "less than positive_at_least", negative_at_most)
    for key, share in (("positive_at_least", positive_at_least), ("negative_at_most", negative_at_most)):
        check(decimal_ratio(share).denominator <= 10_000, key, "at most four decimals", share)
