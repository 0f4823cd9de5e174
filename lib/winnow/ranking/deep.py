"""The deep ranker: a net of numbers, of ids and of lists of ids or words, trained by torch and asked by onnxruntime."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from winnow import schema
from winnow.contracts import HELPER
from winnow.errors import ContractError, DataError
from winnow.neural.keys import key_of, keys_in, keys_of, places
from winnow.neural.nets import facts_of, run_onnx
from winnow.neural.training import needs_torch, train
from winnow.ranking.settings import RankingSettings
from winnow.ranking.vectors import NUMBERS as VECTOR

#: Columns of the rows that the net is trained on; lists have the names of their columns.
NUMBERS, IDS, POSITIVE, WEIGHT = "numbers", "ids", "positive", str(schema.WEIGHT)
DAY, ORDER = "day", "order"
_TASK = f"{HELPER}task"
_LARGEST = 1e30
#: Rows that the net is asked for at once.
_ROWS_AT_ONCE = 8192


@dataclass(frozen=True)
class DeepModel:
    """A trained net."""

    #: ONNX: from numbers, places of ids and places of lists to a probability. It tells what it reads (``nets.facts_of``).
    native: bytes

    def transform(self, rows: DataFrame) -> DataFrame:
        """Return the rows with a score: P(positive) on the sample.

        Raises ContractError for columns of ids or lists that the net reads and the rows do not have.
        """
        net, facts = self.native, facts_of(self.native)
        _check_columns(rows, facts["ids"], facts["lists"])
        names, count = (IDS, *facts["lists"]), facts["places"]

        def probability(batches: Iterator[tuple[pa.Array, ...]]) -> Iterator[pa.Array]:
            for columns in batches:
                found = []
                for start in range(0, len(columns[0]), _ROWS_AT_ONCE):
                    vectors, *keys = (column.slice(start, _ROWS_AT_ONCE) for column in columns)
                    inputs = {name: places(keys_in(own), count) for name, own in zip(names, keys, strict=True)}
                    found.append(run_onnx(net, {NUMBERS: numbers_in(vectors), **inputs}))
                yield pa.array(np.concatenate(found).astype(np.float64))

        asked = F.arrow_udf(probability, "double")  # type: ignore[attr-defined]
        return rows.withColumn(schema.SCORE, asked(F.col(VECTOR), *_keys(facts["ids"], facts["lists"])))

    def importances(self, spreads: Sequence[float]) -> list[float]:
        """Return how much each number of the vector matters, 1 in sum; what is constant says nothing."""
        weights = facts_of(self.native)["first_layer"]
        known = [own if spread > 0 else 0.0 for own, spread in zip(weights, spreads, strict=True)]
        return [own / (sum(known) or 1.0) for own in known]


def numbers_in(column: pa.Array) -> npt.NDArray[np.float32]:
    """Return a column of arrays of one length as a matrix, within what a net can reckon with."""
    flat: npt.NDArray[np.float64] = column.flatten().to_numpy(zero_copy_only=False)
    return flat.clip(-_LARGEST, _LARGEST).astype(np.float32).reshape(len(column), -1)


def reads(settings: RankingSettings) -> tuple[str, ...]:
    """Return the columns that the net reads beside the vector."""
    return (*settings.deep.ids, *settings.deep.lists)


def fit_deep(rows: DataFrame, settings: RankingSettings) -> DeepModel:
    """Train the net; two fits of the same rows and settings agree.

    Rows in: as for any learner, and the columns of ``ranking.deep``: ids and lists. Raises ContractError for those that are not
    there, SettingsError without torch.
    """
    own = settings.deep
    _check_columns(rows, own.ids, own.lists)
    with needs_torch("ranking.model"):
        from winnow.ranking.deep_net import learn
    ids, *lists = _keys(own.ids, own.lists)
    made = rows.select(
        F.col(VECTOR).cast("array<float>").alias(NUMBERS),
        ids.alias(IDS),
        *(column.alias(name) for name, column in zip(own.lists, lists, strict=True)),
        F.col(schema.CLASS).cast("float").alias(POSITIVE),
        F.col(schema.WEIGHT).cast("float").alias(WEIGHT),
        F.unix_date(schema.EVENT_DATE).alias(DAY),
    )
    ordered = made.withColumn(ORDER, F.xxhash64(*made.columns))
    task = F.pmod(F.col(ORDER), F.lit(own.processes)).cast("int")
    net = train(learn, ordered, task, own.processes, own, settings.seed)
    if net is None:
        raise DataError(
            f"ranking.deep: expected rows for each of {own.processes} processes, found none for one. Train on more days, or "
            "set ranking.deep.processes = 1."
        )
    return DeepModel(net)


def _check_columns(rows: DataFrame, ids: Sequence[str], lists: Mapping[str, str]) -> None:
    """Raise ContractError, with all faults at once, for columns that are not there, and for lists that are none."""
    has = dict(rows.dtypes)
    faults = [f"missing {name}" for name in (*ids, *lists) if name not in has]
    faults += [f"{name} is {has[name]}, no list" for name in lists if not has.get(name, "array").startswith("array")]
    if faults:
        raise ContractError(
            f"ranking.deep: expected rows with the ids {', '.join(ids)} and the lists {', '.join(lists) or '(none)'}, found: "
            f"{'; '.join(faults)}. Join them to the rows, train and served alike, or take them out of ranking.deep. There are: "
            f"{', '.join(name for name in has if not name.startswith(HELPER))}"
        )


def _keys(ids: Sequence[str], lists: Mapping[str, str]) -> list[Column]:
    """Return the keys of the ids, one array, and of each list."""
    return [F.array(*map(key_of, ids)), *(keys_of(words, F.col(name)) for name, words in lists.items())]
