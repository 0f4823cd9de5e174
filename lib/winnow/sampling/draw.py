"""The draw: a row is kept when the hash of its id falls below the rate of its stratum and class.

The same rows are kept on any cluster, partitioning, retry or rerun; a smaller rate's sample lies inside a larger one's;
and all labels share one draw, so that their samples overlap as far as they can.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from winnow import schema
from winnow.contracts import HELPER, Step, stratum_hash
from winnow.local import local_rows
from winnow.sampling.rates import Quota, Quotas

#: Helper column: the row's draw in [0, 1); never stored.
DRAW = f"{HELPER}draw"
#: Draws are multiples of 2 ** -53, the finest grid that a double holds exactly everywhere in [0, 1).
DRAW_STEP = 2.0**-53
_DRAW_BITS = 53

#: Helper column: the place of the row's stratum among the plan's.
PLACE = f"{HELPER}stratum_place"
_CLASSES = ((1, "positive"), (0, "negative"))
_NEAR = HELPER + "near_{}"
_STRATUM = HELPER + "stratum_key_{}"
_HASH = HELPER + "stratum_hash"


@dataclass(frozen=True)
class SamplePlan:
    """What is kept: for each label the quotas of each stratum.

    ``strata``: the columns; ``keys``: all strata that rows are in, each as its values in those columns; ``quotas``: in the keys'
    order; ``hashes``: ``stratum_hash`` of each, where it is known.
    """

    strata: tuple[str, ...]
    keys: tuple[tuple[Any, ...], ...]
    quotas: Mapping[str, tuple[Quotas, ...]]
    hashes: tuple[int | None, ...] = ()

    @property
    def are_told_by_hash(self) -> bool:
        """Whether each stratum has a hash that no other has."""
        return None not in self.hashes and len(set(self.hashes)) == len(self.keys)


def draw(seed: int) -> Step:
    """Return the step that adds DRAW: the upper 53 bits of xxhash64(seed, impression_id), as a fraction in [0, 1).

    The hash is Spark's: XXH64 of the seed (8 bytes) under seed 42, then of the id (8 bytes, or UTF-8) under that.
    """

    def step(rows: DataFrame) -> DataFrame:
        hashed = F.xxhash64(F.lit(seed).cast("bigint"), F.col(schema.IMPRESSION_ID))
        # The sign's copies are masked: an unsigned shift is not a machine instruction on every engine.
        upper = F.shiftright(hashed, 64 - _DRAW_BITS).bitwiseAND(F.lit((1 << _DRAW_BITS) - 1))
        return rows.withColumn(DRAW, upper * F.lit(DRAW_STEP))

    return step


def sample(plan: SamplePlan) -> Step:
    """Return the step that keeps the plan's sample.

    Rows in: the strata columns, L_label and L_is_positive for each label, DRAW. Rows out: those in at least one label's sample,
    with L_rate (in (0, 1]); L_label and L_rate are null where the row is not in L's sample. DRAW is dropped.
    """

    def step(rows: DataFrame) -> DataFrame:
        # One comparison with the largest threshold drops nearly all rows, before the join that knows the row's own.
        candidates = rows.where(
            _any_below(
                (label, label_class, [_of(quota, label_class).threshold for quota in quotas])
                for label, quotas in plan.quotas.items()
                for label_class, _ in _CLASSES
            )
        )
        limits = {
            _limit(label, name, what): [getattr(_of(quota, label_class), what) for quota in quotas]
            for label, quotas in plan.quotas.items()
            for label_class, name in _CLASSES
            for what in ("threshold", schema.RATE)
        }
        drawn = _join_by_stratum(candidates, plan, limits)
        # No null in what each row is asked, nor in the limits: code that asks for nulls may be too long to be compiled well.
        is_kept = {label: F.col(DRAW) < _by_class(label, "threshold").otherwise(0.0) for label in plan.quotas}
        kept = (
            drawn.where(reduce(or_, is_kept.values()))
            .withColumns(
                {
                    schema.label_column(label): F.when(is_mine, F.col(schema.label_column(label)))
                    for label, is_mine in is_kept.items()
                }
            )
            .withColumns({schema.rate_column(label): _by_class(label, schema.RATE) for label in plan.quotas})
        )
        return kept.drop(DRAW, *limits)

    return step


def borders(plan: SamplePlan, value: str, sigmas: float) -> Step:
    """Return the step that finds where an exact sample ends, and sums ``value`` over the kept positives.

    Rows in: the strata columns, L_label and L_is_positive for each label, DRAW and the whole number ``value``. Rows out: one a
    stratum that rows are kept of, told by its PLACE among the plan's; for each class of a label that is cut anywhere the draw of the
    last kept row (``last_draw``; null where it is not within ``sigmas`` deviations of the expected one); and for each label whose
    positives are cut the number of kept ones (``kept_rows``) and the sum over them (``kept_value``). Only draws near the border
    are gathered, about 2 sigmas sqrt(kept) of each stratum. With 0 sigmas the sample is not exact, and only the kept positives
    are summed.
    """
    asked = [
        (label, label_class, name)
        for label, quotas in plan.quotas.items()
        for label_class, name in _CLASSES
        if (label_class == 1 or sigmas) and any(_of(quota, label_class).is_cut for quota in quotas)
    ]

    def step(rows: DataFrame) -> DataFrame:
        columns: dict[str, list[float]] = {}
        highs: list[tuple[str, int, Sequence[float]]] = []
        counted: list[Column] = []
        gathered: list[Column] = []
        found: list[Column] = []
        are_near: list[Column] = []
        are_near_or_below: list[Column] = []
        near_draw, near_value = _NEAR.format("draw"), _NEAR.format("value")
        for label, label_class, name in asked:
            low, high, target, below, near, value_below = (
                _limit(label, name, what) for what in ("low", "high", "target", "below", "near", "value_below")
            )
            quotas = [_of(quota, label_class) for quota in plan.quotas[label]]
            brackets = [_bracket(quota, label_class, sigmas) for quota in quotas]
            columns[low], columns[high] = [pair[0] for pair in brackets], [pair[1] for pair in brackets]
            columns[target] = [quota.target for quota in quotas]
            highs.append((label, label_class, columns[high]))
            is_near_or_below = _is_of(label, label_class) & (F.col(DRAW) < F.col(high))
            is_below = is_near_or_below & (F.col(DRAW) < F.col(low))
            is_near = is_near_or_below & (F.col(DRAW) >= F.col(low))
            are_near.append(is_near)
            are_near_or_below.append(is_near_or_below)
            counted += [F.count_if(is_below).alias(below), F.count_if(is_near).alias(near), F.max(target).alias(target)]
            # Rows of one draw and value are one group, and stand in the list as often as there are of them.
            pair = F.array_repeat(F.struct(F.col(near_draw).alias(DRAW), near_value), F.col(near).cast("int"))
            gathered += [
                F.sum(below).alias(below),
                F.flatten(F.sort_array(F.collect_list(pair))).alias(near),
                F.max(target).alias(target),
            ]
            place = (F.col(target) - F.col(below)).cast("int")
            last = F.when((place > 0) & (place <= F.size(near)), F.element_at(F.col(near), place)[DRAW])
            found.append(last.alias(last_draw(label, name)))
            if label_class == 1:
                counted.append(F.sum(F.when(is_below, F.col(value))).alias(value_below))
                gathered.append(F.coalesce(F.sum(value_below), F.lit(0)).alias(value_below))
                found += _kept(label, F.col(below), F.col(value_below), F.col(near), near_value, last)
        # To gather draws is slow, row by row: rows beyond every bracket, nearly all, are dropped before, and the others counted.
        columns[PLACE] = list(range(len(plan.keys)))
        placed = _join_by_stratum(rows.where(_any_below(highs)), plan, columns).where(reduce(or_, are_near_or_below))
        is_near_any = reduce(or_, are_near)
        keys = [F.when(is_near_any, F.col(name)).alias(key) for name, key in ((DRAW, near_draw), (value, near_value))]
        return placed.groupBy(PLACE, *keys).agg(*counted).groupBy(PLACE).agg(*gathered).select(PLACE, *found)

    return step


def last_draw(label: str, class_name: str) -> str:
    """Return the column of the last kept row's draw, of class "positive" or "negative"."""
    return _limit(label, class_name, "last_draw")


