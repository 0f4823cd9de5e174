"""What a table must be like before a stage works on it: its columns (``conform``) and its rows (``refusals``)."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import starmap
from operator import and_, or_

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from winnow import schema
from winnow.errors import ContractError
from winnow.settings import check_between, nearest

#: A stage: rows in, rows out, nothing read, written, counted or kept.
Step = Callable[[DataFrame], DataFrame]

#: How the names of helper columns begin, which are never stored: a log may use any name but these.
HELPER = "_winnow_"
#: Helper column: whether the row's user has more rows than the settings allow.
IS_HEAVY_USER = f"{HELPER}is_heavy_user"

#: Columns of the log in which every row has a value.
_IDS = (schema.IMPRESSION_ID, schema.USER_ID, schema.MEDIA_ID)
_REQUIRED = (*_IDS, schema.IMPRESSION_TS, schema.EVENT_DATE)
#: Other reasons to refuse a row.
_OF_WATCH = ("watch_s_not_finite", "watch_s_negative", "watch_s_implausible")
_AHEAD = "impression_ts_ahead"
_HEAVY = "user_too_active"

#: Repeated keys that a fault names.
_KEYS_TOLD = 5

#: Types that may stand for a wider one: every value of theirs is exact in it.
_WIDENS = {
    "bigint": {"tinyint", "smallint", "int"},
    "int": {"tinyint", "smallint"},
    "double": {"float", "tinyint", "smallint", "int"},
}


@dataclass(frozen=True)
class ContractSettings:
    """``[contracts]``: when a row is refused."""

    #: Hours that a row may be later than the end of its event_date (UTC): more is a clock that runs ahead.
    max_ahead_h: float = 24.0
    #: Seconds of watching beyond which a row is refused as implausible (a week).
    max_watch_s: float = 604_800.0
    #: Log lines of one user a day above which all of them are refused: bots. Not set = nobody is looked for.
    most_rows_per_user: int | None = None

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_between("max_ahead_h", self.max_ahead_h, 0, 24 * 366)
        check_between("max_watch_s", self.max_watch_s, 1, 31_622_400)
        if self.most_rows_per_user is not None:
            check_between("most_rows_per_user", self.most_rows_per_user, 1, 10**12)


def micros(seconds: Column) -> Column:
    """Return a time as a whole number of microseconds, still a double.

    Times are compared and summed in whole units: 0.8 * 13.9 s is not 11.12 s in binary fractions, so an exact
    80 % would be lost by the comparison of seconds, and sums of fractions differ with the order of the rows.
    """
    return F.rint(seconds * 1e6)


def quotient(dividend: Column, divisor: Column) -> Column:
    """Return the quotient as a double, null where the divisor is 0: not every engine's ``try_divide`` knows doubles."""
    return dividend.cast("double") / F.nullif(divisor.cast("double"), F.lit(0.0))


def named(name: str) -> Column:
    """Return the column of exactly this name: a dot in it is part of the name, as in a flattened ``geo.country``."""
    return F.col(f"`{name.replace('`', '``')}`")


def stratum_hash(strata: Sequence[str]) -> Column:
    """Return a hash of the row's values in the columns; nulls are left out of it, so that two strata may share one."""
    return F.xxhash64(*map(named, strata))


def json_of(columns: Mapping[str, Column]) -> Column:
    """Return the columns, each under its name, as the text of one JSON object, nulls told; {} where there are none."""
    return F.concat(F.lit("{"), F.concat_ws(",", *starmap(_json_field, columns.items())), F.lit("}"))


def _json_field(name: str, column: Column) -> Column:
    """Return ``"name":value``; that nulls are to be told is a wish that not every engine hears."""
    of_one = F.to_json(F.struct(column.alias(name)))
    value = F.substring(of_one, F.lit(2), F.length(of_one) - 2)
    return F.when(column.isNull(), F.lit(f"{json.dumps(name, ensure_ascii=False)}:null")).otherwise(value)


