"""Whether contenders kept the same rows: each sample is told stratum by stratum, and held against one made apart from Winnow.

The other one is the DuckDB peer's, drawn as Winnow draws. Of each stratum and class are compared the rows, a checksum of
their ids and one of all their values (label, rate and weight too), and the rates.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import duckdb
from deltalake import DeltaTable

STRATA = ("surface", "device", "country")
#: A drawn number of rows that lies further from its mean, in standard deviations, was not drawn by its rate.
_MOST_SIGMAS = 7.0
_TOLD = 3


class Keeps(StrEnum):
    """What a contender promises of its sample, where all positives are kept."""

    SAME = "the same rows"
    #: By a hash or at random: the positives, and each stratum's negatives at the same rate.
    ALIKE = "its own draw at the same rates"
    #: Exactly as many negatives of each stratum as the rate asks for.
    AS_MANY = "its own draw of the exact numbers"


@dataclass(frozen=True)
class Kept:
    """What was kept of one class of a stratum; the checksums are sums of hashes, whatever the order of the rows."""

    rows: int
    ids: str
    values: str
    lowest_rate: float
    highest_rate: float


#: (surface, device, country, label) -> what was kept of it.
Sample = Mapping[tuple[str | int | None, ...], Kept]


def files_of(examples: Path) -> list[Path]:
    """Return the files of a table: of a Delta table those of its newest version, of a plain folder all."""
    if (examples / "_delta_log").is_dir():
        return [Path(file) for file in DeltaTable(str(examples)).file_uris()]
    return list(examples.glob("*.parquet"))


def sample_of(examples: Path) -> Sample:
    """Return what a table of examples holds: the newest version of a Delta table, or a folder of Parquet files."""
    with duckdb.connect() as connection:
        rows = connection.read_parquet(list(map(str, files_of(examples))), hive_partitioning=True)
        own = {"impression_ts": "epoch_us(impression_ts)", "watched_label": "watched_label::INTEGER"}
        values = ", ".join(own.get(name, name) for name in sorted(rows.columns))
        keys = ", ".join(STRATA)
        told = rows.aggregate(
            f"{keys}, watched_label::INTEGER AS label, count(*) AS rows, sum(hash(impression_id)::HUGEINT)::VARCHAR AS ids, "
            f"sum(hash({values})::HUGEINT)::VARCHAR AS values, min(watched_rate), max(watched_rate)",
            f"{keys}, label",
        ).fetchall()
    places = len(STRATA) + 1
    return {row[:places]: Kept(*row[places:]) for row in told}


def checksum(sample: Sample) -> str:
    """Return one number for the ids of all rows."""
    return f"{sum(int(kept.ids) for kept in sample.values()) % 2**64:016x}"


def rows_of(sample: Sample) -> int:
    """Return the number of rows."""
    return sum(kept.rows for kept in sample.values())


def differences(found: Sample, expected: Sample, keeps: Keeps) -> str:
    """Return how a sample breaks its promise, in a few words; empty when it keeps it."""
    faults = []
    for key in sorted({*found, *expected}, key=str):
        of_positives = expected.get((*key[:-1], 1))
        # One negative a positive: as many are expected as there are positives, where there are so many.
        fault = _fault(
            found.get(key),
            expected.get(key),
            of_positives.rows if of_positives else 0,
            Keeps.SAME if key[-1] == 1 else keeps,
        )
        if fault:
            faults.append(f"{' '.join(map(str, key))}: {fault}")
    more = f" and {len(faults) - _TOLD} more" if len(faults) > _TOLD else ""
    return "; ".join(faults[:_TOLD]) + more


def _fault(mine: Kept | None, theirs: Kept | None, positives: int, keeps: Keeps) -> str:
    rows = mine.rows if mine else 0
    if keeps is Keeps.SAME or (theirs is not None and theirs.lowest_rate == 1.0):
        return _first_difference(mine, theirs)
    if mine and theirs and _rates(mine) != _rates(theirs):
        return f"expected the rate {_rates(theirs)}, found {_rates(mine)}"
    spread = 0.0 if keeps is Keeps.AS_MANY else _MOST_SIGMAS * (math.sqrt(positives) + 1)
    return "" if abs(rows - positives) <= spread else f"expected {positives} rows, found {rows}"


def _first_difference(mine: Kept | None, theirs: Kept | None) -> str:
    if mine == theirs:
        return ""
    if mine is None or theirs is None or mine.rows != theirs.rows:
        return f"expected {theirs.rows if theirs else 0} rows, found {mine.rows if mine else 0}"
    if mine.ids != theirs.ids:
        return f"expected {theirs.rows} rows, found as many others"
    if _rates(mine) != _rates(theirs):
        return f"expected the rate {_rates(theirs)}, found {_rates(mine)}"
    return "expected the same values, found others in the same rows"


def _rates(kept: Kept) -> str:
    return " to ".join(dict.fromkeys(map(str, (kept.lowest_rate, kept.highest_rate))))
