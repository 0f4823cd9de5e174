"""A day of examples from counted to published: inspected before readers see it, replaced whole, told in the ledger."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from dataclasses import replace

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from winnow import guards, ledger, schema
from winnow.errors import ConcurrentRunError, InputNotReadyError, JobError
from winnow.funnel import Funnel
from winnow.pipeline import Prepared, fetch, prepare
from winnow.publishing.quarantine import replace_quarantine
from winnow.run import Run
from winnow.slices import Slice

#: (label, stratum) -> positives and negatives in the stored table.
_Kept = Mapping[tuple[str, str], tuple[int, int]]

#: An inexact sample that differs by more deviations from what its rates promise was not drawn by them.
_MOST_SIGMAS = 7.0

#: Times that the ledger is written anew when a run that has lost its examples commits to it first.
_TRIES = 5


def publish_examples(run: Run, day: dt.date, *, force: bool = False) -> None:
    """Prepare one day of the impressions and replace its examples, quarantine and ledger.

    ``force``: take a day that is younger than ``labelling.maturity_hours``; its youngest rows stay without a label.

    Raises InputNotReadyError for a day that is too young or has no rows, GuardError for one that looks like nonsense,
    JobError for stored rows that are not what the rates promise, after the former ones were put back, ConcurrentRunError
    when another run replaced the same day meanwhile.
    """
    tables = run.tables
    version = tables.pin(schema.IMPRESSIONS)
    labelling = run.settings.labelling
    if not force:
        labelling.check_settled(day, run.started, "Run again then, or use --force.")
    mature_until = labelling.mature_until(day, run.started)
    log = tables.read(schema.IMPRESSIONS)
    prepared = prepare(log, day, run.settings, mature_until=mature_until, describe=tables.describe)
    run.tell(prepared.funnel)
    if not prepared.funnel.input_rows:
        raise InputNotReadyError(
            f"{day}: expected impressions at {tables.location(schema.IMPRESSIONS)} (version {version}), found no row. "
            "Run again when the day has arrived."
        )
    known = _inspect(run, prepared)
    if run.is_dry:
        run.say(_planned(prepared))
        return
    replace_quarantine(run, prepared.quarantine, {schema.EVENT_DATE: day}, source=schema.IMPRESSIONS.name)
    kept = _write(run, prepared)
    try:
        _check_kept(prepared, kept)
    except JobError:
        _put_back(run, day)
        raise
    _tell(run, prepared, kept, known)


def _write(run: Run, prepared: Prepared) -> _Kept:
    """Replace the day's examples, and count by label and stratum what is stored now."""
    tables, day = run.tables, prepared.day
    tables.describe(f"{day}: write the examples")
    version = tables.replace(
        schema.EXAMPLES,
        prepared.examples,
        {schema.EVENT_DATE: day},
        record=run.metadata(),
        files=_files(run, prepared),
    )
    tables.describe(f"{day}: count what was kept")
    stored = tables.read(schema.EXAMPLES, version).where(F.col(schema.EVENT_DATE) == F.lit(day))
    counted = fetch(stored.transform(ledger.count_kept(prepared.plan.strata, list(prepared.plan.quotas))))
    return {
        (row[schema.LABEL], row[schema.STRATUM]): (row[schema.KEPT_POSITIVES], row[schema.KEPT_NEGATIVES])
        for row in counted
    }


def _put_back(run: Run, day: dt.date) -> None:
    """Replace the examples that this run wrote by those of the version before, unless another run has replaced the day since."""
    tables = run.tables
    if tables.is_changed(schema.EXAMPLES, day):
        return
    tables.describe(f"{day}: put the former examples back")
    is_of_day = F.col(schema.EVENT_DATE) == F.lit(day)
    former = tables.read(schema.EXAMPLES, tables.written[schema.EXAMPLES.name] - 1).where(is_of_day)
    tables.replace(schema.EXAMPLES, former, {schema.EVENT_DATE: day}, record=run.metadata())
    run.say(f"{day}: the examples are as they were before this run")


def _tell(run: Run, prepared: Prepared, kept: _Kept, known: Mapping[str, set[str]]) -> None:
    """Write the day's ledger, and complete its funnel.

    Examples and ledger are two commits, and another run may replace the examples in between. So they are looked at before the
    ledger is written, which is the other's to write then, and once more when it stands, since the other may have come even
    later. A run that passes has had its own examples beside its ledger; whoever replaces them from then on brings a ledger too.
    """
    units = run.settings.weighting.units
    records = ledger.records(
        prepared.day, prepared.strata, prepared.plan, prepared.basis, kept, known, run.run_id, units
    )
    rows = run.tables.local(schema.LEDGER, records)
    run.tell(_with_kept(prepared.funnel, kept))
    run.tables.describe(f"{prepared.day}: write the ledger")
    _write_ledger(run, rows, prepared.day)
    try:
        _check_not_lost(run, prepared.day)
    except ConcurrentRunError:
        # Without a ledger the day is due; one of other examples would be believed.
        own: Slice = {schema.EVENT_DATE: prepared.day, schema.RUN_ID: run.run_id}
        run.tables.replace(schema.LEDGER, run.tables.local(schema.LEDGER, []), own, record=run.metadata(), files=1)
        raise
    run.say(f"{prepared.day}: published")


