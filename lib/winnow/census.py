"""The census: one narrow pass that counts, for every stratum, what the rates, weights, guards and funnel need."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from winnow import schema
from winnow.contracts import Step, json_of, micros, named, stratum_hash
from winnow.errors import ContractError

_KEY = "key_{}"
_NULLS = "nulls_{}"
_VALID = "valid_rows"
_LOG_LINES = "log_line_rows"
_REWATCHED = "rewatched_rows"
_REFUSAL = "refusal"
_NO_REFUSAL = -1
_ROWS = "rows"
_BASIS = "basis_units"
_WATCH = "watch_us"
_STRATUM = "stratum_json"
_HASH = "stratum_hash"


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
    #: ``stratum_hash`` of the key, None where there are no columns to hash.
    hash: int | None = None
    #: Valid rows whose column is null, of the columns that were asked for.
    nulls: Mapping[str, int] = field(default_factory=dict)

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
    nulls: Sequence[str] = (),
) -> Step:
    """Return the step from settled rows to one row a stratum, for ``read_census``.

    Rows in: the strata columns, L_outcome for each label, the columns named by ``refusal`` (place of the first reason,
    null = valid), ``log_lines`` (input rows that the row stands for) and ``basis`` (whole units); watch_s is null and
    ``basis`` 0 on refused rows. ``outcomes``, ``reasons``: what the codes stand for, positives first. ``nulls``: columns whose
    nulls are counted.

    Raises ContractError for a stratum column of a type that has no plain values.
    """

    def step(rows: DataFrame) -> DataFrame:
        kinds = dict(rows.dtypes)
        bad = [f"{name} is {kinds[name]}" for name in strata if _is_no_stratum(kinds[name])]
        if bad:
            raise ContractError(
                f"sampling.strata: expected columns of strings, whole numbers or dates; {'; '.join(bad)}"
            )
        keys = [named(name).alias(_KEY.format(place)) for place, name in enumerate(strata)]
        codes = [F.col(schema.outcome_column(label)).alias(_code(label)) for label in labels]
        watch, duration = F.col(schema.WATCH_S), F.col(schema.MEDIA_DURATION_S)
        # Rows fall into few combinations of codes. To count those takes four sums for any number of labels; what each
        # label and reason is told is summed from the counts.
        # A key that is null sends Spark's row to the slower of its two maps, and of nearly every row this one would be.
        first = F.coalesce(F.col(refusal), F.lit(_NO_REFUSAL).cast("tinyint"))
        counted = rows.groupBy(*keys, first.alias(_REFUSAL), *codes).agg(
            F.count(F.lit(1)).alias(_ROWS),
            F.sum(log_lines).alias(_LOG_LINES),
            F.sum(basis).alias(_BASIS),
            F.sum(micros(watch).cast("bigint")).alias(_WATCH),
            F.count_if((watch > duration) & (duration > 0)).alias(_REWATCHED),
            *(F.count_if(named(name).isNull()).alias(_NULLS.format(place)) for place, name in enumerate(nulls)),
        )
        is_valid = F.col(_REFUSAL) == _NO_REFUSAL
        sums = [
            F.sum(_LOG_LINES).alias(_LOG_LINES),
            _sum_where(is_valid, _ROWS, _VALID),
            _sum_where(is_valid, _REWATCHED, _REWATCHED),
            *(_sum_where(F.col(_REFUSAL) == place, _ROWS, _refused(reason)) for place, reason in enumerate(reasons)),
            *(_sum_where(is_valid, _NULLS.format(place), _NULLS.format(place)) for place in range(len(nulls))),
        ]
        for label in labels:
            has = [is_valid & (F.col(_code(label)) == place) for place in range(len(outcomes))]
            sums += [_sum_where(has[place], _ROWS, _count(label, outcome)) for place, outcome in enumerate(outcomes)]
            sums += [_sum_where(has[0], _BASIS, _basis(label)), _sum_where(has[0], _WATCH, _watch(label))]
        told = {name: F.col(_KEY.format(place)) for place, name in enumerate(strata)}
        hashed = stratum_hash(list(map(_KEY.format, range(len(strata))))) if strata else F.lit(None)
        by_stratum = counted.groupBy(*(_KEY.format(place) for place in range(len(strata))))
        return by_stratum.agg(*sums).withColumns({_STRATUM: json_of(told), _HASH: hashed})

    return step


def read_census(
    rows: Iterable[Mapping[str, Any]],
    strata: Sequence[str],
    labels: Collection[str],
    outcomes: Collection[str],
    reasons: Collection[str],
    nulls: Sequence[str] = (),
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
            hash=row[_HASH],
            nulls={name: row[_NULLS.format(place)] for place, name in enumerate(nulls)},
        )
        for row in rows
    ]
    return tuple(sorted(counts, key=lambda count: count.stratum))


def _sum_where(condition: Column, name: str, alias: str) -> Column:
    return F.coalesce(F.sum(F.when(condition, F.col(name))), F.lit(0)).alias(alias)


def _is_no_stratum(kind: str) -> bool:
    return kind.startswith(("double", "float", "array", "map", "struct", "variant", "binary", "decimal", "timestamp"))


def _refused(reason: str) -> str:
    return f"refused_{reason}"


def _count(label: str, outcome: str) -> str:
    return f"{label}_{outcome}_rows"


def _basis(label: str) -> str:
    return f"{label}_basis_units"


def _watch(label: str) -> str:
    return f"{label}_watch_us"


def _code(label: str) -> str:
    return f"{label}_code"
