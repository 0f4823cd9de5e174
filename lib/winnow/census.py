"""The census: one narrow pass that counts, for every stratum, what the rates, weights, guards and funnel need."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from winnow import schema
from winnow.contracts import Step, micros
from winnow.errors import ContractError

_KEY = "key_{}"
_VALID = "valid_rows"
_LOG_LINES = "log_line_rows"
_REWATCHED = "rewatched_rows"
_STRATUM = "stratum_json"


@dataclass(frozen=True)
class LabelCount:
    """A stratum's valid rows of one label: by outcome, and what its positives were watched."""

    outcomes: Mapping[str, int]
    #: Sum of the weight basis of the positives, in its units.
    basis_units: int
    #: Sum of the seconds watched of the positives, in microseconds.
    watch_us: int


@dataclass(frozen=True)
class StratumCount:
    """What the census counted in one stratum."""

    key: tuple[Any, ...]
    #: The key as a JSON object, as the ledger has it.
    stratum: str
    log_lines: int
    valid_rows: int
    rewatched: int
    refused: Mapping[str, int]
    labels: Mapping[str, LabelCount]

    @property
    def rows(self) -> int:
        """Rows after duplicates were settled, refused ones too."""
        return self.valid_rows + sum(self.refused.values())


def count_strata(
    strata: Sequence[str],
    labels: Collection[str],
    outcomes: Collection[str],
    reasons: Collection[str],
    *,
    refusal: str,
    log_lines: str,
    basis: str,
) -> Step:
    """Return the step from settled rows to one row a stratum, for ``read_census``.

    Rows in: the strata columns, L_reason for each label, the columns named by ``refusal`` (first reason, null = valid),
    ``log_lines`` (input rows that the row stands for) and ``basis`` (whole units); watch_s and ``basis`` of refused rows
    are null. Raises ContractError for a stratum column of a type that has no plain values.
    """

    def step(rows: DataFrame) -> DataFrame:
        kinds = dict(rows.dtypes)
        bad = [f"{name} is {kinds[name]}" for name in strata if _is_no_stratum(kinds[name])]
        if bad:
            raise ContractError(
                f"sampling.strata: expected columns of strings, whole numbers or dates; {'; '.join(bad)}"
            )
        is_valid = F.col(refusal).isNull()
        watch_us = micros(F.col(schema.WATCH_S)).cast("bigint")
        rewatched = (
            is_valid & (F.col(schema.WATCH_S) > F.col(schema.MEDIA_DURATION_S)) & (F.col(schema.MEDIA_DURATION_S) > 0)
        )
        sums = [
            F.sum(log_lines).alias(_LOG_LINES),
            F.count_if(is_valid).alias(_VALID),
            F.count_if(rewatched).alias(_REWATCHED),
            *(F.count_if(F.col(refusal) == reason).alias(_refused(reason)) for reason in reasons),
        ]
        for label in labels:
            why = F.col(schema.reason_column(label))
            is_positive = is_valid & (F.col(schema.label_column(label)) == 1)
            sums += [F.count_if(is_valid & (why == outcome)).alias(_count(label, outcome)) for outcome in outcomes]
            sums += [_sum_of(is_positive, F.col(basis), _basis(label)), _sum_of(is_positive, watch_us, _watch(label))]
        keys = [F.col(name).alias(_KEY.format(place)) for place, name in enumerate(strata)]
        names = [F.col(_KEY.format(place)).alias(name) for place, name in enumerate(strata)]
        text = F.to_json(F.struct(*names), {"ignoreNullFields": "false"}) if names else F.lit("{}")
        return rows.groupBy(*keys).agg(*sums).withColumn(_STRATUM, text)

    return step


def read_census(
    rows: Iterable[Mapping[str, Any]],
    strata: Sequence[str],
    labels: Collection[str],
    outcomes: Collection[str],
    reasons: Collection[str],
) -> tuple[StratumCount, ...]:
    """Return what ``count_strata`` counted, in the order of the strata's text, so that every run plans alike."""
    counts = [
        StratumCount(
            key=tuple(row[_KEY.format(place)] for place in range(len(strata))),
            stratum=row[_STRATUM],
            log_lines=row[_LOG_LINES] or 0,
            valid_rows=row[_VALID],
            rewatched=row[_REWATCHED],
            refused={reason: row[_refused(reason)] for reason in reasons},
            labels={
                label: LabelCount(
                    {outcome: row[_count(label, outcome)] for outcome in outcomes},
                    row[_basis(label)],
                    row[_watch(label)],
                )
                for label in labels
            },
        )
        for row in rows
    ]
    return tuple(sorted(counts, key=lambda count: count.stratum))


def _sum_of(condition: Column, value: Column, name: str) -> Column:
    return F.coalesce(F.sum(F.when(condition, value)), F.lit(0)).alias(name)


def _is_no_stratum(kind: str) -> bool:
    return kind.startswith(("double", "float", "array", "map", "struct", "variant", "binary", "decimal"))


def _refused(reason: str) -> str:
    return f"refused_{reason}"


def _count(label: str, outcome: str) -> str:
    return f"{label}_{outcome}_rows"


def _basis(label: str) -> str:
    return f"{label}_basis_units"


def _watch(label: str) -> str:
    return f"{label}_watch_us"
