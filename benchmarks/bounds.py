"""What the main job promises to cost: each promise a ratio or a limit, judged by the results of the same machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from contenders import DUCKDB, EXACT, LARGE_HEAP, ROW_NUMBER, SAIL, SETTLED, SMALL_HEAP, SPARK, name_of
from logs import Size
from results import Result, Results

#: Rows of the largest log that the promises are made for; with fewer, start-up weighs more.
PROMISED_ROWS = 100_000_000
#: MB of a file, where there are rows enough for several.
_SMALLEST_FILE, _LARGEST_FILE = 64, 256


@dataclass(frozen=True)
class Judgement:
    """A promise held against what was measured on a log of so many rows."""

    promise: str
    rows: int
    measured: str
    #: None = not measured.
    is_kept: bool | None


def judge(results: Results, rows: int) -> list[Judgement]:
    """Return every promise with its judgement, the largest log having so many rows."""
    large, middle = rows // Size.LARGE, rows // Size.MIDDLE
    return [
        _at_most(results, 2.2, SPARK, DUCKDB, large),
        _at_most(results, 1.25, SAIL, DUCKDB, large),
        _at_least(results, 3, ROW_NUMBER, SPARK, middle),
        _at_most(results, 1.3, SETTLED, SPARK, large),
        _at_most(results, 1.3, EXACT, SPARK, large),
        _at_most(results, 1.6, name_of(10, "labels"), SPARK, middle),
        _at_most(results, 1.15, name_of(10_000, "strata"), name_of(100, "strata"), middle),
        _peak(results, 7, LARGE_HEAP, large),
        _passes(results, SMALL_HEAP, large),
        _peak(results, 2, SAIL, large),
        _files_are_no_more(results, SPARK, large),
        _files_are_no_more(results, SAIL, large),
        _files_are_of_a_size(results, SPARK, large),
        _files_are_of_a_size(results, SAIL, large),
    ]


def _at_most(results: Results, limit: float, one: str, other: str, rows: int) -> Judgement:
    ratio, measured = _ratio(results, one, other, rows)
    return Judgement(f"CPU of {one} <= {limit:g} x {other}", rows, measured, None if ratio is None else ratio <= limit)


def _at_least(results: Results, limit: float, one: str, other: str, rows: int) -> Judgement:
    ratio, measured = _ratio(results, one, other, rows)
    return Judgement(f"CPU of {one} >= {limit:g} x {other}", rows, measured, None if ratio is None else ratio >= limit)


def _ratio(results: Results, one: str, other: str, rows: int) -> tuple[float | None, str]:
    upper, lower = results.get(one, rows), results.get(other, rows)
    if upper is None or lower is None or not upper.costs or not lower.costs:
        return None, ""
    ratio = upper.cpu_s / lower.cpu_s
    return ratio, f"{upper.cpu_s:.1f} / {lower.cpu_s:.1f} CPU s = {ratio:.2f}"


def _peak(results: Results, limit: float, one: str, rows: int) -> Judgement:
    def look(result: Result) -> tuple[str, bool | None]:
        return (f"{result.peak_gb:.1f} GB", result.peak_gb <= limit) if result.costs else ("failed", False)

    return _judged(results, f"peak of {one} <= {limit:g} GB", one, rows, look)


def _passes(results: Results, one: str, rows: int) -> Judgement:
    def look(result: Result) -> tuple[str, bool | None]:
        return result.fault or f"passed, peak {result.peak_gb:.1f} GB", not result.fault

    return _judged(results, f"{one} passes", one, rows, look)


def _files_are_no_more(results: Results, one: str, rows: int) -> Judgement:
    def look(result: Result) -> tuple[str, bool | None]:
        files = len(result.output.file_mb)
        return f"{files} files of {result.input_files}", 0 < files <= result.input_files

    return _judged(results, f"{one} writes no more files than it reads", one, rows, look)


def _files_are_of_a_size(results: Results, one: str, rows: int) -> Judgement:
    def look(result: Result) -> tuple[str, bool | None]:
        sizes = result.output.file_mb
        if sum(sizes) < 2 * _SMALLEST_FILE:
            return f"{sum(sizes):.0f} MB are too few to tell", None
        return f"{min(sizes):.0f} to {max(sizes):.0f} MB", all(_SMALLEST_FILE <= mb <= _LARGEST_FILE for mb in sizes)

    return _judged(
        results, f"{one} writes files of {_SMALLEST_FILE} to {_LARGEST_FILE} MB, where the rows allow", one, rows, look
    )


def _judged(
    results: Results, promise: str, one: str, rows: int, look: Callable[[Result], tuple[str, bool | None]]
) -> Judgement:
    result = results.get(one, rows)
    return Judgement(promise, rows, *(("", None) if result is None else look(result)))
