"""Random numbers and arithmetic, for all rows of a DataFrame or for one row in plain Python.

The log's formulas are written once, over ``Draws``. ``ColumnDraws`` makes Spark columns of them; ``NumberDraws`` makes
Python numbers, by the same hashes, so that the truth can be calibrated before any Spark job runs.

Every draw is a hash of (seed, purpose, keys): the same whatever the partitioning, the retry or the order of rows.
"""

from __future__ import annotations

import functools
import hashlib
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from pyspark.sql import functions as F

#: A Spark column, or a Python number, boolean or text: formulas do not ask which.
Value: TypeAlias = Any
#: The values of a row, by name.
Row: TypeAlias = Mapping[str, Value]

#: Slots that shares are counted in: a share is a whole percentage.
SLOTS = 100


@functools.cache
def slots(shares: tuple[int, ...]) -> tuple[int, ...]:
    """Return 100 places of ``shares`` (percentages), each as often as its share says."""
    places = tuple(place for place, share in enumerate(shares) for _ in range(share))
    if len(places) != SLOTS:
        raise ValueError(f"shares sum to {len(places)}, not {SLOTS}: {shares}")
    return places


class Draws(ABC):
    """Draws by hash and the few functions that the formulas need."""

    def __init__(self, seed: int) -> None:
        """Draw for ``seed``."""
        self.seed = seed

    def key(self, purpose: str) -> int:
        """Return the 64-bit number that stands for the seed and the purpose, first in every hash."""
        digest = hashlib.blake2b(f"{self.seed}:{purpose}".encode(), digest_size=8).digest()
        return int.from_bytes(digest, "little", signed=True)

    def uniform(self, purpose: str, *keys: Value) -> Value:
        """Return a number in [0, 1): the upper 53 bits of the hash."""
        return self.bits(self.hash(purpose, *keys), 11, 53) * 2.0**-53

    def normal(self, purpose: str, *keys: Value) -> Value:
        """Return a number of mean 0 and variance 1, nearly normal, in [-3, 3]: the sum of three uniforms of 21 bits."""
        drawn = self.hash(purpose, *keys)
        total = self.bits(drawn, 0, 21) + self.bits(drawn, 21, 21) + self.bits(drawn, 42, 21)
        return (total + 1.5) * 2.0**-20 - 3.0

    def whole(self, purpose: str, count: int, *keys: Value) -> Value:
        """Return a whole number from 0 to ``count`` - 1, all alike, for counts up to 2 ** 31.

        The upper 31 bits of the hash times the count, without its lower 31 bits: no fraction to cut, which is cheap.
        """
        return self.bits(self.bits(self.hash(purpose, *keys), 33, 31) * count, 31, 33)

    def pick(self, purpose: str, shares: tuple[int, ...], *keys: Value) -> Value:
        """Return a place in ``shares`` (percentages), each as often as its share says."""
        return self.look_up(slots(shares), self.whole(purpose, SLOTS, *keys))

    def happens(self, purpose: str, probability: Value, *keys: Value) -> Value:
        """Return true with the probability."""
        return self.uniform(purpose, *keys) < probability

    def zipf(self, purpose: str, count: int, exponent: float, *keys: Value) -> Value:
        """Return a rank from 0 to ``count`` - 1, of density (rank + 1) ** -exponent.

        The inverse of the distribution function of x ** -exponent on [1, count + 1), cut to whole numbers.
        """
        drawn = self.uniform(purpose, *keys)
        rest = 1.0 - exponent
        if abs(rest) < 1e-6:
            place = self.exp(drawn * math.log(count + 1.0))
        else:
            place = self.power(drawn * ((count + 1.0) ** rest - 1.0) + 1.0, 1.0 / rest)
        return self.least(self.whole_part(place), count) - 1

    @abstractmethod
    def hash(self, purpose: str, *keys: Value) -> Value:
        """Return the signed 64-bit xxhash64 of the purpose's key and the keys (whole numbers)."""

    @abstractmethod
    def bits(self, number: Value, first: int, count: int) -> Value:
        """Return ``count`` bits of a whole number from bit ``first`` on, as a whole number."""

    @abstractmethod
    def look_up(self, table: Sequence[Any], place: Value) -> Value:
        """Return the entry of ``table`` at ``place``, from 0."""

    @abstractmethod
    def where(self, condition: Value, yes: Value, no: Value) -> Value:
        """Return ``yes`` where the condition is true, else ``no``; both are worked out."""

    @abstractmethod
    def whole_part(self, number: Value) -> Value:
        """Return a number without what stands behind its point; for what is not negative, the floor."""

    def quotient(self, number: Value, divisor: int) -> Value:
        """Return how often ``divisor`` goes into a whole number from 0 to 2 ** 48: by a product, as Spark's / may be null."""
        return self.whole_part((number + 0.5) * (1.0 / divisor))

    def logistic(self, number: Value) -> Value:
        """Return 1 / (1 + exp(-number))."""
        return self.sure(1.0 / (1.0 + self.exp(-number)))

    def sure(self, value: Value) -> Value:
        """Return a number that Spark takes for nullable although it never is null.

        Each such number costs a branch in everything that is made of it, and generated methods beyond 8000 bytes are
        never compiled by the JVM: the day would take three times as long.
        """
        return value

    @abstractmethod
    def remainder(self, number: Value, divisor: int) -> Value:
        """Return what is left of a whole number, not negative, after division."""

    @abstractmethod
    def exp(self, number: Value) -> Value:
        """Return e to the power of the number."""

    @abstractmethod
    def log(self, number: Value) -> Value:
        """Return the natural logarithm."""

    @abstractmethod
    def power(self, base: Value, exponent: Value) -> Value:
        """Return ``base`` to the power of ``exponent``."""

    @abstractmethod
    def least(self, one: Value, other: Value) -> Value:
        """Return the smaller of two."""