def _write_ledger(run: Run, rows: DataFrame, day: dt.date) -> None:
    """Replace the day's ledger, as long as the stored examples are this run's.

    A run whose examples these have replaced may write its ledger at the same time, or take it back. Where its commit comes
    first this one is tried again: the ledger is for whoever's examples stand, and if both gave way nobody would have won.
    """
    for tries_left in reversed(range(_TRIES)):
        _check_not_lost(run, day)
        try:
            run.tables.replace(schema.LEDGER, rows, {schema.EVENT_DATE: day}, record=run.metadata(), files=1)
            return
        except ConcurrentRunError:
            if not tries_left:
                raise


def _check_not_lost(run: Run, day: dt.date) -> None:
    """Raise ConcurrentRunError where another run has replaced the day's examples since this one did."""
    if run.tables.is_changed(schema.EXAMPLES, day):
        raise ConcurrentRunError(
            f"{day}: expected the examples that this run wrote to {run.tables.location(schema.EXAMPLES)} (version "
            f"{run.tables.written[schema.EXAMPLES.name]}), found that another run replaced them before the ledger told of them. "
            f"Run prepare_examples.py --date {day} again, when no other run prepares the day."
        )


def _inspect(run: Run, prepared: Prepared) -> dict[str, set[str]]:
    """Hold the day against the guards and tell what came late; return the strata of each label in the days before."""
    day, is_natural = prepared.day, run.settings.splitting.is_natural
    stored = run.tables.read_latest(schema.LEDGER)
    run.tables.describe(f"{day}: the days before")
    rows = [] if stored is None else fetch(stored.transform(ledger.days_until(day, run.settings)))
    before = [row for row in rows if row[schema.EVENT_DATE] < day]
    today = ledger.planned_day(day, prepared.strata, prepared.plan, is_natural=is_natural(day))
    for former in ledger.stored_days([row for row in rows if row[schema.EVENT_DATE] == day], is_natural):
        run.say(
            f"{day}: {today.valid_rows:,} valid rows, {today.valid_rows - former.valid_rows:+,} since it was published"
        )
    run.heed(guards.inspect(prepared.funnel, today, ledger.stored_days(before, is_natural), run.settings.guards))
    known: dict[str, set[str]] = {}
    for row in before:
        known.setdefault(row[schema.LABEL], set()).add(row[schema.STRATUM])
    return known


def _files(run: Run, prepared: Prepared) -> int:
    """Return how many files to write: as few as hold the rows, but tasks enough to read the input with every core."""
    writing = run.settings.writing
    wanted = math.ceil(prepared.expected_rows / writing.rows_per_file)
    busy = min(run.tables.parallelism(), math.ceil(prepared.funnel.input_rows / writing.rows_per_task))
    return max(1, wanted, busy)


def _with_kept(funnel: Funnel, kept: _Kept) -> Funnel:
    labels = {}
    for name, label in funnel.labels.items():
        mine = [rows for (of, _), rows in kept.items() if of == name]
        labels[name] = label.with_kept(sum(rows[0] for rows in mine), sum(rows[1] for rows in mine))
    whole = replace(funnel, labels=labels)
    whole.check_sums()
    return whole


def _check_kept(prepared: Prepared, kept: _Kept) -> None:
    """Raise JobError where the stored rows are not those that the rates promise."""
    for label, pairs in prepared.plan.quotas.items():
        for count, pair in zip(prepared.strata, pairs, strict=True):
            for quota, rows in zip(
                (pair.positives, pair.negatives), kept.get((label, count.stratum), (0, 0)), strict=True
            ):
                spread = math.sqrt(quota.available * quota.rate * (1 - quota.rate))
                expected = quota.rate * quota.available
                if abs(rows - expected) > _MOST_SIGMAS * spread + _MOST_SIGMAS * bool(spread):
                    raise JobError(
                        f"{prepared.day}, {label}, stratum {count.stratum}: expected {expected:.0f} rows (rate "
                        f"{quota.rate:.6g} of {quota.available}), found {rows} in the stored table. Were there duplicates "
                        'with sampling.duplicates = "trust"? Nothing is wrong with other days; run this one again.'
                    )


def _planned(prepared: Prepared) -> str:
    lines = [f"{prepared.day}: would keep"]
    for label, pairs in prepared.plan.quotas.items():
        for count, pair in zip(prepared.strata, pairs, strict=True):
            lines.append(
                f"  {label} {count.stratum}: {pair.positives.target:,.0f} of {pair.positives.available:,} positives "
                f"(rate {pair.positives.rate:.6g}), {pair.negatives.target:,.0f} of {pair.negatives.available:,} "
                f"negatives (rate {pair.negatives.rate:.6g})"
            )
    return "\n".join(lines)