def kept_rows(label: str) -> str:
    """Return the column of the number of kept positives."""
    return _limit(label, "positive", "kept_rows")


def kept_value(label: str) -> str:
    """Return the column of the sum over the kept positives."""
    return _limit(label, "positive", "kept_value")


def _any_below(limits: Iterable[tuple[str, int, Sequence[float]]]) -> Column:
    """Return whether a row's draw may be below the largest of the limits of any label for the class that the row has.

    It asks for one class of each label only, the one whose limit is higher, and lets all else below the lower one pass: engines put
    the rules of a label in the place of its class, and work them out for every row as often as the class is named.
    """
    highest: dict[str, dict[int, float]] = {}
    for label, label_class, draws in limits:
        highest.setdefault(label, {})[label_class] = max(draws, default=0.0)
    for_all = max((min(by_class.values()) for by_class in highest.values()), default=0.0)
    below = F.col(DRAW) < for_all
    for label, by_class in highest.items():
        label_class, limit = max(by_class.items(), key=lambda item: item[1])
        if limit > for_all:
            is_mine = _is_of(label, label_class)
            below = below | (is_mine if limit >= 1 else (F.col(DRAW) < limit) & is_mine)  # a draw is below 1
    return below


def _join_by_stratum(rows: DataFrame, plan: SamplePlan, columns: Mapping[str, Sequence[float]]) -> DataFrame:
    """Give each row the values of its stratum; a null value is a stratum of its own, and what all strata have alike a constant.

    Engines look up one number faster than several texts, any of which may be null. Where no two strata of the plan share a hash it
    tells them apart as surely, since every row's stratum is among the plan's.
    """
    alike = {name: values[0] for name, values in columns.items() if len(set(values)) == 1}
    rows = rows.select("*", *(F.lit(value).alias(name) for name, value in alike.items()))
    columns = {name: values for name, values in columns.items() if name not in alike}
    if not columns:
        return rows
    if plan.are_told_by_hash:
        keys = {_HASH: "bigint"}
        records = [(told, *values) for told, *values in zip(plan.hashes, *columns.values(), strict=True)]
        same = [stratum_hash(plan.strata) == F.col(_HASH)]
    else:
        kinds = dict(rows.dtypes)
        keys = {_STRATUM.format(place): kinds[name] for place, name in enumerate(plan.strata)}
        records = [(*key, *values) for key, *values in zip(plan.keys, *columns.values(), strict=True)]
        same = [F.col(name).eqNullSafe(F.col(key)) for name, key in zip(plan.strata, keys, strict=True)]
    fields = keys | {name: "bigint not null" if name == PLACE else "double not null" for name in columns}
    table = local_rows(rows.sparkSession, records, ", ".join(f"{name} {kind}" for name, kind in fields.items()))
    return rows.join(F.broadcast(table), on=same, how="inner").drop(*keys)