class ColumnDraws(Draws):
    """Spark columns: nothing runs until the rows are wanted."""

    def hash(self, purpose: str, *keys: Value) -> Value:
        """Return Spark's own xxhash64, which has 42 as its start."""
        return F.xxhash64(F.lit(self.key(purpose)).cast("bigint"), *(_column(key).cast("bigint") for key in keys))

    def bits(self, number: Value, first: int, count: int) -> Value:
        """Return bits by a shift that brings in zeros, and a mask where higher bits are left."""
        shifted = F.shiftrightunsigned(number, first) if first else number
        return shifted if first + count == 64 else shifted.bitwiseAND(F.lit((1 << count) - 1).cast("bigint"))

    def look_up(self, table: Sequence[Any], place: Value) -> Value:
        """Return from an array of literals, which Spark folds to one constant."""
        return F.get(_array(tuple(table)), place)

    def where(self, condition: Value, yes: Value, no: Value) -> Value:
        """Return by CASE WHEN."""
        return F.when(condition, yes).otherwise(no)

    def whole_part(self, number: Value) -> Value:
        """Return a bigint."""
        return number.cast("bigint")

    def sure(self, value: Value) -> Value:
        """Return the number, not nullable."""
        return F.coalesce(value, F.lit(0))

    def remainder(self, number: Value, divisor: int) -> Value:
        """Return by %."""
        return self.sure(number % divisor)

    def exp(self, number: Value) -> Value:
        """Return Spark's exp."""
        return self.sure(F.exp(number))

    def log(self, number: Value) -> Value:
        """Return Spark's natural logarithm."""
        return self.sure(F.log(number))

    def power(self, base: Value, exponent: Value) -> Value:
        """Return Spark's pow."""
        return F.pow(base, F.lit(exponent))

    def least(self, one: Value, other: Value) -> Value:
        """Return Spark's least."""
        return F.least(_column(one), _column(other))


class NumberDraws(Draws):
    """Python numbers: one row at a time."""

    def __init__(self, seed: int) -> None:
        """Draw for ``seed``; keys of purposes are kept, as they are asked for in every row."""
        super().__init__(seed)
        self._starts: dict[str, int] = {}

    def hash(self, purpose: str, *keys: Value) -> Value:
        """Return what Spark's xxhash64 gives for the same bigints."""
        hashed = self._starts.get(purpose)
        if hashed is None:
            hashed = self._starts[purpose] = xxhash64(self.key(purpose), 42)
        for key in keys:
            hashed = xxhash64(key, hashed)
        return hashed

    def bits(self, number: Value, first: int, count: int) -> Value:
        """Return bits of the two's complement."""
        return number >> first & ((1 << count) - 1)

    def look_up(self, table: Sequence[Any], place: Value) -> Value:
        """Return the entry."""
        return table[place]

    def where(self, condition: Value, yes: Value, no: Value) -> Value:
        """Return by a conditional."""
        return yes if condition else no

    def whole_part(self, number: Value) -> Value:
        """Return an int."""
        return int(number)

    def remainder(self, number: Value, divisor: int) -> Value:
        """Return by %."""
        return number % divisor

    def exp(self, number: Value) -> Value:
        """Return math.exp."""
        return math.exp(number)

    def log(self, number: Value) -> Value:
        """Return math.log."""
        return math.log(number)

    def power(self, base: Value, exponent: Value) -> Value:
        """Return the power."""
        return base**exponent

    def least(self, one: Value, other: Value) -> Value:
        """Return the smaller."""
        return min(one, other)


def _array(table: tuple[Any, ...]) -> Value:
    if len(table) == SLOTS:
        # A hundred literals are a hundred calls to the JVM, for each of ten draws: a text is one. It is folded as well.
        return F.split(F.lit(" ".join(map(str, table))), " ").cast("array<int>")
    return F.array(*(F.lit(entry) for entry in table))


def _column(value: Value) -> Value:
    return F.lit(value) if isinstance(value, int | float) else value


_BITS = (1 << 64) - 1
_PRIMES = (
    0x9E3779B185EBCA87,
    0xC2B2AE3D27D4EB4F,
    0x165667B19E3779F9,
    0x85EBCA77C2B2AE63,
    0x27D4EB2F165667C5,
)


def xxhash64(number: int, start: int) -> int:
    """Return the unsigned XXH64 of one 64-bit number with ``start`` as the seed (https://xxhash.com)."""
    one, two, three, four, five = _PRIMES
    mixed = number * two & _BITS
    mixed = (mixed << 31 | mixed >> 33) & _BITS
    hashed = (start + five + 8 & _BITS) ^ (mixed * one & _BITS)
    hashed = ((hashed << 27 | hashed >> 37) * one + four) & _BITS
    hashed = (hashed ^ hashed >> 33) * two & _BITS
    hashed = (hashed ^ hashed >> 29) * three & _BITS
    return hashed ^ hashed >> 32
