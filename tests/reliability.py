"""Faults that are tried: each declared at its test, told as one table on the screen and in docs/reliability.md."""

import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent
PAGE = TESTS.parent / "docs" / "reliability.md"
#: Where the tests of faults are, in the order of the table.
FILES = (*sorted((TESTS / "faults").glob("test_*.py")), TESTS / "cluster" / "test_lost_worker.py")
_BLOCK = re.compile(r"(?<=<!-- faults -->\n).*?(?=<!-- /faults -->)", re.DOTALL)
_HEAD = ("fault", "what was done", "promised", "outcome")


@dataclass(frozen=True)
class Fault:
    """A fault: what it is called, what the test does, and what is promised then."""

    name: str
    done: str
    promised: str


def fault(name, *, done, promised):
    """Mark a test as that of a fault."""
    return pytest.mark.fault(Fault(name, done, promised))


def declared():
    """Return every fault that the suite has, in the order of its tests."""
    found = []
    for file in FILES:
        spec = importlib.util.spec_from_file_location(f"declared_{file.stem}", file)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        for value in vars(module).values():
            found += [mark.args[0] for mark in getattr(value, "pytestmark", ()) if mark.name == "fault"]
    return found


def table(rows):
    """Return the table of (fault, outcome) as Markdown."""
    lines = [_HEAD, ("---",) * len(_HEAD)]
    lines += [(fault.name, fault.done, fault.promised, outcome) for fault, outcome in rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def told():
    """Return the rows of the table in docs/reliability.md, each as its four cells."""
    lines = _BLOCK.search(PAGE.read_text(encoding="utf-8"))[0].splitlines()[2:]
    return [tuple(line[2:-2].split(" | ")) for line in lines]


def write(rows):
    """Put the table into docs/reliability.md."""
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(_BLOCK.sub(lambda _: table(rows), page), encoding="utf-8")


def write_soak(engine, line):
    """Put what a soak came to into docs/reliability.md, in the place of the last one on that engine."""
    page = PAGE.read_text(encoding="utf-8")
    block = re.compile(rf"(?<=<!-- soak {engine} -->\n).*?(?=<!-- /soak -->)", re.DOTALL)
    PAGE.write_text(block.sub(lambda _: f"* {line}\n", page), encoding="utf-8")
