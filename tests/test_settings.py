"""Settings made of plain values: unknown keys, wrong types and traps are refused by name."""

import datetime as dt
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import pytest

from winnow.errors import SettingsError
from winnow.settings import build, check_columns, check_name, nearest, parse_date


@dataclass(frozen=True)
class Inner:
    depth: int = 1


@dataclass(frozen=True)
class Outer:
    name: str
    share: float = 0.5
    rows: int | None = None
    is_on: bool = False
    kind: Literal["one", "two"] = "one"
    days: tuple[str, ...] = ()
    start: dt.date | None = None
    inner: Inner = field(default_factory=Inner)
    by_name: Mapping[str, float] = field(default_factory=dict)


def test_plain_values_become_settings_and_the_rest_keeps_its_default():
    values = {"name": "a", "share": 1, "days": ["x", "y"], "start": "2026-01-05", "inner": {"depth": 3}}
    made = build(Outer, {**values, "by_name": {"a": 1}}, "here")
    assert made == Outer("a", 1.0, None, False, "one", ("x", "y"), dt.date(2026, 1, 5), Inner(3), {"a": 1.0})
    assert isinstance(made.share, float)
    assert isinstance(made.by_name["a"], float)


def test_the_none_of_a_record_is_a_setting_that_is_not_set():
    assert build(Outer, {"name": "a", "rows": None, "start": None}, "here") == Outer("a")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, "here.name: is required and missing"),
        ({"name": "a", "shar": 1}, "here.shar: no such setting; did you mean share? Known here: name, share"),
        ({"name": "a", "qqq": 1}, "here.qqq: no such setting. Known here: name, share"),
        ({"name": "a", "inner": {"dept": 1}}, "here.inner.dept: no such setting; did you mean depth?"),
        ({"name": 1}, "here.name: expected a string, found 1"),
        ({"name": "a", "rows": True}, "here.rows: expected a whole number, found True"),
        ({"name": "a", "rows": 1.0}, "here.rows: expected a whole number, found 1.0"),
        ({"name": "a", "rows": "1"}, "here.rows: expected a whole number, found '1'"),
        ({"name": "a", "share": "0.5"}, "here.share: expected a number, found '0.5'"),
        ({"name": "a", "share": True}, "here.share: expected a number, found True"),
        ({"name": "a", "share": math.nan}, "here.share: expected a finite number, found nan"),
        ({"name": "a", "share": -math.inf}, "here.share: expected a finite number, found -inf"),
        ({"name": "a", "share": 10**400}, "here.share: expected a finite number, found 1000"),
        ({"name": "a", "share": None}, "here.share: expected a number, found None"),
        ({"name": "a", "is_on": 1}, "here.is_on: expected true or false, found 1"),
        ({"name": "a", "kind": "three"}, "here.kind: expected one of one, two, found 'three'"),
        ({"name": "a", "kind": ["one"]}, "here.kind: expected one of one, two, found ['one']"),
        ({"name": "a", "days": "x"}, "here.days: expected a list, found 'x'"),
        ({"name": "a", "days": ["x", 2]}, "here.days[1]: expected a string, found 2"),
        ({"name": "a", "start": dt.datetime(2026, 1, 5, tzinfo=dt.UTC)}, "here.start: expected a date as YYYY-MM-DD"),
        ({"name": "a", "start": "5.1.2026"}, "here.start: expected a date as YYYY-MM-DD, found '5.1.2026'"),
        ({"name": "a", "inner": 3}, "here.inner: expected a table of settings, found 3"),
        ({"name": "a", "by_name": [1]}, "here.by_name: expected a table, found [1]"),
        ({"name": "a", "by_name": {"x": "y"}}, "here.by_name.x: expected a number, found 'y'"),
        ([], "here: expected a table of settings, found []"),
    ],
)
def test_a_wrong_value_is_refused_with_its_key_and_what_was_expected(values, said):
    with pytest.raises(SettingsError) as told:
        build(Outer, values, "here")
    assert str(told.value).startswith(said)


@pytest.mark.parametrize("name", ["watched", "a", "a1_b", "x" * 63])
def test_names_of_labels_are_snake_case(name):
    check_name("key", name)


@pytest.mark.parametrize("name", ["", "A", "1a", "_a", "a-b", "a b", "a.b", "ä", "a`", "a\n", "x" * 64])
def test_other_names_are_refused(name):
    with pytest.raises(SettingsError, match="key: expected a snake_case name"):
        check_name("key", name)


@pytest.mark.parametrize("name", ["", " a", "a.b", "a`b", "a;b", "a'b", "a\n", "a\x00", "a,b", "a(b)", "*", "x" * 128])
def test_columns_that_spark_could_read_otherwise_are_refused(name):
    with pytest.raises(SettingsError, match="key: expected a plain column name"):
        check_columns("key", [name])


def test_columns_may_have_any_letters_spaces_and_hyphens():
    check_columns("key", ["größe", "観た", "Watch time", "a-b", "_x", "1st"])


@pytest.mark.parametrize(
    "text",
    [
        "2026-1-5",
        "2026-02-30",
        "20260105",
        "2026-01-05 ",
        "2026-01-05T00:00",
        "２０２６-01-05",
        "",
        "0000-01-01",
        "' OR 1=1",
    ],
)
def test_a_date_has_one_form(text):
    with pytest.raises(SettingsError, match="--date: expected a date as YYYY-MM-DD"):
        parse_date("--date", text)
    assert parse_date("--date", "2024-02-29") == dt.date(2024, 2, 29)


def test_the_nearest_word_is_named_only_when_it_is_near():
    assert nearest("negative_rws", ["positive_rows", "negative_rows"]) == "; did you mean negative_rows?"
    assert nearest("zzz", ["positive_rows"]) == ""
