"""How much of what users went on to watch each source finds: models fitted to the days before, asked for the days held out."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from winnow import pipeline, retrieval, schema
from winnow.errors import InputNotReadyError
from winnow.evaluation import sources as compared
from winnow.local import kept
from winnow.publishing.known import known_as_of, with_numbers
from winnow.retrieval.settings import OF_VECTORS
from winnow.run import Run

_DAY = dt.timedelta(days=1)
#: What a model's card tells, and its gate asks for: recall of its lists on the days that were held out.
RECALL = compared.RECALL
#: What a card tells of an approximate index: the share of the exact lists that it finds.
INDEX_RECALL = "index_recall"
#: Users whose lists are made both ways for it.
_ASKED_BOTH_WAYS = 1_000
_KEY = (schema.CANDIDATE_SOURCE, schema.USER_ID, schema.MEDIA_ID, schema.RANK)


@contextlib.contextmanager
def fitted_and_held(
    run: Run, known: retrieval.Interactions, sources: Sequence[str]
) -> Iterator[dict[str, retrieval.Model]]:
    """Fit the sources, and keep what they have learnt while their lists are made, so that it is worked out once."""
    settings = run.settings.retrieval
    with contextlib.ExitStack() as held:
        models = {}
        for source in sources:
            run.tables.describe(f"{known.as_of}: fit {source}")
            parts = retrieval.LEARNERS[source].fit(known, settings).parts()
            rows = {
                name: part if isinstance(part, bytes) else held.enter_context(kept(part))
                for name, part in parts.items()
            }
            models[source] = retrieval.LEARNERS[source].load(rows, settings)
        yield models
    run.tables.release()


def measure_sources(run: Run, as_of: dt.date) -> Mapping[str, Mapping[str, float]]:
    """Return source -> metrics on the ``retrieval.gates.validation_days`` before the day, and tell them.

    Nothing where there is nothing to fit to or to measure on, which is told.
    """
    settings = run.settings.retrieval
    if not settings.gates.validation_days:
        return {}
    start = as_of - settings.gates.validation_days * _DAY
    with kept(_positives(run, start, as_of)) as relevant:
        run.tables.describe(f"{start} to {as_of}: what was relevant")
        (counted,) = pipeline.fetch(relevant.agg(F.count(F.lit(1)).alias(schema.ROWS)))
        try:
            known = with_numbers(run, known_as_of(run, start)) if counted[schema.ROWS] else None
        except InputNotReadyError:
            known = None
        if known is None:
            run.warn(f"{as_of}: nothing to hold the models against in the days from {start} on: no gate is set")
            return {}
        found = {source: {RECALL: 0.0} for source in settings.sources}
        rows = _found(run, known, relevant)
    for row in rows:
        if row[schema.CANDIDATE_SOURCE] in found:
            names = (RECALL, compared.FOUND, compared.UNIQUE, compared.RELEVANT)
            found[row[schema.CANDIDATE_SOURCE]] = {name: float(row[name]) for name in names}
    for row in rows:
        run.measure(f"{row[schema.CANDIDATE_SOURCE]}/recall@{settings.candidates}", row[RECALL])
    run.say(_screen(rows, settings.candidates))
    return found


def measure_index(run: Run, known: retrieval.Interactions, source: str, model: retrieval.Model) -> Mapping[str, float]:
    """Return how much of the model's exact lists its approximate index finds, of a thousand users; nothing where it has none."""
    settings = run.settings.retrieval
    if settings.scoring.index == "exact" or source not in OF_VECTORS:
        return {}
    people = known.pairs.select(schema.USER_ID).distinct()
    some = people.orderBy(F.xxhash64(F.lit("asked both ways"), schema.USER_ID)).limit(_ASKED_BOTH_WAYS)
    looks_at_all = replace(settings, scoring=replace(settings.scoring, index="exact"))
    exact = retrieval.LEARNERS[source].load(model.parts(), looks_at_all)
    asked = retrieval.Asked(some, settings.candidates, known, settings.skip_seen)
    pair = [str(schema.USER_ID), str(schema.MEDIA_ID)]
    near = model.recommend(asked).select(*pair, F.lit(True).alias(compared.FOUND))
    both = exact.recommend(asked).select(*pair).join(near, pair, how="left")
    run.tables.describe(f"{known.as_of}: the index of {source} beside exact lists")
    counts = F.count(F.lit(1)).alias(compared.RELEVANT), F.count(compared.FOUND).alias(compared.FOUND)
    (row,) = pipeline.fetch(both.agg(*counts))
    if not row[compared.RELEVANT]:
        return {}
    share = float(row[compared.FOUND] / row[compared.RELEVANT])
    run.say(f"{known.as_of}: the index of {source} finds {share:.4f} of what exact lists hold")
    return {INDEX_RECALL: share}


def _found(run: Run, known: retrieval.Interactions, relevant: DataFrame) -> list[dict[str, Any]]:
    """Return what each source has found, all together and merged."""
    settings, n = run.settings.retrieval, run.settings.retrieval.candidates
    asked = retrieval.Asked(relevant.select(schema.USER_ID).distinct(), n, known, settings.skip_seen)
    with fitted_and_held(run, known, settings.sources) as models, contextlib.ExitStack() as held:
        lists = [
            held.enter_context(kept(model.recommend(asked).withColumn(schema.CANDIDATE_SOURCE, F.lit(source))))
            for source, model in models.items()
        ]
        together = reduce(DataFrame.unionByName, lists)
        run.tables.describe(f"{known.as_of}: recall of each source")
        rows = pipeline.fetch(relevant.transform(compared.compare_sources(together.select(*_KEY), n)))
        recalls = {row[schema.CANDIDATE_SOURCE]: row[RECALL] for row in rows}
        recalls = {source: recalls.get(source, 0.0) for source in settings.sources}
        merged = together.transform(retrieval.merge(settings.merging.weighed(recalls), n))
        named = merged.select(F.lit(retrieval.MERGED).alias(schema.CANDIDATE_SOURCE), *_KEY[1:])
        run.tables.describe(f"{known.as_of}: recall of the merged lists")
        of_merged = pipeline.fetch(relevant.transform(compared.compare_sources(named, n)))
    return rows + [row for row in of_merged if row[schema.CANDIDATE_SOURCE] == retrieval.MERGED]


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


def _screen(rows: list[dict[str, Any]], n: int) -> str:
    """Return a line a source: recall, and what it alone has found."""
    lines = [f"recall@{n} on the days held out, of {rows[0][compared.RELEVANT]:,} relevant:"] if rows else []
    for row in sorted(rows, key=lambda row: -row[RECALL]):
        name = row[schema.CANDIDATE_SOURCE]
        missed = f"   found by none: {row[compared.MISSED]:,}" if name == compared.ANY else ""
        alone = "" if name in (compared.ANY, retrieval.MERGED) else f"   found by it alone: {row[compared.UNIQUE]:,}"
        lines.append(f"  {name:<14}{row[RECALL]:.4f}{alone}{missed}")
    return "\n".join(lines)