def _bracket(quota: Quota, label_class: int, sigmas: float) -> tuple[float, float]:
    """Return the draws to look between; of negatives that are all kept, or none, nothing is asked."""
    return quota.bracket(sigmas) if quota.is_cut or label_class == 1 else (0.0, 0.0)


def _kept(label: str, below: Column, value_below: Column, near: Column, value: str, last: Column) -> list[Column]:
    """Return the number of kept positives and the sum over them: all below the bracket, and those up to the last draw."""
    kept = F.filter(near, lambda pair: F.coalesce(pair[DRAW] <= last, F.lit(False)))
    total = F.aggregate(kept, F.lit(0).cast("bigint"), lambda total, pair: total + pair[value])
    return [
        (below + F.size(kept)).alias(kept_rows(label)),
        (value_below + total).alias(kept_value(label)),
    ]


def _is_of(label: str, label_class: int) -> Column:
    """Return whether a row is of the class; by the rule for positives alone where these are asked for, which costs less."""
    return F.col(schema.positive_column(label)) if label_class == 1 else F.col(schema.label_column(label)) == 0


def _by_class(label: str, what: str) -> Column:
    mine = F.col(schema.label_column(label))
    positive, negative = (F.col(_limit(label, name, what)) for _, name in _CLASSES)
    return F.when(mine == 1, positive).when(mine == 0, negative)


def _limit(label: str, class_name: str, what: str) -> str:
    return f"{HELPER}{label}_{class_name}_{what}"


def _of(quotas: Quotas, label_class: int) -> Quota:
    return quotas.positives if label_class == 1 else quotas.negatives