def conform(
    table: schema.Table,
    *,
    needed: Mapping[str, str] | None = None,
    reserved: Iterable[str] = (),
    names: Mapping[str, str] | None = None,
) -> Step:
    """Return the step that gives rows the columns of ``table``, widening narrower types; other columns pass through.

    ``needed``: more columns that must be there, with their types (``|`` between alternatives, "" = any type).
    ``reserved``: names that the rows must not use. ``names``: Winnow's name -> the log's own name (``[columns]``).

    Raises ContractError with all faults at once.
    """
    names = {ours: theirs for ours, theirs in (names or {}).items() if ours != theirs}
    wanted = {str(column): column.types for column in table.columns}
    wanted |= {name: tuple(kinds.split("|")) for name, kinds in (needed or {}).items() if name not in wanted}

    def step(rows: DataFrame) -> DataFrame:
        has = dict(rows.dtypes)
        faults = [
            f"missing {theirs} (it is {ours} in [columns])" for ours, theirs in names.items() if theirs not in has
        ]
        faults += [
            f"{ours} is there, and {theirs} is mapped to it by [columns]"
            for ours, theirs in names.items()
            if ours in has
        ]
        faults += [
            f"{theirs} is mapped to {' and '.join(twice)} by [columns]"
            for theirs in dict.fromkeys(names.values())
            if len(twice := [ours for ours in names if names[ours] == theirs]) > 1
        ]
        has = {next((ours for ours in names if names[ours] == name), name): kind for name, kind in has.items()}
        widened = {}
        for name, kinds in wanted.items():
            kind = has.get(name)
            if kind is None:
                if name not in names:
                    faults.append(
                        f"missing {name} ({' or '.join(filter(None, kinds)) or 'any type'}){nearest(name, has)}"
                    )
            elif kind not in kinds and "" not in kinds:
                wider = next((wide for wide in kinds if kind in _WIDENS.get(wide, ())), None)
                if wider is None:
                    faults.append(f"{name} is {kind}, not {' or '.join(kinds)}")
                else:
                    widened[name] = F.col(name).cast(wider)
        faults += [
            f"{name} is {has[name]}, not {kinds.replace('|', ' or ')}, as it is asked for"
            for name, kinds in (needed or {}).items()
            if kinds and name in wanted and name in has and not set(wanted[name]) & set(kinds.split("|"))
        ]
        # Spark takes names that differ in capitals for one.
        ours_alone = {name.casefold() for name in reserved}
        faults += [
            f"{name} is a name that Winnow writes itself"
            for name in has
            if name.casefold() in ours_alone or name.casefold().startswith(HELPER)
        ]
        if faults:
            has_text = ", ".join(f"{name} {kind}" for name, kind in rows.dtypes)
            raise ContractError(
                f"{table}: {'; '.join(faults)}. It has: {has_text}. "
                "Map names in [columns], or bring the log in with import_impressions."
            )
        renamed = rows.withColumnsRenamed({theirs: ours for ours, theirs in names.items()})
        return renamed.withColumns(widened) if widened else renamed

    return step


def repeated_keys(table: schema.Table) -> Step:
    """Return the step from rows to the table's keys that several of them have, five at most, each with ROWS.

    A key that is not known is joined with nothing, and may stand in any number of rows. Raises ContractError without the columns.
    """

    def step(rows: DataFrame) -> DataFrame:
        if missing := [name for name in table.key if name not in rows.columns]:
            raise ContractError(f"{table}: expected the columns of its key, found no {', '.join(missing)}")
        known = rows.select(*table.key).dropna()
        counted = known.groupBy(*table.key).agg(F.count(F.lit(1)).alias(schema.ROWS))
        return counted.where(F.col(schema.ROWS) > 1).limit(_KEYS_TOLD)

    return step


def refusals(settings: ContractSettings) -> dict[str, Column]:
    """Return each reason to refuse a row of impressions, with the condition on its columns (true, or false; not null).

    A refused row is never labelled; it goes to quarantine with every reason that holds. Where ``most_rows_per_user`` is
    set, the rows must have been through ``flag_heavy_users``.
    """
    watch = F.coalesce(F.col(schema.WATCH_S), F.lit(0.0))
    is_finite = (watch < float("inf")) & (watch > float("-inf"))  # NaN is the largest double in Spark
    of_watch = (~is_finite, is_finite & (watch < 0), is_finite & (watch > settings.max_watch_s))
    heavy = {} if settings.most_rows_per_user is None else {_HEAVY: F.col(IS_HEAVY_USER)}
    return {
        **{_missing(column): F.col(column).isNull() for column in _REQUIRED},
        **dict(zip(_OF_WATCH, of_watch, strict=True)),
        _AHEAD: F.coalesce(_is_ahead(settings, F.col(schema.EVENT_DATE)), F.lit(False)),
        **heavy,
    }


def _missing(column: str) -> str:
    return f"{column}_missing"


