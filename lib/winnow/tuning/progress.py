"""Progress on a terminal: how many trials are done, the best so far, and how long the rest may take."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TextIO


class Progress:
    """One line that is written over; nothing where nobody looks, such as in a log."""

    def __init__(self, total: int, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin to count; ``total``: trials that are left to do."""
        self._total, self._stream, self._clock = total, stream, clock
        self._started, self._done = clock(), 0
        self._lock = threading.Lock()

    def tell(self, best: float | None) -> None:
        """Count a finished trial and show where the study stands."""
        with self._lock:
            self._done += 1
            if not self._stream.isatty():
                return
            left = (self._clock() - self._started) / self._done * max(0, self._total - self._done)
            told = (
                f"{self._done} of {self._total} trials, best {best:.4f}" if best is not None else f"{self._done} trials"
            )
            self._stream.write(f"\r\x1b[K{told}, about {_told(left)} left")
            self._stream.flush()

    def end(self) -> None:
        """Leave the line."""
        if self._done and self._stream.isatty():
            self._stream.write("\r\x1b[K")
            self._stream.flush()


def _told(seconds: float) -> str:
    whole = round(seconds)
    return (
        f"{whole} s"
        if whole < 60
        else f"{-(-whole // 60)} min"
        if whole < 3600
        else f"{whole // 3600} h {whole % 3600 // 60} min"
    )
