"""What retrieval costs a large service, by the slopes that benchmarks/results/retrieval.md has, as a part of docs/scaling.md.

.venv/bin/python benchmarks/retrieval_scaling.py
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np

HOUSE = Path(__file__).resolve().parents[1]
RESULTS, PAGE = HOUSE / "benchmarks" / "results" / "retrieval.md", HOUSE / "docs" / "scaling.md"
BEGIN, END = "<!-- made by benchmarks/retrieval_scaling.py -->", "<!-- end -->"
#: The service: all who have an account, those of them who come on a day, and what there is to watch.
SUBSCRIBERS, DAILY, MEDIA = 150_000_000, 50_000_000, 100_000
#: Pairs of a user and a media that a fit knows: so many a subscriber.
PAIRS = 20
#: Length of a list, and numbers of a vector.
TOP, RANK = 100, 64
#: Cores of a cluster, in executors of 4, and the share of the time that they are busy.
CORES, BUSY = (16, 64, 256), 0.85
#: Seconds of the driver and of executors that compile the loops for themselves, as in the rest of the page.
FIXED_S = 26


class Slopes(NamedTuple):
    """What the bench has measured."""

    #: CPU seconds for each user and media that are held against each other.
    per_score: float
    #: CPU seconds for each pair that ALS is fitted to, and those of any fit; and the rank and the sizes measured.
    per_pair: float
    fixed: float
    rank: int
    largest: int
    #: How many sizes were measured.
    sizes: int
    #: How far the worst measured fit is off the line, as a share of it.
    off_the_line: float


def main() -> int:
    """Put the part into the page."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(f"{before}{part(slopes(RESULTS.read_text(encoding='utf-8')))}{after}", encoding="utf-8")
    return 0


def slopes(page: str) -> Slopes:
    """Read the newest race of exact lists and the newest fit of each size."""
    *_, race = re.finditer(
        r"([\d,]+) users x ([\d,]+) media, rank (\d+).*?scoring\.best \| [\d.]+ \| ([\d.]+)", page, re.DOTALL
    )
    users, media, rank, cpu_s = (float(word.replace(",", "")) for word in race.groups())
    assert rank == RANK
    fits = re.findall(r"ALS, rank (\d+), 10 iterations, ([\d,]+) interactions, start included: ([\d.]+) CPU s", page)
    of_rank = {int(pairs.replace(",", "")): float(cpu) for rank, pairs, cpu in fits if rank == fits[-1][0]}
    sizes, costs = np.array([*of_rank]), np.array([*of_rank.values()])
    per_pair, fixed = np.polyfit(sizes, costs, 1, w=1 / costs)  # every size counts alike, by shares
    line = fixed + per_pair * sizes
    off = float(np.max(np.abs(costs / line - 1)))
    return Slopes(cpu_s / (users * media), per_pair, fixed, int(fits[-1][0]), int(sizes.max()), len(sizes), off)


def part(found: Slopes) -> str:
    """Return the part of the page."""
    jobs = {
        f"a fit of ALS of rank {found.rank} to {SUBSCRIBERS * PAIRS / 1e9:.0f}B pairs": found.per_pair
        * SUBSCRIBERS
        * PAIRS,
        f"exact lists of the {DAILY / 1e6:.0f}M who come today": found.per_score * DAILY * MEDIA,
        f"exact lists of all {SUBSCRIBERS / 1e6:.0f}M": found.per_score * SUBSCRIBERS * MEDIA,
    }
    lines = [
        BEGIN,
        f"Measured (`benchmarks/results/retrieval.md`): {found.per_score * 1e9:.2f} CPU s a billion scores (rank {RANK}, top-{TOP}); "
        f"{found.per_pair * 1e6:.1f} CPU s a million pairs of a fit of ALS (rank {found.rank}, 10 passes, up to "
        f"{found.largest / 1e6:.0f}M pairs), and {found.fixed:.0f} CPU s of any fit, by {found.sizes} sizes, the worst of them {found.off_the_line:.0%} off that line.",
        "",
        f"A service of {SUBSCRIBERS / 1e6:.0f}M subscribers, {DAILY / 1e6:.0f}M of whom come on a day, {MEDIA:,} media, {PAIRS} known pairs a subscriber. "
        f"Minutes, with cores busy {BUSY:.0%} of the time and {FIXED_S} s for the start:",
        "",
        "| | CPU hours | " + " | ".join(f"{cores // 4} executors ({cores} cores)" for cores in CORES) + " |",
        "| --- | ---: |" + " ---: |" * len(CORES),
    ]
    for name, cpu_s in jobs.items():
        cells = " | ".join(f"{(FIXED_S + cpu_s / (cores * BUSY)) / 60:.0f}" for cores in CORES)
        lines.append(f"| {name} | {cpu_s / 3600:.1f} | {cells} |")
    catalogue_gb = MEDIA * RANK * 4 / 1e9
    factors_gb = SUBSCRIBERS * RANK * 4 / 1e9
    ratings_gb = SUBSCRIBERS * PAIRS * 12 * 2 / 1e9
    lines += [
        "",
        f"Memory: the catalogue's vectors are {catalogue_gb:.3f} GB, and each task holds them, with 8,192 users at a time: {2 * catalogue_gb:.2f} GB with its "
        f"index. The fit holds the pairs twice, by user and by media, and the factors: {ratings_gb:.0f} + {factors_gb:.0f} GB over the cluster, so "
        f"16 executors of 4 cores and 16 GB, with `retrieval.als.user_blocks` and `item_blocks` at the number of cores or a few times that. "
        f"Lists are {DAILY * TOP / 1e9:.0f}B rows a source and day: write them by `retrieval.scoring.parts`, so that a run that is stopped goes on.",
        END,
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
