"""Settings: frozen dataclasses made of plain values, checked at birth, unknown keys refused by name.

Standard library only: the package travels in a zip, where compiled packages cannot be imported.
"""

from __future__ import annotations

import datetime as dt
import difflib
import re
import sys
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, TypeVar

from winnow.errors import SettingsError

T = TypeVar("T")

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_COLUMN = re.compile(r"\w[\w -]{0,126}")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def check(is_right: bool, key: str, expected: str, found: object) -> None:
    """Raise SettingsError naming ``key``, what it should be and what it is, unless ``is_right``."""
    if not is_right:
        raise SettingsError(f"{key}: expected {expected}, found {found!r}")


def check_between(key: str, value: float, low: float, high: float) -> None:
    """Raise SettingsError unless ``low <= value <= high``."""
    check(low <= value <= high, key, f"a number from {low:g} to {high:g}", value)


def check_name(key: str, name: str) -> None:
    """Raise SettingsError unless ``name`` can be part of a column's name: snake_case, ASCII."""
    check(_NAME.fullmatch(name) is not None, key, "a snake_case name such as watched", name)


def check_columns(key: str, names: Iterable[str]) -> None:
    """Raise SettingsError unless each name is a plain column name, and none stands twice."""
    names = list(names)
    for name in names:
        check(_COLUMN.fullmatch(name) is not None, key, "a plain column name", name)
    check(len(set(names)) == len(names), key, "each column once", names)


def parse_date(key: str, text: str) -> dt.date:
    """Return the date that ``text`` is, in the one form YYYY-MM-DD."""
    try:
        if not _DATE.fullmatch(text):
            raise ValueError
        return dt.date.fromisoformat(text)
    except ValueError:
        raise SettingsError(f"{key}: expected a date as YYYY-MM-DD, found {text!r}") from None


def nearest(word: str, words: Iterable[str]) -> str:
    """Return ``"; did you mean X?"`` for the word most like ``word``, or nothing where none is near."""
    match = difflib.get_close_matches(word, list(words), n=1)
    return f"; did you mean {match[0]}?" if match else ""


def build(cls: type[T], values: object, where: str) -> T:
    """Make the settings dataclass ``cls`` of plain values (as TOML gives them).

    ``where`` is the dotted key that ``values`` stood under. A class that reads its values in a way of its own
    has a classmethod ``from_conf(values, where)``.

    Raises SettingsError for an unknown key (naming the nearest known one), a wrong type, a NaN, a value out of range.
    """
    if not isinstance(values, Mapping):
        raise SettingsError(f"{where}: expected a table of settings, found {values!r}")
    hints = typing.get_type_hints(cls)
    known = {field.name: field for field in fields(cls) if field.init}  # type: ignore[arg-type]
    for key in values:
        if key not in known:
            raise SettingsError(
                f"{_join(where, str(key))}: no such setting{nearest(str(key), known) or '.'} Known here: {', '.join(known)}"
            )
    for name, field in known.items():
        if name not in values and field.default is MISSING and field.default_factory is MISSING:
            raise SettingsError(f"{_join(where, name)}: is required and missing")
    made = {key: _convert(hints[key], value, _join(where, key)) for key, value in values.items()}
    try:
        return cls(**made)
    except SettingsError as fault:
        raise SettingsError(_join(where, str(fault))) from None


def _join(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key


def _convert(hint: Any, value: Any, where: str) -> Any:
    """Return ``value`` as the type that ``hint`` names, or raise SettingsError."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):  # only ever "X | None": TOML has no null, a run's record does
        if value is None:
            return None
        return _convert(next(kind for kind in inner if kind is not type(None)), value, where)
    if origin is typing.Literal:
        check(value in inner and isinstance(value, str), where, f"one of {', '.join(map(str, inner))}", value)
        return value
    if origin is tuple:
        check(isinstance(value, list | tuple), where, "a list", value)
        return tuple(_convert(inner[0], item, f"{where}[{place}]") for place, item in enumerate(value))
    if origin in (Mapping, dict):
        check(isinstance(value, Mapping), where, "a table", value)
        return {key: _convert(inner[1], item, _join(where, key)) for key, item in value.items()}
    if hasattr(hint, "from_conf"):
        return hint.from_conf(value, where)
    if is_dataclass(hint):
        return build(typing.cast(type, hint), value, where)
    return _convert_plain(hint, value, where)


def _convert_plain(hint: type, value: Any, where: str) -> Any:
    if hint is dt.date:
        if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
            return value
        check(isinstance(value, str), where, "a date as YYYY-MM-DD", value)
        return parse_date(where, value)
    if hint is float:
        check(isinstance(value, int | float) and not isinstance(value, bool), where, "a number", value)
        check(abs(value) <= sys.float_info.max, where, "a finite number", value)  # an int may be too large for a double
        return float(value)
    words = {int: "a whole number", bool: "true or false", str: "a string"}
    check(type(value) is hint, where, words[hint], value)
    return value
