"""Vectors: named columns as the numbers that learners take, with a defined value for whatever is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import starmap

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from winnow import schema
from winnow.contracts import HELPER, Step, named
from winnow.errors import ContractError

#: Helper column: the vector that learners take.
FEATURES = f"{HELPER}features"
#: Helper column: the same numbers as an array, in the order of ``Vector.names``.
NUMBERS = f"{HELPER}numbers"

_OF_NUMBERS = ("tinyint", "smallint", "int", "bigint", "float", "double", "boolean")
_COLUMN, _LEVEL = "column", "level"


@dataclass(frozen=True)
class Vector:
    """Which numbers a row becomes: a number column one; a column of words one a level (1 where it is that level, else 0).

    A number that is null, NaN or infinite is 0; a word that is null or no level is 0 in all of them.
    """

    numbers: tuple[str, ...]
    #: Column of words -> its levels, the most frequent first.
    levels: Mapping[str, tuple[str, ...]]

    @property
    def names(self) -> tuple[str, ...]:
        """Name of each number of the vector: the column's, or ``column=level``."""
        words = (f"{column}={level}" for column, levels in self.levels.items() for level in levels)
        return (*self.numbers, *words)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that the vector is made of."""
        return (*self.numbers, *self.levels)

    @property
    def column_of(self) -> tuple[str, ...]:
        """Column that each number of the vector comes from."""
        return (*self.numbers, *(column for column, levels in self.levels.items() for _ in levels))

    def components(self) -> list[Column]:
        """Return the numbers of the vector as columns, in the order of ``names``."""
        numbers = [F.coalesce(_finite(named(name)), F.lit(0.0)) for name in self.numbers]
        return numbers + [
            F.when(named(column) == F.lit(level), 1.0).otherwise(0.0)
            for column, levels in self.levels.items()
            for level in levels
        ]

    def assemble(self) -> Step:
        """Return the step that adds the numbers, as an array and as the vector that learners take.

        Raises ContractError naming the columns that are not there.
        """

        def step(rows: DataFrame) -> DataFrame:
            missing = [name for name in self.columns if name not in rows.columns]
            if missing:
                raise ContractError(
                    f"ranking: expected the columns that the ranker learnt from, found no {', '.join(missing)}. "
                    f"There are: {', '.join(name for name in rows.columns if not name.startswith(HELPER))}"
                )
            return rows.withColumn(NUMBERS, F.array(*self.components())).transform(vectorise())

        return step

    def unusable(self, defaulted: Mapping[str, Column] | None = None) -> dict[str, Column]:
        """Return for each column whether a row has no usable value of it.

        ``defaulted``: column -> whether a row had none, where a default was put in before.
        """
        found = {name: _finite(named(name)).isNull() for name in self.numbers} | {
            name: ~F.coalesce(named(name).isin(list(levels)), F.lit(False)) for name, levels in self.levels.items()
        }
        return {name: (defaulted or {}).get(name, is_unusable) for name, is_unusable in found.items()}

    def as_record(self) -> dict[str, list[str] | dict[str, list[str]]]:
        """Return the vector as plain values."""
        return {"numbers": list(self.numbers), "levels": {name: list(levels) for name, levels in self.levels.items()}}

    @classmethod
    def from_record(cls, record: Mapping[str, Mapping[str, Sequence[str]]]) -> Vector:
        """Return the vector that ``as_record`` told of."""
        return cls(tuple(record["numbers"]), {name: tuple(levels) for name, levels in record["levels"].items()})


def vectorise() -> Step:
    """Return the step that makes FEATURES of the array NUMBERS."""
    from pyspark.ml.functions import array_to_vector  # not everywhere where the rest of ranking runs

    return lambda rows: rows.withColumn(FEATURES, array_to_vector(F.col(NUMBERS)))


def kinds(rows: DataFrame, columns: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the columns of numbers and those of words.

    Raises ContractError, with all faults at once, for a column that is not there or is neither.
    """
    has = dict(rows.dtypes)
    faults = [f"missing {name}" for name in columns if name not in has]
    faults += [
        f"{name} is {has[name]}, not a number, a boolean or a string"
        for name in columns
        if name in has and has[name] not in (*_OF_NUMBERS, "string") and not has[name].startswith("decimal")
    ]
    if faults:
        raise ContractError(f"ranking.columns: {'; '.join(faults)}. There are: {', '.join(has)}")
    words = [name for name in columns if has[name] == "string"]
    return [name for name in columns if name not in words], words


def frequent_levels(columns: Sequence[str], most: int) -> Step:
    """Return the step to one row a column of words and level, at most ``most`` a column: column, level, rows."""

    def of(rows: DataFrame, name: str) -> DataFrame:
        counted = (
            rows.where(named(name).isNotNull())
            .groupBy(named(name).alias(_LEVEL))
            .agg(F.count(F.lit(1)).alias(schema.ROWS))
        )
        return counted.orderBy(F.col(schema.ROWS).desc(), _LEVEL).limit(most).select(F.lit(name).alias(_COLUMN), "*")

    return lambda rows: reduce(DataFrame.unionByName, starmap(of, ((rows, name) for name in columns)))


def read_levels(rows: Sequence[Mapping[str, object]], columns: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the levels that ``frequent_levels`` found, the most frequent first."""
    found = sorted(rows, key=lambda row: (-int(str(row[schema.ROWS])), str(row[_LEVEL])))
    return {name: tuple(str(row[_LEVEL]) for row in found if row[_COLUMN] == name) for name in columns}


def _finite(value: Column) -> Column:
    """Return the value as a double, null where it is NaN or infinite."""
    number = value.cast("double")
    return F.when(F.abs(number) < F.lit(float("inf")), number)
