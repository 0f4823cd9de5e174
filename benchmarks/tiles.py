"""What a day of tiles costs as the day grows: ``python benchmarks/tiles.py ROWS ROWS...``, a line of Markdown each.

A day of each size is generated, with users in proportion and one catalogue, and build_profiles runs on it in a process of
its own. The last column takes off what a run of no rows to speak of costs, so that equal numbers are a straight line.
"""

from __future__ import annotations

import shutil
import sys

from job_runs import HOUSE, run, sets
from measure import Cost

WORK = HOUSE / "build" / "tiles"
DAY = "2026-01-05"
#: A day that costs what starting, planning and committing cost.
_NO_ROWS = 1_000
_ROWS_PER_USER, _MEDIA = 10, 5_000


def cost_of(rows: int) -> Cost:
    """Return what the tiles of a day of so many rows cost; the day is made, and removed again."""
    sizes = {
        "rows_per_day": rows,
        "users": max(1, rows // _ROWS_PER_USER),
        "media": _MEDIA,
        "searches_per_day": rows // 20,
    }
    root, words = WORK / str(rows), sets(*(f"synthetic.{name}={value}" for name, value in sizes.items()))
    run(root, "make_impressions", "--date", DAY, *words)
    cost = run(root, "build_profiles", "--date", DAY)
    shutil.rmtree(root)
    return cost


def main(sizes: list[int]) -> None:
    """Print the table."""
    start = cost_of(_NO_ROWS)
    print("| rows | wall s | CPU s | peak GB | cores of others | CPU s a million rows, start left out |")
    print("| --- | --- | --- | --- | --- | --- |")
    print(
        f"| {_NO_ROWS:,} | {start.wall_s:.0f} | {start.cpu_s:.0f} | {start.peak_gb:.1f} | {start.others_cores:.1f} | |"
    )
    for rows in sizes:
        cost = cost_of(rows)
        slope = (cost.cpu_s - start.cpu_s) / rows * 1e6
        print(
            f"| {rows:,} | {cost.wall_s:.0f} | {cost.cpu_s:.0f} | {cost.peak_gb:.1f} | {cost.others_cores:.1f} | {slope:.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main([int(word) for word in sys.argv[1:]] or [500_000, 1_000_000, 2_000_000])
