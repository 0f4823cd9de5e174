"""Jobs as benchmarks run them: each in a process of its own, on a root of the benchmark's, with its cost."""

from __future__ import annotations

import sys
from pathlib import Path

from measure import Cost, measure

HOUSE = Path(__file__).resolve().parents[1]


def sets(*settings: str) -> list[str]:
    """Return the settings, each KEY=VALUE, as arguments."""
    return [word for one in settings for word in ("--set", one)]


def run(root: Path, job: str, *words: str) -> Cost:
    """Run a job on a root and return what it took; what it says is in bench.log there. RuntimeError where it fails."""
    root.mkdir(parents=True, exist_ok=True)
    return measure([sys.executable, str(HOUSE / "jobs" / f"{job}.py"), "--root", str(root), *words], root / "bench.log")
