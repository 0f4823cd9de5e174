"""Candidates of a day: the lists of every source and the merged ones, written part by part in the place of former ones."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from winnow import __version__, pipeline, retrieval, schema
from winnow.publishing.known import all_users, check_sources, known_as_of, with_numbers
from winnow.publishing.models import Fitted, merging_weights, serving_or_fitted
from winnow.run import Run
from winnow.slices import Slice

#: The lists of some users: user_id, media_id, rank, score, reason, and found_by of merged ones.
_Lists = Callable[[DataFrame], DataFrame]


def publish_candidates(run: Run, as_of: dt.date, *, is_fitted_anew: bool = False) -> None:
    """Replace the lists of every source, and the merged ones, as of the day.

    Lists are made by the models that serve, where train_retrieval has stored them, else by models that are fitted to what was
    known before the day and thrown away; ``is_fitted_anew``: always by such. Every user of the table users has lists, or where
    it is not there every user of the examples; those without a positive before the day have what popularity, and the genres
    they chose, give them.

    Parts that are there already, made of the same input by the same settings, are left alone: a run that was stopped goes on
    where it was. Raises InputNotReadyError without examples before the day, SettingsError on an engine without Spark ML.
    """
    if is_fitted_anew:
        check_sources(run)
    known = known_as_of(run, as_of)
    with serving_or_fitted(run, as_of, with_numbers(run, known), is_fitted_anew=is_fitted_anew) as models:
        _write_all(run, known, models)


def _write_all(run: Run, known: retrieval.Interactions, models: Mapping[str, Fitted]) -> None:
    """Write the lists of each model, and then the merged ones of what is stored."""
    as_of, settings, users = known.as_of, run.settings.retrieval, all_users(run)
    digests = {}
    for source, fitted in models.items():
        digests[source] = _digest(run, as_of, {source: fitted.version})

        def lists(some: DataFrame, fitted: Fitted = fitted) -> DataFrame:
            return fitted.model.recommend(retrieval.Asked(some, settings.candidates, known, settings.skip_seen))

        _write(run, as_of, source, users, lists, digests[source])
    merging = merging_weights(models, settings)

    def merged(some: DataFrame) -> DataFrame:
        stored = run.tables.read_latest(schema.CANDIDATES)
        assert stored is not None
        is_one = F.col(schema.CANDIDATE_SOURCE).isin(list(models)) & (F.col(schema.AS_OF_DATE) == F.lit(as_of))
        mine = stored.where(is_one).join(some, schema.USER_ID, how="left_semi")
        return mine.transform(retrieval.merge(merging, settings.candidates))

    if run.is_dry:
        return
    _write(run, as_of, retrieval.MERGED, users, merged, _digest(run, as_of, digests))
    _tell_without_lists(run, as_of, users)


def _write(run: Run, as_of: dt.date, source: str, users: DataFrame, lists: _Lists, digest: str) -> None:
    """Write the parts of the source's lists that are not there yet."""
    tables, parts = run.tables, run.settings.retrieval.scoring.parts
    of_source: Slice = {schema.AS_OF_DATE: as_of, schema.CANDIDATE_SOURCE: source}
    done = _done(run, of_source, digest)
    names = [f"{number}-of-{parts}" for number in range(1, parts + 1)]
    if done >= set(names):
        run.say(f"{as_of}: {source} is there already, made of the same")
        return
    if not done:  # what is marked now is of other lists, which are about to go
        _mark(run, of_source, [])
    for number, name in enumerate(names):
        if name in done:
            continue
        tables.describe(f"{as_of}: candidates of {source}, {name}")
        is_mine = F.pmod(F.xxhash64(F.lit("part of the users"), F.col(schema.USER_ID)), F.lit(parts)) == number
        some = users if parts == 1 else users.where(is_mine)
        rows = _stored(run, lists(some), as_of, source, name)
        # The first part clears away all that was there of the source, in the same commit.
        where = {**of_source, schema.PART: name} if done else of_source
        tables.replace(schema.CANDIDATES, rows, where, record=run.metadata(), files=tables.parallelism())
        done = done | {name}
        mark: Slice = {**of_source, schema.PART: name}
        _mark(run, mark, [{**mark, schema.MADE_OF: digest, schema.RUN_ID: run.run_id}])
        run.say(f"{as_of}: {source} published" + ("" if parts == 1 else f", {name}"))


def _stored(run: Run, lists: DataFrame, as_of: dt.date, source: str, part: str) -> DataFrame:
    """Return the lists as the table candidates has them."""
    values: dict[str, Column] = {
        schema.AS_OF_DATE: F.lit(as_of),
        schema.CANDIDATE_SOURCE: F.lit(source),
        schema.RANK: F.col(schema.RANK).cast("int"),
        schema.PART: F.lit(part),
        schema.RUN_ID: F.lit(run.run_id),
    }
    if schema.FOUND_BY not in lists.columns:
        values[schema.FOUND_BY] = F.lit(None).cast(schema.FOUND_BY.type)
    return lists.withColumns(values).select(*schema.CANDIDATES.columns)


def _done(run: Run, of_source: Slice, digest: str) -> frozenset[str]:
    """Return the parts that are written, made of the same."""
    marks = run.tables.read_slice(schema.CANDIDATE_PARTS, of_source)
    if marks is None or not run.tables.exists(schema.CANDIDATES):
        return frozenset()
    found = pipeline.fetch(marks.where(F.col(schema.MADE_OF) == digest).select(schema.PART))
    return frozenset(row[schema.PART] for row in found)


def _mark(run: Run, where: Slice, records: list[Mapping[str, Any]]) -> None:
    if records or run.tables.exists(schema.CANDIDATE_PARTS):
        rows = run.tables.local(schema.CANDIDATE_PARTS, records)
        run.tables.replace(schema.CANDIDATE_PARTS, rows, where, record=run.metadata(), files=1)


def _digest(run: Run, as_of: dt.date, made_by: Mapping[str, str | None]) -> str:
    """Return the hash of all that lists follow from."""
    told = {
        "as_of": str(as_of),
        "code": __version__,
        "settings": run.settings.as_record()["retrieval"],
        "input": run.tables.pinned,
        "made_by": dict(made_by),
    }
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _tell_without_lists(run: Run, as_of: dt.date, users: DataFrame) -> None:
    where: Slice = {schema.AS_OF_DATE: as_of, schema.CANDIDATE_SOURCE: retrieval.MERGED}
    stored = run.tables.read_slice(schema.CANDIDATES, where)
    assert stored is not None
    run.tables.describe(f"{as_of}: users without a list")
    without = users.join(stored.select(schema.USER_ID), schema.USER_ID, how="left_anti")
    (counted,) = pipeline.fetch(without.agg(F.count(F.lit(1)).alias(schema.ROWS)))
    if counted[schema.ROWS]:
        run.warn(
            f"{as_of}: {counted[schema.ROWS]:,} users have no candidates. Add popularity to retrieval.sources: it serves all."
        )
