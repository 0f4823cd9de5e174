"""Rows scored by a ranker: its model's numbers, the sampling undone once, and calibrated."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from typing import Any, Literal

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from winnow import calibration, features, schema
from winnow.contracts import HELPER, json_of, named
from winnow.local import local_rows
from winnow.ranking import Ranker
from winnow.run import Run

_RATES = f"{schema.STRATUM} string, {schema.POSITIVE_RATE} double, {schema.NEGATIVE_RATE} double"

#: A column that so many training rows had is missed where no row has it that is scored.
_MISSED_FROM = 0.5
_UNUSABLE = f"{HELPER}unusable"
#: Bits of a bigint, but for the sign.
_BITS = 63

#: The stratum under which a ranker keeps the rates of all strata together; none is called so, for strata are JSON objects.
OVERALL = "*"


def scored(ranker: Ranker, rows: DataFrame, *, unseen: Literal["null", "overall"] = "null") -> DataFrame:
    """Return the rows with NUMBERS, FEATURES and score: the probability of the ranker's label in the world.

    ``rows``: the columns that the ranker learnt from, and those of the strata where its scores are corrected. A score is
    null where the row's stratum was not in training, for nothing was learnt there; ``unseen = "overall"``: it is corrected by
    the rates of all strata together, which is what is known of a row whose stratum is told only when it is shown. A column of
    the strata that the rows do not have is not null there, which is a stratum of its own, but not known.
    """
    assembled = rows.transform(ranker.vector.assemble())
    found = ranker.model.transform(assembled)
    if ranker.correction == "on_scores":
        found = found.transform(lambda given: _with_rates(ranker, given, unseen))
        found = found.transform(calibration.correct_scores(str(schema.SCORE)))
        found = found.drop(schema.STRATUM, schema.POSITIVE_RATE, schema.NEGATIVE_RATE)
    if ranker.calibrator is not None:
        found = found.withColumn(schema.SCORE, ranker.calibrator.calibrated(F.col(schema.SCORE)))
    return found


def unusable(run: Run, ranker: Ranker, rows: DataFrame) -> Column:
    """Return for each column of the ranker whether a row has no usable value of it, and its default instead.

    A bit each of the numbers of an array: rows that are kept are many, and a ranker may have hundreds of columns.
    """
    flags = ranker.vector.unusable(features.took_default(rows, run.settings.features)).values()
    bits = [
        F.when(flag, F.lit(1 << place % _BITS)).otherwise(F.lit(0)).cast("bigint") for place, flag in enumerate(flags)
    ]
    words = [reduce(Column.bitwiseOR, bits[first : first + _BITS]) for first in range(0, len(bits), _BITS)]
    return F.array(*words).alias(f"{_UNUSABLE}_{ranker.label}")


def unusable_counts(ranker: Ranker) -> list[Column]:
    """Return the aggregates that ``tell_unusable`` reads, over rows with what ``unusable`` made."""
    words = F.col(f"{_UNUSABLE}_{ranker.label}")
    return [
        F.count_if(F.getbit(words[place // _BITS], F.lit(place % _BITS)) == 1).alias(_count(ranker, name))
        for place, name in enumerate(ranker.vector.columns)
    ]


def tell_unusable(run: Run, ranker: Ranker, what: str, rows: int, counts: Mapping[str, Any]) -> None:
    """Say of which columns rows that are scored have their default, and warn of those that training knew and no row has."""
    if not rows:
        return
    shares = {name: counts[_count(ranker, name)] / rows for name in ranker.vector.columns}
    told = (f"{name} {share:.1%} ({ranker.defaulted.get(name, 0.0):.1%})" for name, share in shares.items() if share)
    if some := ", ".join(told):
        run.say(f"{ranker.label}: {what} without a usable value (of training rows): {some}")
    missed = [
        name for name, share in shares.items() if share == 1 and 1 - ranker.defaulted.get(name, 0.0) > _MISSED_FROM
    ]
    if missed:
        run.warn(
            f"{ranker.label}: none of {rows:,} {what} has a usable value of {', '.join(missed)}, which most training rows had: all "
            "have its default. What is known only when a list is shown is told by [ranking.context]; else look for its source."
        )


def _count(ranker: Ranker, column: str) -> str:
    return f"{ranker.label} {column}"


def _with_rates(ranker: Ranker, rows: DataFrame, unseen: str) -> DataFrame:
    is_known = unseen == "null" or set(ranker.strata) <= set(rows.columns)
    stratum = json_of({name: named(name) for name in ranker.strata}) if is_known else F.lit(None).cast("string")
    rates = local_rows(rows.sparkSession, [rate for rate in ranker.rates if rate[0] != OVERALL], _RATES)
    joined = rows.withColumn(schema.STRATUM, stratum).join(F.broadcast(rates), schema.STRATUM, how="left")
    if unseen == "null":
        return joined
    (overall,) = (rate[1:] for rate in ranker.rates if rate[0] == OVERALL)
    columns = (schema.POSITIVE_RATE, schema.NEGATIVE_RATE)
    return joined.withColumns(
        {name: F.coalesce(F.col(name), F.lit(rate)) for name, rate in zip(columns, overall, strict=True)}
    )
