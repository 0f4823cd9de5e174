"""How many trials a sequential search needs to be as good as a grid: on a generated week, by real runs of jobs/tune.py.

    .venv/bin/python benchmarks/tuning_bench.py --model item_item --engine sail
    .venv/bin/python benchmarks/tuning_bench.py --model als

The grid tries every point of 4 x 4 x 3; then each seed's sequential search has a third of those trials over the same ranges,
and learns nothing of the grid. Both are judged by precision@10 on the same folds by time. What was finished before is not made
again: a bench that was stopped goes on, and its costs are then those of the rest.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from deltalake import DeltaTable

from job_runs import HOUSE, run, sets
from measure import Cost

WORK = HOUSE / "build" / "tuning-bench"
WEEK = ("--start", "2026-01-05", "--end", "2026-01-11")
#: The days that the settings are searched on; the last one is kept for the test.
SEARCHED = ("--start", "2026-01-05", "--end", "2026-01-10")
POINTS = 4 * 4 * 3
#: Rows of each user and day: dense enough that precision tells settings apart, of users enough that it does not jump.
ROWS_PER_USER = 20
SPACES = {
    "als": (
        'tuning.space={"retrieval.als.rank" = {low = 4, high = 64, log = true, steps = 4}, '
        '"retrieval.als.regularisation" = {low = 0.01, high = 10.0, log = true, steps = 4}, '
        '"retrieval.als.alpha" = {low = 1.0, high = 100.0, log = true, steps = 3}}'
    ),
    "item_item": (
        'tuning.space={"retrieval.item_item.shrinkage" = {low = 1.0, high = 3000.0, log = true, steps = 4}, '
        '"retrieval.item_item.neighbours" = {low = 5, high = 200, log = true, steps = 4}, '
        '"retrieval.item_item.most_per_user" = {low = 5, high = 100, log = true, steps = 3}}'
    ),
}
OBJECTIVE = "precision@10"


def main() -> int:
    """Run the searches and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=SPACES, default="als")
    parser.add_argument("--engine", choices=("spark", "sail"), default="spark")
    parser.add_argument("--rows-per-day", type=int, default=100_000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--results", type=Path, default=HOUSE / "benchmarks" / "results" / "tuning.md")
    arguments = parser.parse_args()
    os.chdir(HOUSE)
    if not (WORK / ".made").exists():
        rows = arguments.rows_per_day
        sizes = (f"synthetic.rows_per_day={rows}", f"synthetic.users={rows // ROWS_PER_USER}", "synthetic.media=500")
        on = ("--engine", arguments.engine)
        run(WORK, "make_impressions", *WEEK, *sets(*sizes), *on)
        run(WORK, "prepare_examples", *WEEK, *sets("splitting.test_start=2026-01-11"), *on)
        (WORK / ".made").touch()
    costs: dict[str, Cost] = {}
    for study, kind, trials, seed in [
        ("grid", "grid", POINTS, 1),
        *((f"seed {seed}", "sequential", POINTS // 3, seed) for seed in arguments.seeds),
    ]:
        words = sets(f"tuning.search={kind}", f"tuning.trials={trials}", f"tuning.seed={seed}")
        costs[study] = search(named(arguments.model, study), arguments.model, arguments.engine, words)
        write(arguments.results, arguments.model, costs)
    return 0


def search(study: str, model: str, engine: str, words: list[str]) -> Cost:
    """Run a study."""
    als = ("retrieval.als.iterations=5", "retrieval.als.user_blocks=2", "retrieval.als.item_blocks=2")
    asked = (f"tuning.study={study}", f"tuning.model={model}", f"tuning.objective={OBJECTIVE}", SPACES[model])
    fixed = ("tuning.pruning=none", "splitting.folds.train_days=4")
    out = ("--out", str(WORK / f"{study}.toml"), "--engine", engine)
    return run(WORK, "tune", *SEARCHED, *sets(*asked, *als, *fixed), *words, *out)


def named(model: str, study: str) -> str:
    """Return the study's name as the table has it."""
    return f"{model}_{study}".replace(" ", "_")


def write(results: Path, model: str, costs: dict[str, Cost]) -> None:
    """Write the page: what each search reached, and after how many trials it was as good as the grid."""
    found: dict[str, dict[int, float]] = {}
    for row in DeltaTable(str(WORK / "trials")).to_pyarrow_table().to_pylist():
        found.setdefault(row["study"], {})[row["trial"]] = row["value"] or 0.0
    best = max(found[named(model, "grid")].values())
    lines = [
        "# A sequential search beside a grid",
        "",
        f"{model} on a generated week, {OBJECTIVE} on two folds by time. The grid has {POINTS} points, a sequential search a third of",
        "those trials. Made by `benchmarks/tuning_bench.py`, whose runs are real ones of `jobs/tune.py`.",
        "",
        f"| search | trials | best {OBJECTIVE} | of the grid's best | as good as the grid after | CPU s | wall s |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for study, cost in costs.items():
        values = found[named(model, study)]
        after = next((place for place in sorted(values) if values[place] >= best), None)
        lines.append(
            f"| {study} | {len(values)} | {max(values.values()):.5f} | {max(values.values()) / best:.4f} | "
            f"{'never' if after is None else f'{after} trials'} | {cost.cpu_s:.0f} | {cost.wall_s:.0f} |"
        )
    results.write_text("\n".join([*lines, ""]), encoding="utf-8")
    print("\n".join(lines[-1:]), flush=True)


if __name__ == "__main__":
    sys.exit(main())
