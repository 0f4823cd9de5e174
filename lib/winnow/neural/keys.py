"""Ids and words of any type as keys of 64 bits, and keys as places in a table of embeddings: no vocabulary is kept."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyspark.sql import Column
from pyspark.sql import functions as F

Keys = npt.NDArray[np.int64]

#: Key and place of what is not there.
NOTHING = 0
#: Type of a column of lists of keys.
LIST = "array<bigint>"


def key_of(name: str, value: Column | None = None) -> Column:
    """Return the key of a value, by default of what the column ``name`` holds; null has the key of nothing.

    Equal words have other keys under another name.
    """
    value = F.col(name) if value is None else value
    return F.when(value.isNotNull(), F.xxhash64(F.lit(name), value.cast("string"))).otherwise(F.lit(NOTHING))


def keys_of(name: str, values: Column) -> Column:
    """Return the keys of the values of an array, in order, without nulls; none where there is no array."""
    known = F.filter(values, lambda value: value.isNotNull())
    return F.coalesce(F.transform(known, lambda value: key_of(name, value)), F.array().cast(LIST))


def told_by(columns: Sequence[tuple[str, str]]) -> Column:
    """Return the keys of all that columns (name, type) tell of a row, as one array; a column may be an array itself."""
    lists = [keys_of(name, F.col(name) if kind.startswith("array") else F.array(name)) for name, kind in columns]
    return F.concat(F.array().cast(LIST), *lists)


def places(keys: Keys, count: int) -> Keys:
    """Return each key's place in a table of ``count`` rows, from 1 on; 0 is the place of nothing.

    Keys of one place share an embedding: of n ids in m places about one in m / n does.
    """
    return np.where(keys == NOTHING, NOTHING, keys % (count - 1) + 1)


def keys_in(column: pa.Array | pa.ChunkedArray) -> Keys:
    """Return a column of keys; of lists, rows of one length, that of the longest, filled up with nothing."""
    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if not pa.types.is_list(whole.type):
        return np.asarray(whole.to_numpy(zero_copy_only=False))
    lengths = whole.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)
    rows = np.full((len(whole), max(1, lengths.max(initial=0))), NOTHING, dtype=np.int64)
    rows[np.arange(rows.shape[1]) < lengths[:, None]] = whole.flatten().to_numpy(zero_copy_only=False)
    return rows
