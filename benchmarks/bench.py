"""What the main job costs, and how the cost grows with rows: fresh processes, alternated, whole process trees.

    make bench ROWS=20000000        the sizes are a quarter, a half and the whole of ROWS

Each contender is a way to do the same work on the same day of impressions. The log is made once and used again.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

from measure import Cost, measure

HOUSE = Path(__file__).resolve().parents[1]
WORK = HOUSE / "build" / "bench"
RESULTS = HOUSE / "benchmarks" / "results"
RECORD = RESULTS / "prepare_examples.json"
DAY = "2026-01-05"
#: Bytes on disk for a row: the log, and the examples of every contender.
BYTES_PER_ROW = 120


@dataclass(frozen=True)
class Contender:
    """A way to do the work: its name, and the command for a log of so many rows, writing under a folder."""

    name: str
    command: Callable[[Path, Path], list[str]]


@dataclass(frozen=True)
class Result:
    """One contender at one size: the median of its runs, and what it wrote."""

    contender: str
    rows: int
    cpu_s: float
    wall_s: float
    peak_gb: float
    runs: int
    files: int
    output_mb: float
    output_rows: int

    @property
    def rows_per_s(self) -> float:
        """Return input rows a second of wall time."""
        return self.rows / self.wall_s


#: Spark's own launcher with a small heap, and the library as a zip.
SMALL_HEAP = (
    str(Path(sys.executable).with_name("spark-submit")),
    *("--properties-file", "conf/spark-local.conf", "--driver-memory", "2g", "--py-files", "dist/winnow.zip"),
)


def winnow(*settings: str, launcher: Sequence[str] = (sys.executable,)) -> Callable[[Path, Path], list[str]]:
    """Return the command of the main job with more settings."""

    def command(log: Path, out: Path) -> list[str]:
        words = [*launcher, "jobs/prepare_examples.py", "--root", str(out), "--date", DAY]
        words += ["--set", f'tables.impressions="{log / "impressions"}"']
        words += ["--set", 'sampling.strata=["surface", "device", "country"]']
        for setting in settings:
            words += ["--set", setting]
        return words

    return command


CONTENDERS = (
    Contender("winnow, duplicates trusted", winnow("sampling.duplicates=trust")),
    Contender("winnow, duplicates settled", winnow("sampling.duplicates=settle")),
    Contender("winnow, trusted, exact", winnow("sampling.duplicates=trust", "sampling.exact=true")),
    Contender("winnow, trusted, 2 GB heap", winnow("sampling.duplicates=trust", launcher=SMALL_HEAP)),
)


def main() -> None:
    """Make the logs, run the contenders, print and store the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000_000, help="rows of the largest log")
    parser.add_argument("--runs", type=int, default=3, help="runs of each contender and size; the median is reported")
    parser.add_argument("--only", default="", help="contenders whose names hold this")
    arguments = parser.parse_args()
    sizes = sorted({arguments.rows // 4, arguments.rows // 2, arguments.rows})
    os.chdir(HOUSE)
    os.environ["PYSPARK_PYTHON"] = sys.executable
    subprocess.run([sys.executable, "tools/make_zip.py"], check=True, stdout=subprocess.DEVNULL)
    WORK.mkdir(parents=True, exist_ok=True)
    need, free = sum(sizes) * BYTES_PER_ROW, shutil.disk_usage(WORK).free
    if free < need:
        sys.exit(f"bench: expected {need / 1e9:.0f} GB of free disk at {WORK}, found {free / 1e9:.0f} GB")
    contenders = [contender for contender in CONTENDERS if arguments.only in contender.name]
    results = []
    for rows in sizes:
        log = make_log(rows)
        costs: dict[str, list[Cost]] = {contender.name: [] for contender in contenders}
        for run in range(arguments.runs):
            for contender in contenders:
                out = WORK / "out"
                shutil.rmtree(out, ignore_errors=True)
                cost = measure(contender.command(log, out), WORK / "bench.log")
                costs[contender.name].append(cost)
                print(f"{rows:>11,} rows, run {run + 1}, {contender.name}: {cost.cpu_s:.1f} CPU s", flush=True)
                if run == arguments.runs - 1:
                    results.append(result_of(contender, rows, costs[contender.name], out))
    results = with_known(results)
    print(table_of(results))
    store(results)


def make_log(rows: int) -> Path:
    """Return the folder of a day of so many impressions, made by the generator when it is not there."""
    log = WORK / f"log-{rows}"
    if not (log / ".done").exists():
        shutil.rmtree(log, ignore_errors=True)
        words = [sys.executable, "jobs/make_impressions.py", "--root", str(log), "--date", DAY]
        words += ["--set", f"synthetic.rows_per_day={rows}", "--set", f"synthetic.users={max(1000, rows // 10)}"]
        cost = measure(words, WORK / "bench.log")
        print(f"{rows:>11,} rows made in {cost.cpu_s:.0f} CPU s, {cost.peak_gb:.1f} GB", flush=True)
        (log / ".done").touch()
    return log


def result_of(contender: Contender, rows: int, costs: list[Cost], out: Path) -> Result:
    """Return the medians of the runs, and the size of the table that the last one wrote."""
    files = list((out / "examples" / f"event_date={DAY}").glob("*.parquet"))
    actions = (out / "examples" / "_delta_log").glob("*.json")
    added = [
        json.loads(line)["add"] for path in actions for line in path.read_text().splitlines() if '"add"' in line[:8]
    ]
    return Result(
        contender.name,
        rows,
        statistics.median(cost.cpu_s for cost in costs),
        statistics.median(cost.wall_s for cost in costs),
        max(cost.peak_gb for cost in costs),
        len(costs),
        len(files),
        sum(path.stat().st_size for path in files) / 1e6,
        sum(json.loads(action["stats"])["numRecords"] for action in added),
    )


def table_of(results: list[Result]) -> str:
    """Return the results as a Markdown table, with the slope between the sizes."""
    lines = [
        "| contender | rows in | runs | CPU s | CPU s a million more rows | wall s | rows/s | peak GB | rows out | files | MB out |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    before: dict[str, Result] = {}
    for result in results:
        smaller = before.get(result.contender)
        slope = "" if smaller is None else f"{(result.cpu_s - smaller.cpu_s) / (result.rows - smaller.rows) * 1e6:.2f}"
        lines.append(
            f"| {result.contender} | {result.rows:,} | {result.runs} | {result.cpu_s:.1f} | {slope} | {result.wall_s:.1f} | "
            f"{result.rows_per_s:,.0f} | {result.peak_gb:.1f} | {result.output_rows:,} | {result.files} | "
            f"{result.output_mb:.0f} |"
        )
        before[result.contender] = result
    return "\n".join(lines)


def with_known(results: list[Result]) -> list[Result]:
    """Return the results with those of former runs beside them, of contenders and sizes that were not run again."""
    if not RECORD.exists():
        return results
    names = {contender.name for contender in CONTENDERS}
    known = [Result(**result) for result in json.loads(RECORD.read_text(encoding="utf-8"))["results"]]
    merged = {(result.rows, result.contender): result for result in known if result.contender in names}
    merged |= {(result.rows, result.contender): result for result in results}
    return [merged[key] for key in sorted(merged)]


def store(results: list[Result]) -> None:
    """Write the table and the numbers, with what they were measured on."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    java = subprocess.run(["java", "-version"], capture_output=True, text=True, check=False).stderr.splitlines()[0]
    machine = {
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "machine": f"{os.cpu_count()} cores ({platform.machine()}), {memory:.0f} GiB",
        "load": os.getloadavg()[2],
        "versions": {name: version(name) for name in ("pyspark", "delta-spark")} | {"java": java},
    }
    RESULTS.mkdir(exist_ok=True)
    about = ", ".join(f"{key}: {value}" for key, value in machine.items())
    page = f"# The main job\n\nMedians; {about}\n\n{table_of(results)}\n"
    RECORD.with_suffix(".md").write_text(page, encoding="utf-8")
    record = {**machine, "results": [asdict(result) for result in results]}
    RECORD.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
