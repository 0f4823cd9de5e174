"""The report of what was measured: one page of Markdown with its charts, all of it computed from the record."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from bounds import PROMISED_ROWS, judge
from chart import Bars, Line, Lines, svg
from contenders import (
    CONTENDERS,
    DUCKDB,
    EXACT,
    LARGE_HEAP,
    POLARS,
    ROW_NUMBER,
    SAIL,
    SAMPLE_BY,
    SETTLED,
    SMALL_HEAP,
    SPARK,
    Race,
    name_of,
)
from logs import NUMBERS_OF_STRATA, Size
from results import Result, Results
from same_rows import Keeps

PAGE = "bench.md"
_STYLE = {SPARK: 0, SAIL: 1, DUCKDB: 2, POLARS: 3, SAMPLE_BY: 4, ROW_NUMBER: 4}
_LABELS = (1, 3, 10)
_DRAWS = """\
Every contender reads the same version of the same log, refuses, labels, draws, weighs and writes all columns and the label,
rate and weight as Parquet. What each kept is held, stratum by stratum and class by class, against the sample of a reference
that was written apart from Winnow: `peers/duckdb_two_pass.py` with Winnow's draw. Compared are the number of rows, a checksum
of their ids, one of all their values, and the rates; *the same rows* means that all of these are equal.

