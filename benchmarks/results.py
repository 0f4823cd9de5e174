"""What was measured: every run of every contender, kept in one record beside what was known before."""

from __future__ import annotations

import datetime as dt
import json
import os
import platform
import statistics
import subprocess
from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet

from measure import Cost
from same_rows import files_of

RECORD = "bench.json"
_PACKAGES = ("pyspark", "delta-spark", "pysail", "duckdb", "polars", "deltalake")


@dataclass(frozen=True)
class Output:
    """What a contender's last run wrote."""

    rows: int = 0
    file_mb: tuple[float, ...] = ()
    codec: str = ""
    #: Checksum of the ids.
    ids: str = ""


@dataclass(frozen=True)
class Result:
    """A contender on a log of so many rows: all its runs, and the medians of them."""

    contender: str
    race: str
    number: int
    rows: int
    input_files: int
    date: str
    costs: tuple[Cost, ...] = ()
    output: Output = field(default_factory=Output)
    #: What was promised of the rows that are kept; empty where nothing was.
    keeps: str = ""
    #: What went wrong: a run that failed, or rows that are not those that were promised. Empty when all went well.
    fault: str = ""

    @property
    def cpu_s(self) -> float:
        """Return the CPU seconds of the whole process tree."""
        return statistics.median(cost.cpu_s for cost in self.costs)

    @property
    def wall_s(self) -> float:
        """Return the seconds that passed."""
        return statistics.median(cost.wall_s for cost in self.costs)

    @property
    def peak_gb(self) -> float:
        """Return the most memory that any run held."""
        return max(cost.peak_gb for cost in self.costs)

    @property
    def others_cores(self) -> float:
        """Return the cores that other processes kept busy, on average."""
        return statistics.fmean(cost.others_cores for cost in self.costs)


class Results:
    """All results, of this time and of former times, by contender and rows."""

    def __init__(self, results: Iterable[Result]) -> None:
        """Keep the results; of two of the same contender and rows the later one stays."""
        self._by_key: dict[tuple[int, str], Result] = {}
        self.add(results)

    def add(self, results: Iterable[Result]) -> None:
        """Keep more results, in place of former ones of the same contenders and rows."""
        self._by_key |= {(result.rows, result.contender): result for result in results}

    def __iter__(self) -> Iterator[Result]:
        """Return the results, the smaller logs first."""
        return iter(sorted(self._by_key.values(), key=lambda result: result.rows))

    def get(self, contender: str, rows: int) -> Result | None:
        """Return the result, None where it was not measured."""
        return self._by_key.get((rows, contender))

    def of(self, contender: str) -> list[Result]:
        """Return the contender's results that did not fail, the smaller logs first."""
        return [result for result in self if result.contender == contender and result.costs]


def load(record: Path, machine: str, contenders: Collection[str]) -> list[Result]:
    """Return what is known of contenders that there still are, from former runs on such a machine."""
    if not record.exists():
        return []
    known = json.loads(record.read_text(encoding="utf-8"))
    told = known["results"] if known["machine"] == machine else []
    return [_result(values) for values in told if values["contender"] in contenders]


def store(record: Path, machine: dict[str, Any], results: Iterable[Result]) -> None:
    """Write every run, with what it was measured on."""
    told = {**machine, "results": [asdict(result) for result in results]}
    record.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def machine() -> dict[str, Any]:
    """Return what is measured on: the machine, the versions and the load."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    java = subprocess.run(["java", "-version"], capture_output=True, text=True, check=False).stderr.splitlines()[0]
    return {
        "machine": f"{os.cpu_count()} cores ({platform.machine()}), {memory:.0f} GiB",
        "load": round(os.getloadavg()[1], 1),
        "versions": {name: version(name) for name in _PACKAGES}
        | {"python": platform.python_version(), "java": java.split('"')[1]},
    }


def today() -> str:
    """Return the date, in UTC."""
    return dt.datetime.now(dt.UTC).date().isoformat()


def output_of(examples: Path) -> Output:
    """Return the rows and the files of a table, without a look into it; nothing where there is none."""
    files = files_of(examples)
    told = [parquet.read_metadata(file) for file in files]
    codecs = {one.row_group(0).column(0).compression.lower() for one in told if one.num_row_groups}
    sizes = sorted((file.stat().st_size / 1e6 for file in files), reverse=True)
    return Output(sum(one.num_rows for one in told), tuple(sizes), " ".join(sorted(codecs)))


def _result(values: dict[str, Any]) -> Result:
    costs = tuple(Cost(**cost) for cost in values["costs"])
    output = {**values["output"], "file_mb": tuple(values["output"]["file_mb"])}
    return Result(**{**values, "costs": costs, "output": Output(**output)})
