"""Why an impression is or is not in the examples: its way down the line, told as its day's run went it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any

from pyspark.sql import functions as F

from winnow import labelling, pipeline, schema
from winnow.errors import DataError, InputNotReadyError
from winnow.pipeline import Traced
from winnow.publishing.past_runs import past_run, reading_again
from winnow.run import Run

_Row = Mapping[str, Any]


def explain_impression(run: Run, day: dt.date, impression_id: str) -> None:
    """Say what became of one impression of a published day: copies, refusals, stratum, draw, and each label's outcome.

    Told of the version of the log and with the settings that the day's run had, from the ledger's thresholds; then held
    against the stored row. Raises InputNotReadyError where the day was never published or has no such id, DataError where
    that version of the log is gone, or what is stored is something else.
    """
    tables, past = run.tables, past_run(run, day)
    with reading_again(run, past):
        traced = pipeline.trace(
            tables.read(schema.IMPRESSIONS, past.version),
            day,
            past.settings,
            impression_id,
            mature_until=past.mature_until,
            describe=tables.describe,
        )
    if traced is None:
        raise InputNotReadyError(
            f"{day}: expected impression {impression_id} in version {past.version} of "
            f"{tables.location(schema.IMPRESSIONS)}, found none. It may be of another day, or have come later: "
            f"prepare_examples.py --date {day} reads the newest version."
        )
    ledger = _ledger(run, day, traced.stratum)
    stored = _stored(run, day, impression_id)
    kept = {} if traced.refusals else {label: _class_kept(traced, label, row) for label, row in ledger.items()}
    lines = [f"impression {impression_id} of {day}, as run {past.run_id} read it (version {past.version}):"]
    run.say("\n  ".join([*lines, *_told(traced, ledger), *_as_stored(stored, kept)]))
    found = {label: (stored or {}).get(schema.label_column(label)) for label in kept}
    if kept != found:
        raise DataError(
            f"{day}: expected impression {impression_id} with the labels {kept}, found {found} in the examples. "
            f"verify.py --date {day} compares the whole day."
        )


def _ledger(run: Run, day: dt.date, stratum: str) -> dict[str, _Row]:
    """Return the ledger's row of the stratum for each label."""
    rows = run.tables.read_slice(schema.LEDGER, {schema.EVENT_DATE: day})
    assert rows is not None  # the past run was found there
    return {row[schema.LABEL]: row for row in pipeline.fetch(rows.where(F.col(schema.STRATUM) == stratum))}


def _stored(run: Run, day: dt.date, impression_id: str) -> _Row | None:
    rows = run.tables.read_slice(schema.EXAMPLES, {schema.EVENT_DATE: day})
    if rows is None:
        return None
    is_it = F.col(schema.IMPRESSION_ID).cast("string") == impression_id
    return next(iter(pipeline.fetch(rows.where(is_it))), None)


def _threshold(traced: Traced, label: str, row: _Row) -> float | None:
    """Return below which draw the row is kept for the label, None where it has no label."""
    thresholds = {
        labelling.POSITIVE: row[schema.POSITIVE_THRESHOLD],
        labelling.NEGATIVE: row[schema.NEGATIVE_THRESHOLD],
    }
    return thresholds.get(traced.reasons[label])


def _class_kept(traced: Traced, label: str, row: _Row) -> int | None:
    """Return the class that the row should have in the examples, None where it is not in the label's sample."""
    threshold = _threshold(traced, label, row)
    if threshold is None or traced.draw >= threshold:
        return None
    return int(traced.reasons[label] == labelling.POSITIVE)


def _told(traced: Traced, ledger: Mapping[str, _Row]) -> Iterator[str]:
    if traced.log_lines > 1:
        yield f"{traced.log_lines} log lines, of which one counts: the valid one that was watched longest"
    if traced.refusals:
        yield f"refused: {', '.join(traced.refusals)}; in quarantine, and without a label"
        return
    yield f"stratum {traced.stratum}, draw {traced.draw:.6f}"
    for label, row in ledger.items():
        threshold = _threshold(traced, label, row)
        reason = traced.reasons[label]
        if threshold is None:
            yield f"{label}: {reason}, so without a label"
        elif traced.draw < threshold:
            yield f"{label}: {reason}, kept, as every one with a draw below {threshold:.6f} is"
        else:
            yield f"{label}: {reason}, not kept: only draws below {threshold:.6f} are"


def _as_stored(stored: _Row | None, kept: Mapping[str, int | None]) -> Iterator[str]:
    if stored is None:
        yield "stored: not in the examples"
        return
    for label in kept:
        names = map(str, schema.columns_of(label))
        if stored.get(schema.label_column(label)) is not None:
            yield "stored: " + ", ".join(f"{name} {stored[name]:.6g}" for name in names)
