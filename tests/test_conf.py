"""The conf files that ship: all of them load, and base.toml is the truth about the defaults."""

import re
import tomllib
from pathlib import Path

import pytest

from winnow.config import Settings, load

CONF = Path(__file__).resolve().parents[1] / "conf"
BASE = (CONF / "base.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", sorted(CONF.glob("*.toml")), ids=lambda path: path.name)
def test_a_conf_file_that_ships_loads(path):
    load([path])


def test_the_base_conf_says_what_the_defaults_are():
    assert load([CONF / "base.toml"]) == Settings()


def test_the_base_conf_names_every_setting():
    record = Settings().as_record()
    text = {section: set() for section in record}
    section = ""
    for line in BASE.splitlines():
        if heading := re.match(r"\[([\w.]+)\]", line):
            section = heading[1].split(".")[0]
        elif key := re.match(r'(?:# )?"?([\w.]+)"? = ', line):
            text[section].add(key[1])
    plain = {name: values for name, values in record.items() if name not in ("columns", "labels", "tables")}
    for name, values in plain.items():
        keys = {key for key, value in values.items() if not isinstance(value, dict)}
        keys |= {key for value in values.values() if isinstance(value, dict) for key in value}
        assert keys <= text[name], f"[{name}] lacks {sorted(keys - text[name])}"


def test_an_example_in_the_base_conf_is_a_setting_that_can_be_set():
    """Every commented setting, taken at its word, must load (one section at a time: they are alternatives)."""
    for section, body in re.findall(r"^\[([\w.]+)\]\n(.*?)(?=^\[|\Z)", BASE, re.MULTILINE | re.DOTALL):
        lines = [line.removeprefix("# ") for line in body.splitlines() if re.match(r"# [a-z_]{2,} = \S", line)]
        if lines and not section.startswith("labels"):
            tomllib.loads("\n".join([f"[{section}]", *lines]))
            load(sets=[f"{section}.{line.replace(' = ', '=', 1)}" for line in lines])
