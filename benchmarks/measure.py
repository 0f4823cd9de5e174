"""Run a command in a fresh process and account for its whole tree: CPU seconds, wall seconds, peak memory.

What other processes took meanwhile is told too: a busy machine makes a run dearer than a quiet one.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36
_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Cost:
    """What a command took."""

    cpu_s: float
    wall_s: float
    peak_gb: float
    #: Cores that other processes kept busy meanwhile, on average.
    others_cores: float


def measure(command: Sequence[str], log: Path) -> Cost:
    """Run the command, its output appended to ``log``, and return what it and all its descendants took.

    Spark's JVM outlives the process that started it for a moment: as the subreaper we inherit it, wait for it, and so
    get its account from the kernel. Linux only. Raises RuntimeError when the command fails.
    """
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    start, busy, own = time.monotonic(), _busy_s(), time.process_time()
    # As Python does by itself: what it has compiled of a package it keeps for the next run.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    with log.open("ab") as out:
        process = subprocess.Popen(
            command, stdout=out, stderr=out, stdin=subprocess.DEVNULL, start_new_session=True, env=environment
        )
    peak = _Peak(process.pid)
    cpu_s, code = 0.0, 0
    while True:
        try:
            child, status, usage = os.wait4(-1, 0)
        except ChildProcessError:
            break
        cpu_s += usage.ru_utime + usage.ru_stime
        if child == process.pid:
            code = process.returncode = os.waitstatus_to_exitcode(status)
    wall_s = time.monotonic() - start
    if code:
        raise RuntimeError(f"{' '.join(command)}: exit code {code}; its output is in {log}")
    peak_bytes = peak.stop()
    others_s = _busy_s() - busy - cpu_s - (time.process_time() - own)
    return Cost(cpu_s, wall_s, peak_bytes / 1e9, max(0.0, others_s / wall_s))


class _Peak:
    """Samples the resident memory of a process session."""

    def __init__(self, session: int) -> None:
        self._session, self._peak, self._stop = session, 0, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> int:
        self._stop.set()
        self._thread.join()
        return self._peak

    def _watch(self) -> None:
        before = 0
        while not self._stop.wait(0.2):
            now = sum(_resident(stat) for stat in Path("/proc").glob("[0-9]*/stat") if self._mine(stat))
            # A process that starts another is there twice for a moment, with all its memory: one look alone may see that.
            self._peak, before = max(self._peak, min(before, now)), now

    def _mine(self, stat: Path) -> bool:
        try:
            return int(stat.read_text().rpartition(")")[2].split()[3]) == self._session
        except (OSError, IndexError):  # the process has ended meanwhile
            return False


def _busy_s() -> float:
    """Return the seconds that all cores together have worked since the machine started."""
    user, nice, system, _idle, _waiting, irq, softirq, *_ = map(int, Path("/proc/stat").read_text().split()[1:9])
    return (user + nice + system + irq + softirq) / _TICKS_PER_S


def _resident(stat: Path) -> int:
    try:
        return int(stat.with_name("statm").read_text().split()[1]) * _PAGE
    except (OSError, IndexError):
        return 0
