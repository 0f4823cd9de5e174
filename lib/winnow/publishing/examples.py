"""A day of examples from counted to published: inspected before readers see it, replaced whole, told in the ledger."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence

from pyspark.sql import functions as F

from winnow import guards, ledger, schema
from winnow.errors import InputNotReadyError, JobError
from winnow.funnel import Funnel
from winnow.pipeline import Prepared, fetch, prepare
from winnow.publishing.quarantine import replace_quarantine
from winnow.run import Run

_DAY = dt.timedelta(days=1)
#: An inexact sample that differs by more deviations from what its rates promise was not drawn by them.
_MOST_SIGMAS = 7.0


def publish_examples(run: Run, day: dt.date, *, force: bool = False) -> None:
    """Prepare one day of the impressions and replace its examples, quarantine and ledger.

    ``force``: take a day that is younger than ``labelling.maturity_hours``; its youngest rows stay without a label.

    Raises InputNotReadyError for a day that is too young or has no rows, GuardError for one that looks like nonsense,
    ConcurrentRunError when another run replaced the same day meanwhile.
    """
    tables, settings = run.tables, run.settings
    version = tables.pin(schema.IMPRESSIONS)
    mature_until = settings.labelling.mature_until(run.started)
    end_of_day = dt.datetime.combine(day + _DAY, dt.time(), dt.UTC)
    is_young = mature_until < end_of_day and settings.labelling.maturity_hours > 0
    if is_young and not force:
        ready = end_of_day + dt.timedelta(hours=settings.labelling.maturity_hours)
        raise InputNotReadyError(
            f"{day}: its labels are settled from {ready:%Y-%m-%d %H:%M} UTC on (labelling.maturity_hours = "
            f"{settings.labelling.maturity_hours:g}), and it is {run.started:%Y-%m-%d %H:%M}. Run again then, or use --force."
        )
    day_of_log = tables.read(schema.IMPRESSIONS)
    prepared = prepare(
        day_of_log, day, settings, mature_until=mature_until if is_young else None, describe=tables.describe
    )
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
    tables.describe(f"{day}: write the examples")
    files = _files(run, prepared)
    made = tables.replace(
        schema.EXAMPLES, prepared.examples, {schema.EVENT_DATE: day}, record=run.metadata(), files=files
    )
    tables.describe(f"{day}: count what was kept")
    stored = tables.read(schema.EXAMPLES, made).where(F.col(schema.EVENT_DATE) == F.lit(day))
    counted = fetch(stored.transform(ledger.count_kept(settings.sampling.strata, list(settings.labels))))
    kept = {
        (row[schema.LABEL], row[schema.STRATUM]): (row[schema.KEPT_POSITIVES], row[schema.KEPT_NEGATIVES])
        for row in counted
    }
    records = ledger.records(
        day, prepared.strata, prepared.plan, prepared.basis, kept, known, run.run_id, settings.weighting.units
    )
    run.tell(_with_kept(prepared.funnel, records))
    _check_kept(prepared, kept)
    tables.replace(
        schema.LEDGER,
        tables.local(schema.LEDGER, records).coalesce(1),
        {schema.EVENT_DATE: day},
        record=run.metadata(),
    )


def _inspect(run: Run, prepared: Prepared) -> dict[str, set[str]]:
    """Hold the day against the guards; return the strata of each label in the days before."""
    past = run.tables.read_latest(schema.LEDGER)
    history: Sequence[guards.PastDay] = ()
    known: dict[str, set[str]] = {}
    if past is not None:
        run.tables.describe(f"{prepared.day}: the days before")
        before = past.transform(ledger.days_before(prepared.day, run.settings))
        history = ledger.past_days(fetch(before.transform(ledger.totals())))
        for row in fetch(before.transform(ledger.strata())) if history else []:
            known.setdefault(row[schema.LABEL], set()).add(row[schema.STRATUM])
    labels = ledger.label_days(prepared.strata, prepared.plan, known)
    findings = guards.inspect(prepared.funnel, labels, history, run.settings.guards)
    for finding in findings:
        if finding.severity == "warn":
            run.warn(f"{finding.message} ({finding.rule})")
    guards.stop_if_blocked(findings)
    return known


def _files(run: Run, prepared: Prepared) -> int:
    """Return how many files to write: as few as hold the rows, but tasks enough to read the input with every core."""
    writing = run.settings.writing
    wanted = math.ceil(prepared.expected_rows / writing.rows_per_file)
    busy = min(run.tables.parallelism(), math.ceil(prepared.funnel.input_rows / writing.rows_per_task))
    return max(1, wanted, busy)


def _with_kept(funnel: Funnel, records: Sequence[dict[str, object]]) -> Funnel:
    labels = {}
    for name, label in funnel.labels.items():
        mine = [record for record in records if record[schema.LABEL] == name]
        positives, negatives = (
            sum(int(str(record[column])) for record in mine)
            for column in (schema.KEPT_POSITIVES, schema.KEPT_NEGATIVES)
        )
        labels[name] = label.with_kept(positives, negatives)
    whole = Funnel(funnel.day, funnel.input_rows, funnel.duplicates, funnel.quarantined, funnel.rewatched, labels)
    whole.check_sums()
    return whole


def _check_kept(prepared: Prepared, kept: dict[tuple[str, str], tuple[int, int]]) -> None:
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
