"""The logs that are measured: made once by the generator, and what every contender's sample of one is held against."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Collection
from dataclasses import asdict, dataclass
from enum import IntEnum
from pathlib import Path

import duckdb

from measure import measure
from same_rows import Kept, Sample, sample_of

HOUSE = Path(__file__).resolve().parents[1]
WORK = HOUSE / "build" / "bench"
SCREEN = WORK / "bench.log"
DAY = "2026-01-05"
#: The default strata of what is measured.
STRATA = ("surface", "device", "country")
#: Strata that the columns of a log's twin have.
NUMBERS_OF_STRATA = (10, 100, 1_000, 10_000, 100_000)
#: Bytes on disk for a row of a log and of its twin with other strata; for a row of a log that a contender works on: its
#: examples, and for a middling log what a shuffle of whole rows spills.
_LOG_BYTES, _OUTPUT_BYTES, _SPILL_BYTES = 45, 15, 250


class Size(IntEnum):
    """The sizes of logs, as parts of ROWS: at 100M rows these are 5M, 20M, 50M and 100M."""

    SMALL = 20
    MIDDLE = 5
    HALF = 2
    LARGE = 1


@dataclass(frozen=True)
class Log:
    """A day of so many impressions, and what is made of it once."""

    rows: int

    @property
    def folder(self) -> Path:
        """The folder of all that is made of this log."""
        return WORK / f"log-{self.rows}"

    @property
    def impressions(self) -> Path:
        """The log itself, a Delta table."""
        return self.folder / "impressions"

    @property
    def with_strata(self) -> Path:
        """The same rows with more columns, strata_10 and so on: so many strata each."""
        return self.folder / "with_strata"

    @property
    def examples(self) -> Path:
        """Examples of the log, for the floor of writing them."""
        return self.folder / "examples"

    @property
    def expected(self) -> Path:
        """The sample of the reference, stratum by stratum, as JSON."""
        return self.folder / "expected.json"

    @property
    def files(self) -> int:
        """Number of files of the day."""
        return len(list((self.impressions / f"event_date={DAY}").glob("*.parquet")))


def strata_column(strata: int) -> str:
    """Return the column of a log's twin that has so many values."""
    return f"strata_{strata}"


def check_disk(logs: Collection[Log]) -> None:
    """Exit where the logs that are not there yet, and the contenders' output, would not fit on the disk."""
    largest = max(log.rows for log in logs)
    missing = sum(log.rows for log in logs if not _is_made(log.folder, "made"))
    need = _LOG_BYTES * missing + _OUTPUT_BYTES * largest + (_LOG_BYTES + _SPILL_BYTES) * largest // Size.MIDDLE
    free = shutil.disk_usage(WORK).free
    if free < need:
        sys.exit(f"bench: expected {need / 1e9:.0f} GB of free disk at {WORK}, found {free / 1e9:.0f} GB")


def make(log: Log, *, with_strata: bool, examples: bool) -> None:
    """Make the log, the reference's sample of it and what else is asked for, each unless it is there."""
    words = ["jobs/make_impressions.py", "--root", str(log.folder), "--date", DAY]
    words += ["--set", f"synthetic.rows_per_day={log.rows}", "--set", f"synthetic.users={max(1000, log.rows // 10)}"]
    _once(log.folder, "made", log.folder, words)
    reference = log.folder / "reference"
    words = ["benchmarks/peers/duckdb_two_pass.py", "--draw", "winnow"]
    words += ["--input", str(log.impressions), "--output", str(reference)]
    if _once(log.folder, f"expected by DuckDB {duckdb.__version__}", reference, words):  # whose hashes may change
        log.expected.write_text(_as_json(sample_of(reference)), encoding="utf-8")
        shutil.rmtree(reference)
    if with_strata:
        words = ["benchmarks/strata_log.py", "--input", str(log.impressions), "--output", str(log.with_strata)]
        _once(log.folder, "with_strata", log.with_strata, words)
    if examples:
        words = ["benchmarks/peers/duckdb_two_pass.py", "--input", str(log.impressions), "--output", str(log.examples)]
        _once(log.folder, "examples", log.examples, words)


def expected_sample(log: Log) -> Sample:
    """Return the reference's sample of the log."""
    entries = json.loads(log.expected.read_text(encoding="utf-8"))
    return {tuple(entry["key"]): Kept(**entry["kept"]) for entry in entries}


def _as_json(sample: Sample) -> str:
    return json.dumps([{"key": key, "kept": asdict(kept)} for key, kept in sample.items()])


def _once(folder: Path, what: str, target: Path, words: list[str]) -> bool:
    """Run the command unless it has been done; what a broken one left behind is removed before. Return whether it ran."""
    if _is_made(folder, what):
        return False
    shutil.rmtree(target, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    cost = measure([sys.executable, *words], SCREEN)
    print(f"{folder.name}: {what} in {cost.cpu_s:.0f} CPU s, {cost.peak_gb:.1f} GB", flush=True)
    _mark(folder, what).touch()
    return True


def _is_made(folder: Path, what: str) -> bool:
    return _mark(folder, what).exists()


def _mark(folder: Path, what: str) -> Path:
    return folder / (".done" if what == "made" else f".done-{what.replace(' ', '-')}")