def _is_ahead(settings: ContractSettings, day: Column) -> Column:
    """Return whether the row is later than its day allows, by whole seconds; null where one of both is null."""
    # Days and hours are counted from the epoch: a cast of a date to a timestamp would depend on the session's zone.
    # In doubles: the seconds of a date such as 0001-01-01 or 2099-12-31 are too many for the int that days are.
    latest_s = (F.unix_date(day) + 1) * 86_400.0 + settings.max_ahead_h * 3_600
    return F.col(schema.IMPRESSION_TS) >= F.timestamp_seconds(F.floor(latest_s) + 1)


def heavy_users(most_rows: int) -> Step:
    """Return the step from a day's rows to the users with more than ``most_rows`` of them, one row a user."""

    def step(rows: DataFrame) -> DataFrame:
        counted = rows.groupBy(schema.USER_ID).agg(F.count(F.lit(1)).alias("user_rows"))
        return counted.where(F.col("user_rows") > most_rows).select(schema.USER_ID)

    return step


def flag_heavy_users(users: DataFrame) -> Step:
    """Return the step that adds IS_HEAVY_USER; ``users``: what ``heavy_users`` found, few."""

    def step(rows: DataFrame) -> DataFrame:
        flagged = users.withColumn(IS_HEAVY_USER, F.lit(True))
        joined = rows.join(F.broadcast(flagged), on=schema.USER_ID, how="left")
        return joined.withColumn(IS_HEAVY_USER, F.coalesce(F.col(IS_HEAVY_USER), F.lit(False)))

    return step


def told_by_files(settings: ContractSettings, day: dt.date) -> list[tuple[set[str], Column]]:
    """Return the ``refusals`` of a day's rows that files rule out by their statistics, each group with whether one of it holds.

    Of most columns files tell how many nulls there are, the least value and the greatest: an engine that looks for an id that
    is missing, or a moment that is too late, opens nothing. A NaN is in no statistics, so that watch_s must be read. A group's
    columns have their statistics in one place, the log of the table or the files, as both must rule out what is asked at once.
    """
    missing_id = reduce(or_, (F.col(column).isNull() for column in _IDS))
    wrong_moment = F.col(schema.IMPRESSION_TS).isNull() | _is_ahead(settings, F.lit(day))
    return [
        ({_missing(column) for column in _IDS}, missing_id),
        ({_missing(schema.IMPRESSION_TS), _AHEAD}, wrong_moment),
    ]


def is_valid(settings: ContractSettings, possible: Collection[str] | None = None) -> Column:
    """Return whether no reason of ``refusals`` holds. ``possible``: those that may hold for any row at all, where that is known.

    Every row of a log goes through it: it asks once of each column, where the reasons, told one by one, ask ten times of the time
    watched, and engines work that out ten times. Its contrary does not find the refused rows: an engine that skips files by
    their least and greatest values skips those whose NaN is in neither.
    """
    watch = F.col(schema.WATCH_S)
    asked = [
        (_OF_WATCH, watch.isNull() | ((watch >= 0) & (watch <= settings.max_watch_s))),  # NaN is the largest double
        *(((_missing(column),), F.col(column).isNotNull()) for column in _REQUIRED),
        ((_AHEAD,), ~_is_ahead(settings, F.col(schema.EVENT_DATE))),
        *([] if settings.most_rows_per_user is None else [((_HEAVY,), ~F.col(IS_HEAVY_USER))]),
    ]
    fits = [found for reasons, found in asked if possible is None or not set(reasons).isdisjoint(possible)]
    return reduce(and_, fits, F.lit(True))


def first_refusal(settings: ContractSettings, possible: Collection[str] | None = None) -> Column:
    """Return the place among ``refusals`` of the first reason to refuse the row, null for a good one.

    Each refused row is counted under one reason; rows are grouped by numbers faster than by words. Reasons are told apart in
    refused rows only, which are few. ``possible``: as for ``is_valid``, at least one.
    """
    asked = [
        F.when(found, place)
        for place, (reason, found) in enumerate(refusals(settings).items())
        if possible is None or reason in possible
    ]
    return F.when(~is_valid(settings, possible), F.coalesce(*asked)).cast("tinyint")


def all_refusals(settings: ContractSettings) -> Column:
    """Return every reason to refuse the row, as an array."""
    reasons = (F.when(condition, reason) for reason, condition in refusals(settings).items())
    return F.array_compact(F.array(*reasons))
