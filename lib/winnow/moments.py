"""What numbers are like over many rows: the mean and the standard deviation of each number of a vector, in one pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pyspark.sql import Column

from winnow.contracts import HELPER

_MEANS, _DEVIATIONS = f"{HELPER}means", f"{HELPER}deviations"


class Moments(NamedTuple):
    """What a number was like."""

    mean: float
    #: Standard deviation.
    deviation: float


def moments(vector: Column) -> list[Column]:
    """Return the aggregates over rows with a vector, in Spark ML's sense, that ``read_moments`` reads."""
    from pyspark.ml.functions import vector_to_array  # not everywhere where the rest of Winnow runs
    from pyspark.ml.stat import Summarizer

    found = Summarizer.metrics("mean", "std").summary(vector)
    return [vector_to_array(found["mean"]).alias(_MEANS), vector_to_array(found["std"]).alias(_DEVIATIONS)]


def read_moments(row: Mapping[str, Any], names: Sequence[str]) -> dict[str, Moments]:
    """Return by the names of its numbers what a vector was like over the rows, of which there must have been some."""
    return dict(zip(names, map(Moments, row[_MEANS], row[_DEVIATIONS]), strict=True))