The peers that are raced draw by the hash that their engine has: Spark's would cost them more, and nobody would write it by
hand. Their positives, with rates and weights, must be equal, and their negatives as many as the rates let expect; *of the
exact numbers* means just as many. That they do the same work is proved by the runs with Winnow's draw, which keep the very
rows. The two forms on Spark run in a session as its guides make it, with Winnow's 4 GB heap, and once more in Winnow's own
session: what its settings alone are worth."""


def write(folder: Path, results: Results, rows: int, machine: dict[str, Any]) -> None:
    """Write the page and its charts, for a largest log of so many rows."""
    for name, panels in _charts(results, rows).items():
        (folder / f"{name}.svg").write_text(svg(panels), encoding="utf-8")
    (folder / PAGE).write_text("\n".join(_page(results, rows, machine)), encoding="utf-8")


def _page(results: Results, rows: int, machine: dict[str, Any]) -> Iterable[str]:
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    dates = sorted({result.date for result in results})
    yield from ("# What the main job costs", "")
    yield (
        f"{' to '.join(dict.fromkeys((dates[0], dates[-1])))}; {machine['machine']}; {versions}. Fresh processes with start-up, whole process trees, alternated; "
        f"medians of the runs, and the highest peak. Load before: {machine['load']}; *others*: cores that other processes kept "
        "busy during the runs."
    )
    yield from ("", "## Promises", "")
    if rows != PROMISED_ROWS:
        yield from (f"Made for a largest log of {PROMISED_ROWS:,} rows, where start-up weighs less.", "")
    yield from ("| promise | rows | measured | |", "| --- | ---: | --- | --- |")
    for judged in judge(results, rows):
        verdict = {True: "pass", False: "**FAIL**", None: "-"}[judged.is_kept]
        yield f"| {judged.promise} | {judged.rows:,} | {judged.measured or 'not measured'} | {verdict} |"
    yield from ("", "## Growth", "", *(f"![{name}]({name}.svg)\n" for name in _charts(results, rows)))
    yield from ("## The same rows", "", _DRAWS, "")
    for size in sorted(Size, reverse=True):
        yield from _sameness(results, rows // size)
    for race in Race:
        mine = [result for result in results if result.race == race]
        if mine:
            yield from ("", f"## {race}", "", *_table(mine, has_output=race is not Race.FLOORS))
    yield ""


def _sameness(results: Results, rows: int) -> Iterable[str]:
    here = [result for result in results if result.rows == rows and result.keeps]
    right = [result for result in here if not result.fault]
    for promise in dict.fromkeys(result.keeps for result in right):
        mine = [result for result in right if result.keeps == promise]
        told = f"{mine[0].output.rows:,} examples, checksum `{mine[0].output.ids}`: " if promise == Keeps.SAME else ""
        yield f"* {rows:,} rows, {promise}: {told}{'; '.join(result.contender for result in mine)}."
    yield from (f"* **{rows:,} rows: {result.contender}: {result.fault}**" for result in here if result.fault)


def _table(results: Sequence[Result], *, has_output: bool) -> Iterable[str]:
    heads = ["contender", "rows in", "runs", "CPU s", "CPU s a million more rows", "wall s", "peak GB", "others"]
    heads += ["rows out", "files", "MB out", "codec", "sample"] if has_output else []
    yield f"| {' | '.join(heads)} |"
    yield f"| --- |{' ---: |' * (len(heads) - 1)}"
    order = {contender.name: place for place, contender in enumerate(CONTENDERS)}
    before: Result | None = None
    for result in sorted(results, key=lambda one: (order[one.contender], one.rows)):
        if not result.costs:
            yield f"| {result.contender} | {result.rows:,} | {result.fault} |"
            continue
        smaller = before if before is not None and before.contender == result.contender else None
        slope = f"{(result.cpu_s - smaller.cpu_s) / (result.rows - smaller.rows) * 1e6:.2f}" if smaller else ""
        cells = [result.contender, f"{result.rows:,}", f"{len(result.costs)}", f"{result.cpu_s:.1f}", slope]
        cells += [f"{result.wall_s:.1f}", f"{result.peak_gb:.1f}", f"{result.others_cores:.1f}"]
        if has_output:
            output = result.output
            kept = f"**{result.fault}**" if result.fault else result.keeps or "not compared"
            cells += [f"{output.rows:,}", f"{len(output.file_mb)}", f"{sum(output.file_mb):.0f}", output.codec, kept]
        yield f"| {' | '.join(cells)} |"
        before = result


def _charts(results: Results, rows: int) -> dict[str, list[Lines | Bars]]:
    engines = {SPARK: SPARK, SAIL: SAIL, DUCKDB: "DuckDB", POLARS: "Polars"}
    heaps = {LARGE_HEAP: "Spark, 12 GB heap", SMALL_HEAP: "Spark, 4 GB heap"}

    def over_rows(names: dict[str, str], what: str, styles: Sequence[int]) -> list[Line]:
        return [
            Line(told, [(one.rows, getattr(one, what)) for one in results.of(name)], style)
            for (name, told), style in zip(names.items(), styles, strict=True)
        ]

    def over_number(numbers: Sequence[int], of_what: str) -> list[Line]:
        names = {number: name_of(number, of_what) if number > 1 else SPARK for number in numbers}
        found = {number: results.get(name, rows // Size.MIDDLE) for number, name in names.items()}
        return [Line(SPARK, [(number, one.cpu_s) for number, one in found.items() if one and one.costs], 0)]

    def at(size: int) -> Bars:
        found = [(name, results.get(name, size)) for name in _STYLE]
        bars = [(name, one.cpu_s, _STYLE[name]) for name, one in found if one and one.costs]
        return Bars(f"CPU seconds for {size:,} rows", bars)

    middle = f"CPU seconds for {rows // Size.MIDDLE:,} rows"
    return {
        "rows": [
            Lines("CPU seconds", "impressions", over_rows(engines, "cpu_s", range(4))),
            Lines("Wall seconds", "impressions", over_rows(engines, "wall_s", range(4))),
        ],
        "peers": [at(rows // Size.MIDDLE), at(rows)],
        "growth": [
            Lines(middle, "strata", over_number(NUMBERS_OF_STRATA, "strata"), is_log=False),
            Lines(middle, "labels", over_number(_LABELS, "labels"), is_log=False),
        ],
        "settings": [
            Lines(
                "CPU seconds",
                "impressions",
                over_rows({SPARK: "trusted", SETTLED: "settled", EXACT: "trusted, exact"}, "cpu_s", (0, 5, 6)),
            ),
            Lines(
                "Peak memory, GB",
                "impressions",
                over_rows(heaps | {SAIL: SAIL, DUCKDB: "DuckDB", POLARS: "Polars"}, "peak_gb", (0, 4, 1, 2, 3)),
            ),
        ],
    }
