"""Experiments read from the log: online metrics of each arm, by day and whole, and their differences to control."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from winnow import duplicates, labelling, pipeline, schema
from winnow.contracts import conform, is_valid
from winnow.errors import ContractError, InputNotReadyError, SettingsError
from winnow.evaluation import lists, online, online_estimates
from winnow.evaluation.linear import Estimate, apart
from winnow.publishing.measured import Record, Sums, told, told_difference
from winnow.publishing.metrics import days_of, replace_metrics
from winnow.run import Run

ONLINE = "online"
#: What the metric of an adjusted difference is called, and that of the share of the users.
ADJUSTED, USER_SHARE = "_adjusted", "user_share"


def publish_online_metrics(run: Run) -> None:
    """Measure each arm on the run's days and replace their online metrics: values, differences to control, adjusted ones.

    The numbers of users in the arms are held against their shares first. Users seen in several arms are left out, and told.

    Raises InputNotReadyError without users in every arm, ContractError where the impressions lack the arm's column.
    """
    settings, tables = run.settings.online, run.tables
    first, last = run.days[0], run.days[-1]
    rows = _impressions(run)
    day = F.col(schema.EVENT_DATE)
    period = rows.where(day.between(F.lit(first), F.lit(last)))
    before = rows.where((day < F.lit(first)) & (day >= F.lit(first - dt.timedelta(days=settings.days_before))))
    arms = period.transform(online.one_arm_each())
    tables.describe(f"{first} to {last}: users of each arm")
    users = _users(run, arms)
    tables.describe(f"{first} to {last}: what each arm did")
    asked = run.settings.evaluation
    summed = period.transform(
        online.sum_users(before, arms.where(F.col("arms") == 1), settings, groups=asked.groups, seed=asked.seed)
    )
    by_day: dict[dt.date | None, dict[str, list[Record]]] = {}
    for row in pipeline.fetch(summed):
        by_day.setdefault(row[schema.EVENT_DATE], {}).setdefault(row[online.ARM], []).append(row)
    found = list(_shares(run, users))
    for date in sorted(by_day, key=lambda date: (date is not None, date or dt.date.min)):
        where = lists.ALL if date is None else f'{{"{schema.EVENT_DATE}":"{date}"}}'
        found += _measured(run, where, by_day[date])
    replace_metrics(run, ONLINE, {schema.METRICS: found}, days_of(run))
    run.say(_screen(found, settings.control))


def _impressions(run: Run) -> DataFrame:
    """Return the valid impressions, duplicates settled, with ENGAGED and ARM."""
    settings, online_settings = run.settings, run.settings.online
    label = settings.labels.get(online_settings.label)
    if label is None or labelling.needs_duration_groups({online_settings.label: label}):
        raise SettingsError(
            f"online.label: expected a label of [labels] that a row alone tells, found {online_settings.label}. "
            f"Labels: {', '.join(settings.labels)}"
        )
    plain = {name: kind for name, kind in settings.labels.items() if not labelling.needs_duration_groups({name: kind})}
    actions = labelling.action_columns(settings.labels)
    rows = run.tables.read(schema.IMPRESSIONS).transform(
        conform(schema.IMPRESSIONS, needed=actions, names=settings.columns)
    )
    is_good = is_valid(settings.contracts)
    if settings.sampling.duplicates == "settle":
        rows = rows.transform(duplicates.settle(~is_good, rows.columns))
    valid = rows.where(is_good)
    if online_settings.arm is not None and online_settings.arm not in valid.columns:
        raise ContractError(
            f"online.arm: expected a column of the impressions, found no {online_settings.arm}. "
            f"They have: {', '.join(valid.columns)}"
        )
    arm = (
        online.assigned(online_settings.experiment, online_settings.shares)
        if online_settings.arm is None
        else F.col(online_settings.arm).cast("string")
    )
    labelled = valid.transform(labelling.label(plain))
    return labelled.withColumns({online.ARM: arm, online.ENGAGED: lists.is_positive(online_settings.label)})


def _users(run: Run, arms: DataFrame) -> dict[str, int]:
    """Return the users of each arm; tell of those in several, and of arms that are not known or empty."""
    settings = run.settings.online
    counted = pipeline.fetch(
        arms.groupBy(online.ARM).agg(
            F.sum(F.when(F.col("arms") == 1, 1).otherwise(0)).alias(schema.UNITS),
            F.sum(F.when(F.col("arms") > 1, 1).otherwise(0)).alias(schema.ROWS),
        )
    )
    users = {row[online.ARM]: row[schema.UNITS] for row in counted}
    crossed = sum(row[schema.ROWS] for row in counted)
    if crossed:
        run.warn(f"online: {crossed:,} users were seen in several arms, and are left out")
    empty = [arm for arm in settings.shares if not users.get(arm)]
    if empty:
        raise InputNotReadyError(
            f"online.shares: expected users in every arm, found none in {', '.join(empty)}. The log has: "
            f"{', '.join(sorted(users)) or 'no users on these days'}"
        )
    unknown = sorted(set(users) - set(settings.shares))
    if unknown:
        run.warn(f"online.shares: {', '.join(unknown)} are arms of the log without a share, and are left out")
    return {arm: users[arm] for arm in settings.shares}


def _shares(run: Run, users: Mapping[str, int]) -> Iterator[Record]:
    """Yield how much of the users each arm got beyond its share, with the p-value of all of them; warn of a mismatch."""
    settings = run.settings.online
    p_value = online_estimates.mismatch(users, settings.shares)
    total, whole = sum(users.values()), sum(settings.shares.values())
    if p_value < settings.mismatch_p_value:
        told_users = ", ".join(f"{arm} {count:,}" for arm, count in users.items())
        run.warn(
            f"online: sample-ratio mismatch, p = {p_value:.2g}: {told_users} users are not the shares that were meant. "
            "Find out why before any difference is believed."
        )
    for arm, count in users.items():
        over = count / total - settings.shares[arm] / whole
        yield {
            schema.MEASURED: schema.IMPRESSIONS.name,
            schema.MODEL: arm,
            schema.METRIC: USER_SHARE,
            schema.SLICE: lists.ALL,
            schema.VALUE: over,
            schema.BASELINE: "expected",
            schema.P_VALUE: p_value,
            schema.UNITS: count,
        }


def _measured(run: Run, where: str, rows: Mapping[str, Sequence[Record]]) -> Iterator[Record]:
    """Yield each arm's metrics in the slice, and the differences to control, plain and adjusted."""
    settings, confidence = run.settings.online, run.settings.evaluation.confidence
    names = [online.USERS, *online.SUMS, *(online.BEFORE + name for name in online.SUMS)]
    sums: dict[str, dict[str, Any]] = {}
    for arm in (arm for arm in settings.shares if arm in rows):
        own = Sums([{**row, schema.SLICE: lists.ALL} for row in rows[arm]], names)
        sums[arm] = dict(zip(names, own.of(lists.ALL, sorted(own.groups(lists.ALL))).T, strict=True))
    for ratio in online.RATIOS:
        plain = {arm: online_estimates.estimate(ratio, own) for arm, own in sums.items()}
        better = online_estimates.adjusted(ratio, sums) if settings.days_before else {}
        kinds: list[tuple[str, Mapping[str, Estimate]]] = [(ratio.metric, plain), (ratio.metric + ADJUSTED, better)]
        for metric, found in kinds:
            for arm, value in found.items():
                record = {
                    schema.MEASURED: schema.IMPRESSIONS.name,
                    schema.MODEL: arm,
                    schema.METRIC: metric,
                    schema.SLICE: where,
                    schema.UNITS: int(sums[arm][online.USERS].sum()),
                }
                if metric == ratio.metric:
                    yield record | told(value.interval(confidence))
                if arm != settings.control and settings.control in found:
                    difference = apart(value, found[settings.control], confidence)
                    yield record | told_difference(difference, settings.control)


def _screen(found: Sequence[Record], control: str) -> str:
    """Return the differences to control over all days."""
    rows = [row for row in found if row.get(schema.BASELINE) == control and row[schema.SLICE] == lists.ALL]
    width = max((len(row[schema.METRIC]) for row in rows), default=0)
    lines = [
        f"  {row[schema.MODEL]}  {row[schema.METRIC]:<{width}}  {row[schema.VALUE]:+.4f}  "
        f"[{row[schema.LOW]:+.4f}, {row[schema.HIGH]:+.4f}]  p = {row[schema.P_VALUE]:.3g}"
        for row in rows
        if row[schema.LOW] is not None
    ]
    return "\n".join([f"differences to {control}:", *lines])
