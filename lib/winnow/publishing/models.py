"""Models of retrieval from fitted to serving: measured on days held out, stored, and promoted when they pass their gates."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from winnow import pipeline, retrieval, schema
from winnow.errors import DataError, InputNotReadyError, LeakError
from winnow.evaluation import sources as compared
from winnow.local import kept
from winnow.publishing.known import check_sources, known_as_of, with_numbers
from winnow.run import Run
from winnow.store import Card, Gate, ModelStore, at_least

_DAY = dt.timedelta(days=1)
#: What a model's card tells, and its gate asks for: recall of its lists on the days that were held out.
RECALL = "recall"


@dataclass(frozen=True)
class Fitted:
    """A model, and the version that it is stored under; None = it is not stored."""

    model: retrieval.Model
    version: str | None = None


def train_models(run: Run, as_of: dt.date) -> None:
    """Fit every source to what was known before the day, store it, and let it serve when it passes its gates.

    The gate: recall on the last ``retrieval.gates.validation_days`` before the day, by models that were fitted to the days
    before those, is at least ``least_of_former`` of what the serving model's card tells. The models that then serve know the
    held-out days too. Nothing serves before all are stored; what fails on the way leaves the former models serving.

    Raises InputNotReadyError without examples before the day, GuardError naming the gates that stay shut.
    """
    check_sources(run)
    sources = run.settings.retrieval.sources
    metrics = _measure(run, as_of)
    known = with_numbers(run, known_as_of(run, as_of))
    if run.is_dry:
        return
    store, version = _store(run), f"{as_of:%Y%m%d}-{run.run_id}"
    gates = {source: _gates(run, store, source, metrics.get(source, {})) for source in sources}
    for source in sources:
        run.tables.describe(f"{as_of}: fit {source}")
        parts = retrieval.LEARNERS[source].fit(known, run.settings.retrieval).parts()
        store.save(source, version, parts, _card(run, source, metrics.get(source, {})))
        run.tables.release()
        run.say(f"{as_of}: {source} stored as {version}")
    for source in sources:
        store.promote(source, version, gates[source])
    run.say(f"{as_of}: {', '.join(sources)} serve")


def roll_back(run: Run) -> None:
    """Let the models serve that served before; raises InputNotReadyError where there was none."""
    for source in run.settings.retrieval.sources:
        run.say(f"{source}: {_store(run).rollback(source)} serves again")


def serving_or_fitted(
    run: Run, as_of: dt.date, known: retrieval.Interactions, *, is_fitted_anew: bool
) -> dict[str, Fitted]:
    """Return a model of each source: the one that serves, or where there is none one that is fitted now.

    Raises ModelError for a stored model that was changed, LeakError for one that knows the day or later ones.
    """
    found = {}
    for source in run.settings.retrieval.sources:
        stored = None if is_fitted_anew else _serving(run, as_of, source)
        if stored is None:
            check_sources(run)
            run.tables.describe(f"{as_of}: fit {source}")
            run.say(f"{as_of}: {source} is fitted for this day only" + ("" if is_fitted_anew else ": none serves"))
            stored = Fitted(retrieval.LEARNERS[source].fit(known, run.settings.retrieval))
        found[source] = stored
    return found


def _serving(run: Run, as_of: dt.date, source: str) -> Fitted | None:
    store = _store(run)
    try:
        version = store.serving(source)
    except InputNotReadyError:
        return None
    if version[:8] > f"{as_of:%Y%m%d}":
        raise LeakError(
            f"{as_of}: expected a model of {source} that knows nothing from this day on, found {version} serving. Use --fit, "
            "or train and roll back."
        )
    stored = store.open(source, version)
    stored.check(kind=source, label=run.settings.retrieval.label)
    names = sorted({file.partition("/")[0] for file in stored.manifest.files})
    parts = {name: stored.read(name) if "." in name else stored.rows(run.tables.spark, name) for name in names}
    run.say(f"{as_of}: {source} is that of {version}")
    return Fitted(retrieval.LEARNERS[source].load(parts, run.settings.retrieval), version)


def _measure(run: Run, as_of: dt.date) -> Mapping[str, Mapping[str, float]]:
    """Return source -> metrics on the days before, and tell them; nothing where there is nothing to measure on."""
    settings = run.settings.retrieval
    if not settings.gates.validation_days:
        return {}
    start = as_of - settings.gates.validation_days * _DAY
    relevant = _positives(run, start, as_of)
    run.tables.describe(f"{start} to {as_of}: what was relevant")
    (counted,) = pipeline.fetch(relevant.agg(F.count(F.lit(1)).alias(schema.ROWS)))
    try:
        known = with_numbers(run, known_as_of(run, start)) if counted[schema.ROWS] else None
    except InputNotReadyError:
        known = None
    if known is None:
        run.warn(f"{as_of}: nothing to hold the models against in the days from {start} on: no gate is set")
        return {}
    users = relevant.select(schema.USER_ID).distinct()
    asked = retrieval.Asked(users, settings.candidates, known, settings.skip_seen)
    models = {source: retrieval.LEARNERS[source].fit(known, settings) for source in settings.sources}
    run.tables.describe(f"{start}: recall of each source")
    lists = retrieval.lists_of(models, asked)
    with kept(lists):
        merged = lists.transform(retrieval.merge(settings.merging, settings.candidates))
        both = lists.select(*_KEY), merged.select(F.lit(retrieval.MERGED).alias(schema.CANDIDATE_SOURCE), *_KEY[1:])
        rows = pipeline.fetch(relevant.transform(compared.compare_sources(both[0], settings.candidates)))
        rows += [
            row
            for row in pipeline.fetch(relevant.transform(compared.compare_sources(both[1], settings.candidates)))
            if row[schema.CANDIDATE_SOURCE] == retrieval.MERGED
        ]
    run.tables.release()
    run.say(_screen(rows, settings.candidates))
    none = {compared.RELEVANT: counted[schema.ROWS], compared.FOUND: 0, compared.UNIQUE: 0, RECALL: 0.0}
    by_source = {row[schema.CANDIDATE_SOURCE]: row for row in rows}
    return {source: _numbers(by_source.get(source, none)) for source in settings.sources}


_KEY = (schema.CANDIDATE_SOURCE, schema.USER_ID, schema.MEDIA_ID, schema.RANK)


def _positives(run: Run, start: dt.date, end: dt.date) -> DataFrame:
    """Return the pairs that became positive in the days from ``start`` to before ``end``, and were not before."""
    examples = run.tables.read(schema.EXAMPLES).transform(pipeline.training_view(run.settings.retrieval.label))
    settings = run.settings.retrieval
    until = retrieval.interactions(examples, end, settings)
    pair = [str(schema.USER_ID), str(schema.MEDIA_ID)]
    asked = until.positives.where(F.col(schema.EVENT_DATE) >= F.lit(start)).select(*pair).distinct()
    if not settings.skip_seen:
        return asked
    before = retrieval.interactions(examples, start, settings).pairs
    return asked.join(before, pair, how="left_anti")


def _store(run: Run) -> ModelStore:
    return ModelStore(run.tables.root)


def _gates(run: Run, store: ModelStore, source: str, metrics: Mapping[str, float]) -> list[Gate]:
    try:
        former = store.open(source).manifest.card.metrics
    except (InputNotReadyError, DataError):  # none, or one that was changed: nothing to be as good as
        return []
    if RECALL not in former or RECALL not in metrics:
        return []
    return [at_least(RECALL, run.settings.retrieval.gates.least_of_former * former[RECALL])]


def _card(run: Run, source: str, metrics: Mapping[str, float]) -> Card:
    record = run.record()
    return Card(
        kind=source,
        code_version=record[schema.CODE_VERSION],
        config_hash=record[schema.CONFIG_HASH],
        input_versions=dict(run.tables.pinned),
        id_map_version=run.tables.written.get(schema.USER_IDS.name),
        label=run.settings.retrieval.label,
        metrics=metrics,
    )


def _numbers(row: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(row[name]) for name in (RECALL, compared.FOUND, compared.UNIQUE, compared.RELEVANT)}


def _screen(rows: list[dict[str, Any]], n: int) -> str:
    """Return a line a source: recall, and what it alone has found."""
    lines = [f"recall@{n} on the days held out, of {rows[0][compared.RELEVANT]:,} relevant:"] if rows else []
    for row in sorted(rows, key=lambda row: -row[RECALL]):
        name = row[schema.CANDIDATE_SOURCE]
        missed = f"   found by none: {row[compared.MISSED]:,}" if name == compared.ANY else ""
        alone = "" if name in (compared.ANY, retrieval.MERGED) else f"   found by it alone: {row[compared.UNIQUE]:,}"
        lines.append(f"  {name:<14}{row[RECALL]:.4f}{alone}{missed}")
    return "\n".join(lines)
