"""The report: small aggregates of a root's tables, made into one HTML page."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Collection, Sequence
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from winnow import pipeline, reporting, schema
from winnow.contracts import Step
from winnow.errors import InputNotReadyError, SettingsError
from winnow.funnel import Funnel
from winnow.publishing.drift import drift
from winnow.publishing.report_users import users_and_lists
from winnow.reporting import summaries
from winnow.run import Run
from winnow.settings import build
from winnow.splitting import SplittingSettings

_Rows = list[dict[str, Any]]
#: Newest runs that are looked through for the funnels and the settings of the days shown.
_MOST_RUNS = 1_000
FILE = "report.html"


def publish_report(run: Run) -> None:
    """Write what the tables of the root told as one page, at --out or ROOT/report.html.

    Raises InputNotReadyError where none of the tables is there, SettingsError for a root that is no folder of this machine.
    """
    contents = _gather(run)
    if contents.runs is None and contents.ledger is None and contents.metrics is None and contents.trials is None:
        raise InputNotReadyError(
            f"report: expected tables in {run.tables.root}, found none. Run prepare_examples.py first, or give --root."
        )
    page = reporting.page(contents, run.settings.reporting)
    place = run.write_file(FILE, page)
    run.say(f"report: {'would write ' if run.is_dry else ''}{place} ({len(page) / 1e6:.1f} MB)")


def _gather(run: Run) -> reporting.Contents:
    """Return what the tables told; every one is read at the version that is pinned first."""
    settings = run.settings.reporting
    runs = _all(run, schema.RUNS, lambda rows: rows.orderBy(F.col(schema.STARTED_TS).desc()).limit(_MOST_RUNS))
    days = _all(run, schema.LEDGER, _last_days(settings.days))
    shown = {row[schema.EVENT_DATE] for row in days or ()}
    funnels = _funnels(runs, shown)
    natural = _natural_days(run, days or [], runs or [])
    found = drift(days or [], funnels, natural, run.settings.guards)
    alarms = [reporting.Alarm(day, one.rule, one.severity, one.message.removeprefix(f"{day}: ")) for day, one in found]
    return reporting.Contents(
        place=run.tables.root,
        made=run.started,
        run_id=run.run_id,
        funnels=funnels,
        ledger=days,
        alarms=alarms,
        natural_days=natural,
        weights=_weights(run, [row[schema.LABEL] for row in days or ()], shown - natural),
        metrics=summaries.told_apart(_all(run, schema.METRICS, summaries.newest_period())),
        reliability=_all(run, schema.RELIABILITY, summaries.newest_period()),
        trials=_all(run, schema.TRIALS, lambda rows: rows.orderBy(F.col(schema.FINISHED_TS).desc()).limit(_MOST_RUNS)),
        users=users_and_lists(run),
        runs=None if runs is None else runs[: settings.runs],
        versions=dict(run.tables.pinned),
    )


def _all(run: Run, table: schema.Table, step: Step) -> _Rows | None:
    """Return the rows that the step leaves of a table, None where it is not there."""
    if not run.tables.exists(table):
        return None
    run.tables.describe(f"report: {table}")
    return pipeline.fetch(run.tables.read(table).transform(step))


def _last_days(days: int) -> Step:
    def step(rows: DataFrame) -> DataFrame:
        newest = rows.agg(F.max(schema.EVENT_DATE).alias(schema.END_DATE))
        among = summaries.in_last_days(days, F.col(schema.END_DATE))
        return rows.join(F.broadcast(newest), on=among, how="inner").drop(schema.END_DATE)

    return step


def _funnels(runs: _Rows | None, days: Collection[dt.date]) -> list[Funnel]:
    """Return the funnel of each day, as the newest run that was done with it told."""
    found: dict[dt.date, Funnel] = {}
    for row in runs or ():
        for record in json.loads(row[schema.FUNNEL]) if row[schema.STATUS] == "done" else ():
            funnel = Funnel.from_record(record)
            if funnel.labels and funnel.day is not None and funnel.day in days:
                found.setdefault(funnel.day, funnel)
    return [found[day] for day in sorted(found)]


def _natural_days(run: Run, days: _Rows, runs: _Rows) -> frozenset[dt.date]:
    """Return the days that were sampled as validation or test, by the settings of the run that made each."""
    confs = {row[schema.RUN_ID]: json.loads(row[schema.CONFIG]).get("splitting") for row in runs}
    splits: dict[str, SplittingSettings] = {}
    for run_id in {row[schema.RUN_ID] for row in days}:
        try:
            splits[run_id] = build(SplittingSettings, confs.get(run_id), "splitting")
        except SettingsError:  # a run that is no longer recorded, or of another version
            splits[run_id] = run.settings.splitting
    return frozenset(
        row[schema.EVENT_DATE] for row in days if splits[row[schema.RUN_ID]].is_natural(row[schema.EVENT_DATE])
    )


def _weights(run: Run, labels: Sequence[str], days: Collection[dt.date]) -> _Rows | None:
    if not run.tables.exists(schema.EXAMPLES):
        return None
    examples = run.tables.read(schema.EXAMPLES)
    stored = [label for label in dict.fromkeys(labels) if schema.weight_column(label) in examples.columns]
    if not stored or not days:
        return None
    run.tables.describe("report: weights")
    mine = examples.where(F.col(schema.EVENT_DATE).isin(sorted(days)))
    rows = pipeline.fetch(mine.transform(summaries.weight_bins(sorted(stored))))
    return [{**row, schema.BIN: row[schema.BIN] * summaries.WEIGHT_BIN} for row in rows]
