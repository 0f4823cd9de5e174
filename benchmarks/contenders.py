"""The contenders: each a way to do the same work, or a part of it, on the same day of impressions."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from floors import ENGINES, FLOORS
from logs import DAY, NUMBERS_OF_STRATA, STRATA, Log, Size, strata_column
from same_rows import Keeps

#: Makes the command for a log that writes under a folder.
Command = Callable[[Log, Path], list[str]]

SPARK, SAIL = "Winnow on Spark", "Winnow on Sail"
DUCKDB, POLARS = "DuckDB, two passes", "Polars, two passes"
SAMPLE_BY, ROW_NUMBER = "Spark, sampleBy and join", "Spark, row_number over rand"
SETTLED, EXACT = f"{SPARK}, duplicates settled", f"{SPARK}, exact"
SMALL_HEAP, LARGE_HEAP = f"{SPARK}, 4 GB heap", f"{SPARK}, 12 GB heap"


def name_of(number: int, of_what: str) -> str:
    """Return the name of the contender with so many labels or strata."""
    return f"{SPARK}, {number:,} {of_what}"


class Race(StrEnum):
    """What a contender is measured for; the headings of the report."""

    ENGINES = "The same work by other means"
    PROOF = "The peers with Winnow's own draw, or in its session"
    SETTINGS = "Settings of Winnow on Spark"
    LABELS = "Number of labels"
    STRATA = "Number of strata"
    FLOORS = "Floors"


@dataclass(frozen=True)
class Contender:
    """A way to do the work: the command, the sizes of log that it is for, and what is promised of its rows."""

    name: str
    race: Race
    command: Command
    sizes: frozenset[Size]
    #: None where it writes no such sample.
    keeps: Keeps | None = Keeps.SAME
    #: Runs at most, where one tells enough; None = as many as are asked for.
    most_runs: int | None = None
    #: What grows in the race, where something does: labels or strata.
    number: int = 0


ALL, MIDDLE, LARGE = frozenset(Size), frozenset({Size.MIDDLE}), frozenset({Size.LARGE})
UPPER = MIDDLE | LARGE


def winnow(*settings: str, engine: str = "spark", launcher: Sequence[str] = (sys.executable,)) -> Command:
    """Return the command of the main job, with more settings; no duplicate is looked for, as no peer looks for any."""

    def command(log: Log, out: Path) -> list[str]:
        words = [*launcher, "jobs/prepare_examples.py", "--root", str(out), "--date", DAY, "--engine", engine]
        mine = [f'tables.impressions="{log.impressions}"', _strata(*STRATA), 'sampling.duplicates="trust"']
        return [*words, *(word for setting in (*mine, *settings) for word in ("--set", setting))]

    return command


def with_heap(size: str) -> Sequence[str]:
    """Return Spark's own launcher with a heap of so much, and the library as a zip."""
    launcher = str(Path(sys.executable).with_name("spark-submit"))
    return (
        *(launcher, "--properties-file", "conf/spark-local.conf"),
        *("--driver-memory", size, "--py-files", "dist/winnow.zip"),
    )


def peer(script: str, *arguments: str) -> Command:
    """Return the command of a peer."""

    def command(log: Log, out: Path) -> list[str]:
        words = [sys.executable, f"benchmarks/peers/{script}.py", "--input", str(log.impressions)]
        return [*words, "--output", str(out / "examples"), *arguments]

    return command


def floor(engine: str, name: str) -> Command:
    """Return the command of a floor."""

    def command(log: Log, out: Path) -> list[str]:
        words = [sys.executable, "benchmarks/floors.py", "--engine", engine, "--floor", name]
        source = log.examples if name == "write" else log.impressions
        return [*words, "--input", str(source), "--output", str(out / "examples")]

    return command


def of_strata(strata: int) -> Command:
    """Return the command of the main job on the log's twin, with so many strata."""

    def command(log: Log, out: Path) -> list[str]:
        settings = (f'tables.impressions="{log.with_strata}"', _strata(strata_column(strata)))
        return winnow(*settings)(log, out)

    return command


def _strata(*names: str) -> str:
    return f"sampling.strata={json.dumps(names)}"


def _watched(name: str, positive_at_least: float, negative_at_most: float) -> str:
    shares = f"positive_at_least = {positive_at_least}, negative_at_most = {negative_at_most}"
    return f'labels.{name}={{kind = "watched_fraction", {shares}}}'


_THREE_LABELS = (
    _watched("watched", 0.8, 0.1),
    'labels.liked={kind = "action"}',
    'labels.engaged={kind = "any_action", actions = ["liked", "commented", "shared", "followed", "watched"]}',
)
_TEN_LABELS = (
    *_THREE_LABELS,
    *(_watched("begun", 0.25, 0.02), _watched("halfway", 0.5, 0.05)),
    *(_watched("mostly", 0.9, 0.1), _watched("finished", 1.0, 0.2)),
    *(f'labels.{action}={{kind = "action"}}' for action in ("commented", "shared", "followed")),
)
#: The forms that people write on Spark: name, script, and what is promised of their rows.
_ON_SPARK = (
    (SAMPLE_BY, "spark_sample_by", Keeps.ALIKE),
    (ROW_NUMBER, "spark_row_number", Keeps.AS_MANY),
)

CONTENDERS = (
    Contender(SPARK, Race.ENGINES, winnow(), ALL),
    Contender(SAIL, Race.ENGINES, winnow(engine="sail"), ALL),
    Contender(DUCKDB, Race.ENGINES, peer("duckdb_two_pass"), ALL, Keeps.ALIKE),
    Contender(POLARS, Race.ENGINES, peer("polars_two_pass"), ALL, Keeps.ALIKE),
    *(Contender(name, Race.ENGINES, peer(script), MIDDLE, keeps) for name, script, keeps in _ON_SPARK),
    Contender(f"{DUCKDB}, Winnow's draw", Race.PROOF, peer("duckdb_two_pass", "--draw=winnow"), ALL, most_runs=1),
    Contender(f"{POLARS}, Winnow's draw", Race.PROOF, peer("polars_two_pass", "--draw=winnow"), ALL, most_runs=1),
    *(
        Contender(f"{name}, Winnow's session", Race.PROOF, peer(script, "--session=winnow"), MIDDLE, keeps)
        for name, script, keeps in _ON_SPARK
    ),
    Contender(SETTLED, Race.SETTINGS, winnow('sampling.duplicates="settle"'), UPPER, most_runs=2),
    Contender(EXACT, Race.SETTINGS, winnow("sampling.exact=true"), UPPER, Keeps.AS_MANY, most_runs=2),
    Contender(SMALL_HEAP, Race.SETTINGS, winnow(launcher=with_heap("4g")), ALL, most_runs=1),
    Contender(LARGE_HEAP, Race.SETTINGS, winnow(launcher=with_heap("12g")), ALL, most_runs=1),
    *(
        Contender(name_of(number, "labels"), Race.LABELS, winnow(*labels), MIDDLE, None, 3, number)
        for number, labels in ((3, _THREE_LABELS), (10, _TEN_LABELS))
    ),
    *(
        Contender(name_of(number, "strata"), Race.STRATA, of_strata(number), MIDDLE, None, 3, number)
        for number in NUMBERS_OF_STRATA
    ),
    *(
        Contender(f"{engine}: {name.replace('_', ' ')}", Race.FLOORS, floor(engine, name), LARGE, None, 1)
        for engine in ENGINES
        for name in FLOORS
    ),
)
