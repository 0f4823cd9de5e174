"""What the main job costs, beside other ways to do the same work and beside what cannot be saved.

    make bench ROWS=100000000       the sizes are a twentieth, a fifth, a half and the whole of ROWS

Fresh processes, alternated, whole process trees. The logs are made once and used again. What every contender kept is held
against the sample of a reference; the exit code is 1 where rows differ or a contender failed.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import report
from contenders import CONTENDERS, Contender, Race
from logs import HOUSE, SCREEN, WORK, Log, Size, check_disk, expected_sample, make
from measure import Cost, measure
from results import RECORD, Output, Result, Results, load, machine, output_of, store, today
from same_rows import Sample, checksum, differences, sample_of


def main() -> int:
    """Make the logs, run the contenders, print and store the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000_000, help="rows of the largest log")
    parser.add_argument("--runs", type=int, default=3, help="runs of each contender and size; the median is reported")
    parser.add_argument("--only", default="", help="contenders whose name or race holds this text")
    parser.add_argument("--least", type=int, default=0, help="leave out smaller logs: what is known of them stays")
    parser.add_argument("--results", type=Path, default=HOUSE / "benchmarks" / "results", help="folder of the report")
    arguments = parser.parse_args()
    arguments.results = arguments.results.resolve()
    os.chdir(HOUSE)
    os.environ["PYSPARK_PYTHON"] = sys.executable
    subprocess.run([sys.executable, "tools/make_zip.py"], check=True, stdout=subprocess.DEVNULL)
    WORK.mkdir(parents=True, exist_ok=True)
    arguments.results.mkdir(parents=True, exist_ok=True)
    wanted = [one for one in CONTENDERS if arguments.only in one.name or arguments.only in one.race]
    if not wanted:
        sys.exit(f"bench: expected a text that the name or the race of a contender holds, found {arguments.only!r}")
    sizes = [size for size in sorted(Size, reverse=True) if arguments.rows // size >= arguments.least]
    logs = {size: Log(arguments.rows // size) for size in sizes}
    check_disk(logs.values())
    about = machine()
    results = Results(load(arguments.results / RECORD, about["machine"], {one.name for one in CONTENDERS}))
    faults: list[str] = []
    for size, log in logs.items():
        here = [one for one in wanted if size in one.sizes]
        if not here:
            continue
        new = race(here, log, arguments.runs)
        faults += [f"{result.contender}, {result.rows:,} rows: {result.fault}" for result in new if result.fault]
        results.add(new)
        store(arguments.results / RECORD, about, results)  # each time: a long run may be stopped
        report.write(arguments.results, results, arguments.rows, about)
    print((arguments.results / report.PAGE).read_text(encoding="utf-8"))
    print("\n".join(faults), file=sys.stderr)
    return 1 if faults else 0


def race(contenders: Sequence[Contender], log: Log, runs: int) -> list[Result]:
    """Run the contenders by turns on one log, and return what each took and kept."""
    races = {contender.race for contender in contenders}
    make(log, with_strata=Race.STRATA in races, examples=Race.FLOORS in races)
    expected = expected_sample(log)
    costs: dict[str, list[Cost]] = defaultdict(list)
    outputs: dict[str, Output] = {}
    faults: dict[str, str] = {}
    for run in range(runs):
        for one in contenders:
            if one.name in faults or run >= (one.most_runs or runs):
                continue
            out = WORK / "out"
            shutil.rmtree(out, ignore_errors=True)
            out.mkdir()
            try:
                cost = measure(one.command(log, out), SCREEN)
            except RuntimeError as fault:
                faults[one.name] = f"run {run + 1} failed"
                print(fault, file=sys.stderr)
                continue
            costs[one.name].append(cost)
            outputs[one.name], faulty = inspect(one, out / "examples", expected)
            if faulty:
                faults[one.name] = faulty
            about = f"{cost.cpu_s:.1f} CPU s, {cost.wall_s:.1f} s, {cost.peak_gb:.1f} GB"
            print(f"{log.rows:>11,} rows, run {run + 1}, {one.name}: {about}{faulty and ': ' + faulty}", flush=True)
    shutil.rmtree(WORK / "out", ignore_errors=True)
    return [
        Result(
            one.name,
            one.race,
            one.number,
            log.rows,
            log.files,
            today(),
            tuple(costs[one.name]),
            outputs.get(one.name, Output()),
            str(one.keeps or ""),
            faults.get(one.name, ""),
        )
        for one in contenders
    ]


def inspect(one: Contender, examples: Path, expected: Sample) -> tuple[Output, str]:
    """Return what was written, and how its rows break the contender's promise (empty when they keep it)."""
    output = output_of(examples)
    if one.keeps is None:
        return output, ""
    if not output.rows:
        return output, "wrote no rows"
    sample = sample_of(examples)
    return replace(output, ids=checksum(sample)), differences(sample, expected, one.keeps)


if __name__ == "__main__":
    sys.exit(main())
