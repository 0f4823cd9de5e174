"""Weights by watch time: positives that held their viewer count more, and the sum of weights stays their number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from winnow import schema
from winnow.contracts import HELPER, Step
from winnow.errors import ContractError
from winnow.settings import check_between

#: Helper column: the weight basis g(T) in whole units of ``WeightingSettings.units``; never stored.
BASIS = f"{HELPER}watch_basis"
_SESSION_WATCH = f"{HELPER}session_watch_us"
_SESSION: list[str] = [schema.EVENT_DATE, schema.USER_ID, schema.SESSION_ID]


@dataclass(frozen=True)
class WeightingSettings:
    """``[weighting]``: how much watch time counts."""

    #: 0 = every positive counts 1 (satisfaction); 1 = positives count in proportion to the basis (watch time).
    balance: float = 0.5
    #: g of T = min(watch_s, cap_s): T itself, log(1 + T), or T's share of the session's watch time.
    basis: Literal["watch_time", "log_watch_time", "session_share"] = "watch_time"
    #: Seconds of watching that count at most, so that a film left running or a loop does not outweigh the rest.
    cap_s: float = 7_200.0

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_between("balance", self.balance, 0, 1)
        check_between("cap_s", self.cap_s, 1e-3, 1e6)

    @property
    def units(self) -> float:
        """Units in 1 of g: sums of whole numbers do not depend on the order of the rows."""
        return 1e6 if self.basis == "watch_time" else 1e9

    @property
    def needs_sessions(self) -> bool:
        """Return whether the basis is a share of the session's watch time."""
        return self.basis == "session_share"


@dataclass(frozen=True)
class BasisSum:
    """Number and summed BASIS of a label's kept positives of the day."""

    positives: int
    units: int


def session_watch(settings: WeightingSettings) -> Step:
    """Return the step from valid impressions to one row a session: its columns and the microseconds watched in it."""
    return lambda rows: rows.groupBy(*_SESSION).agg(F.sum(_whole(_capped(settings) * 1e6)).alias(_SESSION_WATCH))


def watch_basis(settings: WeightingSettings, sessions: DataFrame | None = None) -> Step:
    """Return the step that adds BASIS (bigint): g(T) of T = min(watch_s, cap_s) seconds, 0 where nothing was played.

    Rows in: valid impressions. ``sessions``: what ``session_watch`` made of all impressions of the day, for the basis
    ``session_share``; an impression without a session is a session of its own. Raises ContractError without it.
    """

    def step(rows: DataFrame) -> DataFrame:
        watched = _capped(settings)
        if settings.basis == "log_watch_time":
            return rows.withColumn(BASIS, _whole(F.log1p(watched) * settings.units))
        if settings.basis == "watch_time":
            return rows.withColumn(BASIS, _whole(watched * settings.units))
        if sessions is None:
            raise ContractError(
                "weighting.basis: session_share needs what session_watch made of the day, found nothing"
            )
        share = F.coalesce(watched * 1e6 / F.nullif(F.col(_SESSION_WATCH), F.lit(0)), F.lit(0.0))
        alone = F.when(watched > 0, F.lit(1.0)).otherwise(F.lit(0.0))
        mine = F.when(F.col(schema.SESSION_ID).isNull(), alone).otherwise(share)
        joined = rows.join(sessions, on=_SESSION, how="left")
        return joined.withColumn(BASIS, _whole(mine * settings.units)).drop(_SESSION_WATCH)

    return step


def weigh(settings: WeightingSettings, sums: Mapping[str, BasisSum]) -> Step:
    """Return the step that adds L_weight for each label of ``sums`` and drops BASIS.

    w+ = (1 - b) + b g(T) / mean of g over the day's kept positives; w- = 1; null where L_label is null. The sum of w+ is
    the number of positives for every b. Where no positive was watched at all the mean is 0 and w+ = 1.
    """

    def step(rows: DataFrame) -> DataFrame:
        for label, kept in sums.items():
            mine = F.col(schema.label_column(label))
            weight = F.when(mine == 1, _positive_weight(settings.balance, kept)).when(mine == 0, F.lit(1.0))
            rows = rows.withColumn(schema.weight_column(label), weight)
        return rows.drop(BASIS)

    return step


def _positive_weight(balance: float, kept: BasisSum) -> Column:
    if kept.units == 0 or balance == 0:
        return F.lit(1.0)
    return F.lit(1.0 - balance) + F.col(BASIS) * F.lit(balance * kept.positives / kept.units)


def _capped(settings: WeightingSettings) -> Column:
    return F.least(F.coalesce(F.col(schema.WATCH_S), F.lit(0.0)), F.lit(settings.cap_s))


def _whole(value: Column) -> Column:
    return F.rint(value).cast("bigint")
