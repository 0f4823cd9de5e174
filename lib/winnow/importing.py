"""Other people's logs: columns mapped, cast and built, and every value that cannot be cast told as a reason."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from winnow import schema
from winnow.contracts import Step, json_of, named
from winnow.errors import ContractError, SettingsError
from winnow.settings import build, check, check_columns, nearest

#: Helper columns: the faults that the casts found, and the whole row as it came; never stored in impressions.
CAST_FAULTS = "cast_faults"
SOURCE_ROW = "source_row"
#: Where the readers of CSV and JSON put a line that they cannot make sense of.
CORRUPT_RECORD = "_corrupt_record"

_Type = Literal["string", "bigint", "int", "double", "boolean", "date", "timestamp"]
_UNITS = {"s": 1, "ms": 1_000, "us": 1_000_000, "min": 1 / 60}
#: Microseconds from 1970 to the end of year 9999: a moment beyond is no date.
_FAR_US = 253_402_300_800_000_000
_READER_OPTIONS = ("header", "sep", "quote", "escape", "encoding", "multiLine", "nullValue", "comment", "lineSep")


@dataclass(frozen=True)
class ColumnSource:
    """Where one column comes from: ``name = "theirs"`` or ``name = { from = ..., type = ..., ... }``."""

    #: The log's own column, or several whose values are joined to an id.
    columns: tuple[str, ...]
    #: The type to cast to; not set = the column's own type in Winnow, else as it is.
    type: _Type | None = None
    #: Unit of a number of time; times in seconds and timestamps since 1970 are made of it.
    unit: Literal["s", "ms", "us", "min"] | None = None
    #: Pattern of a date or timestamp written as text (Spark's datetime patterns, such as yyyyMMdd).
    format: str | None = None
    #: Zone of a timestamp written without one.
    time_zone: str = "UTC"
    #: What stands between the joined values.
    separator: str = "-"

    @classmethod
    def from_conf(cls, values: object, where: str) -> ColumnSource:
        """Read a name, or a table with ``from``."""
        if isinstance(values, str):
            values = {"from": values}
        if not isinstance(values, Mapping):
            raise SettingsError(f"{where}: expected a column's name or a table with from, found {values!r}")
        plain: dict[str, Any] = dict(values)
        check("from" in plain and "columns" not in plain, where, "a key from", sorted(plain))
        source = plain.pop("from")
        plain["columns"] = [source] if isinstance(source, str) else source
        return build(cls, plain, where)

    def __post_init__(self) -> None:
        """Check names, pattern and zone."""
        for name in self.columns:  # a foreign header may be anything that can be quoted, such as "geo.x" or "Watch (s)"
            check(re.fullmatch(r"[^`\x00-\x1f\x7f]{1,128}", name) is not None, "from", "a column's name", name)
        check(len(self.columns) > 0, "from", "at least one column", self.columns)
        check(len(self.columns) == 1 or (self.unit, self.format) == (None, None), "from", "one column", self.columns)
        check(re.fullmatch(r"[\w+:/-]{1,64}", self.time_zone) is not None, "time_zone", "a zone's name", self.time_zone)
        check(
            re.fullmatch(r"[^\x00-\x1f`;]{0,8}", self.separator) is not None,
            "separator",
            "a short text",
            self.separator,
        )


@dataclass(frozen=True)
class ImportingSettings:
    """``[importing]``: the format of the log, and where each column of impressions comes from."""

    #: Format of the files.
    format: Literal["parquet", "csv", "json", "delta"] = "parquet"
    #: Options of the reader of CSV and JSON, as Spark names them.
    options: Mapping[str, str] = field(default_factory=dict)
    #: ``[importing.columns]``: Winnow's column -> where it comes from. A column not named comes from its namesake.
    columns: Mapping[str, ColumnSource] = field(default_factory=dict)
    #: What becomes of columns that no column is made of: they pass through, or are dropped.
    others: Literal["keep", "drop"] = "keep"

    def __post_init__(self) -> None:
        """Check names and options."""
        check_columns("columns", self.columns)
        for name in self.options:
            if name not in _READER_OPTIONS:
                raise SettingsError(
                    f"options.{name}: no such option{nearest(name, _READER_OPTIONS)} Known: {', '.join(_READER_OPTIONS)}"
                )


def map_columns(settings: ImportingSettings, table: schema.Table = schema.IMPRESSIONS) -> Step:
    """Return the step from foreign rows to rows with the columns of ``table``, CAST_FAULTS and SOURCE_ROW.

    A value that cannot be cast is null, and its column is named in CAST_FAULTS (array of ``<column>_not_<type>``); the
    whole row as it came is in SOURCE_ROW (JSON). Raises ContractError naming every column that is not there.
    """

    def step(rows: DataFrame) -> DataFrame:
        has = [name for name in rows.columns if name != CORRUPT_RECORD]
        required = {str(column): ColumnSource((str(column),)) for column in table.columns}
        context = schema.OPTIONAL_CONTEXT if table is schema.IMPRESSIONS else ()
        optional = {str(name): ColumnSource((str(name),)) for name in context if name in has}
        sources = {**required, **optional, **settings.columns}
        missing = [
            f"{ours} needs {theirs}{nearest(theirs, has)}"
            for ours, source in sources.items()
            for theirs in source.columns
            if theirs not in has
        ]
        if missing:
            raise ContractError(
                f"input: missing columns: {'; '.join(missing)}. It has: {', '.join(has)}. Map them in [importing.columns]."
            )
        used = {theirs for source in sources.values() for theirs in source.columns}
        others = [name for name in has if name not in used and name not in sources]
        taken = [name for name in others if name.casefold() in (CAST_FAULTS, SOURCE_ROW)]
        if taken and settings.others == "keep":
            raise ContractError(
                f"input: {', '.join(taken)}: a name that Winnow uses itself. Map it to another in [importing.columns], or "
                "drop the columns that are not mapped: importing.others = drop."
            )
        made, faults = [], []
        for ours, source in sources.items():
            value, fault = _cast(ours, source, dict(rows.dtypes))
            made.append(value.alias(ours))
            if fault is not None:
                faults.append(fault)
        if CORRUPT_RECORD in rows.columns:
            faults.append(F.when(F.col(CORRUPT_RECORD).isNotNull(), "line_not_readable"))
        return rows.select(
            *made,
            *(map(named, others) if settings.others == "keep" else []),
            F.array_compact(F.array(F.lit(None).cast("string"), *faults)).alias(CAST_FAULTS),
            json_of({name: named(name) for name in rows.columns}).alias(SOURCE_ROW),
        )

    return step


def _cast(ours: str, source: ColumnSource, kinds: Mapping[str, str]) -> tuple[Column, Column | None]:
    """Return the value of one column, and the text of its fault where a value that is there cannot be cast."""
    if len(source.columns) > 1:
        parts = [_text(named(name), kinds[name], source) for name in source.columns]
        return F.concat(*_between(parts, source.separator)), None
    there, kind = named(source.columns[0]), kinds[source.columns[0]]
    target = source.type or schema.type_of(ours, kind)
    if target == kind and source.unit is None:
        return there, None
    value = _convert(there, kind, target, source)
    return value, F.when(there.isNotNull() & value.isNull(), f"{ours}_not_{target}")


def _convert(there: Column, kind: str, target: str, source: ColumnSource) -> Column:
    if target == "timestamp":
        if source.unit is not None:
            # No time since 1970 has more digits; a longer number would overflow the product.
            micros = there.try_cast("decimal(28,6)") * round(1_000_000 / _UNITS[source.unit])
            return F.timestamp_micros(micros.try_cast("bigint"))
        return _timestamp(there, kind, source)
    if target == "date" and (source.format is not None):
        return F.try_to_timestamp(there.cast("string"), F.lit(source.format)).cast("date")
    # A date and a text of a moment are those of the source's zone, whatever the session's is.
    if kind == "timestamp" and target in ("date", "string"):
        there = _local(there, source)
    value = there.try_cast(target)
    if source.unit is not None:
        value = value / F.lit(float(_UNITS[source.unit])) if source.unit != "min" else value * F.lit(60.0)
    return value


def _timestamp(there: Column, kind: str, source: ColumnSource) -> Column:
    """Read text in the source's zone, never in the session's."""
    if kind in ("timestamp_ntz", "date"):  # without a zone: as text, which has none either
        there = there.cast("string")
    elif kind != "string":
        return there.try_cast("timestamp")
    if source.format is not None:
        text, pattern = F.concat(there, F.lit(f" {source.time_zone}")), F.lit(f"{source.format} VV")
        has_zone = re.search(r"[VzOXxZ]", re.sub(r"'[^']*'", "", source.format)) is not None
        return F.try_to_timestamp(there, F.lit(source.format)) if has_zone else F.try_to_timestamp(text, pattern)
    there = F.trim(there)
    is_day = there.rlike(r"^\d{4}-\d{1,2}-\d{1,2}$")
    there = F.when(is_day, F.concat(there, F.lit(" 00:00:00"))).otherwise(there)
    has_zone_text = there.rlike(r"(Z|UTC|GMT|[+-]\d{1,2}(:?\d{2})?)$") & there.contains(":")
    zoned = F.when(has_zone_text, there).otherwise(F.concat(there, F.lit(f" {source.time_zone}")))
    return zoned.try_cast("timestamp")


def _local(moment: Column, source: ColumnSource) -> Column:
    """Return the moment as the clock of the source's zone shows it."""
    return F.convert_timezone(F.lit("UTC"), F.lit(source.time_zone), _without_zone(moment))


def _without_zone(moment: Column) -> Column:
    """Return the moment as a clock in UTC shows it; a cast would show the session's."""
    since = F.unix_micros(moment)
    clock = F.lit("1970-01-01 00:00:00").cast("timestamp_ntz") + F.make_dt_interval(secs=since / F.lit(1_000_000))
    return F.when(F.abs(since) < _FAR_US, clock)  # an interval of more than 11 digits of seconds would be an error


def _text(value: Column, kind: str, source: ColumnSource) -> Column:
    return (_local(value, source) if kind == "timestamp" else value).cast("string")


def _between(parts: list[Column], separator: str) -> list[Column]:
    """Put the separator between the parts; a null part makes the whole null, so that no two ids are made alike."""
    joined = [parts[0]]
    for part in parts[1:]:
        joined += [F.lit(separator), part]
    return joined
