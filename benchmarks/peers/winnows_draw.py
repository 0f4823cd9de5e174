"""Winnow's draw for engines that do not have Spark's hash: XXH64 of an id of eight bytes, by their own arithmetic.

Spark hashes several columns one after the other: the hash of the first is the seed of the next. The seed of the sample comes
first and is the same for all rows, so that one XXH64 a row is left.

The peers that are raced draw by hashes of their own, which cost them less. By this one they must keep Winnow's very rows.
"""
# ruff: noqa: S608 - the texts that the query is made of stand in this file and in its caller

from __future__ import annotations

import polars as pl

SEED = 20_260_105

_P1, _P2, _P3 = 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9
_P4, _P5 = 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5
_64_BITS = 2**64 - 1
#: Seed of Spark's xxhash64.
_SPARKS_SEED = 42


def duckdb_with_draw(rows: str, column: str) -> str:
    """Return the query ``rows`` with a column draw more.

    A product that does not fit is an error in DuckDB: it is made in twice the width, then cut. What is used twice has a
    query of its own, as DuckDB would else compute it twice.
    """
    steps = (
        _times(f"{column}::UBIGINT", _P2),
        _rotated("h", 31),
        f"xor({_times('h', _P1)}, {_start()}::UBIGINT)",
        _rotated("h", 27),
        f"((h::UHUGEINT * {_P1}::UHUGEINT + {_P4}::UHUGEINT) & {_64_BITS}::UHUGEINT)::UBIGINT",
        _times("xor(h, h >> 33)", _P2),
        _times("xor(h, h >> 29)", _P3),
        "xor(h, h >> 32)",
    )
    query = f"SELECT *, {steps[0]} AS h FROM ({rows})"
    for step in steps[1:]:
        query = f"SELECT * REPLACE ({step} AS h) FROM ({query})"
    return f"SELECT * EXCLUDE (h), (h >> 11) * pow(2, -53) AS draw FROM ({query})"


def polars_draw(column: str) -> pl.Expr:
    """Return the draw as an expression: products wrap round in Polars, and shifts are products and quotients of powers."""
    h = pl.col(column).cast(pl.UInt64, wrap_numerical=True) * _u64(_P2)
    h = _turned(h, 31) * _u64(_P1) ^ _u64(_start())
    h = _turned(h, 27) * _u64(_P1) + _u64(_P4)
    h = (h ^ (h // _u64(1 << 33))) * _u64(_P2)
    h = (h ^ (h // _u64(1 << 29))) * _u64(_P3)
    h = h ^ (h // _u64(1 << 32))
    return (h // _u64(1 << 11)).cast(pl.Float64) * 2.0**-53


def _start() -> int:
    """Return what XXH64 of an id begins with, the hash of the sample's seed being its seed."""
    h = (_SPARKS_SEED + _P5 + 8) & _64_BITS
    h ^= _turn(SEED * _P2 & _64_BITS, 31) * _P1 & _64_BITS
    h = (_turn(h, 27) * _P1 + _P4) & _64_BITS
    h = (h ^ h >> 33) * _P2 & _64_BITS
    h = (h ^ h >> 29) * _P3 & _64_BITS
    h ^= h >> 32
    return (h + _P5 + 8) & _64_BITS


def _turn(value: int, bits: int) -> int:
    return (value << bits | value >> (64 - bits)) & _64_BITS


def _times(value: str, factor: int) -> str:
    return f"(({value}::UHUGEINT * {factor}::UHUGEINT) & {_64_BITS}::UHUGEINT)::UBIGINT"


def _rotated(value: str, bits: int) -> str:
    return f"((({value} & {2 ** (64 - bits) - 1}::UBIGINT) << {bits}) | ({value} >> {64 - bits}))"


def _turned(value: pl.Expr, bits: int) -> pl.Expr:
    return (value * _u64(1 << bits)) | (value // _u64(1 << (64 - bits)))


def _u64(value: int) -> pl.Expr:
    return pl.lit(value, dtype=pl.UInt64)
