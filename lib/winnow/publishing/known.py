"""What retrieval knows as of a day: the examples before it and the tables beside them, told on screen."""

from __future__ import annotations

import dataclasses
import datetime as dt

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from winnow import pipeline, retrieval, schema
from winnow.errors import InputNotReadyError, SettingsError
from winnow.retrieval.ids import new_ids, number_ids
from winnow.retrieval.settings import OF_SPARK_ML
from winnow.run import Run

#: The sources whose fit works on numbers in place of ids.
_ON_NUMBERS = {"als", "svd", "als_explicit"}


def known_as_of(run: Run, as_of: dt.date) -> retrieval.Interactions:
    """Return what is known before the day, after it was counted and told: pairs, and those that the factors leave out.

    Raises InputNotReadyError without a positive before the day.
    """
    tables, settings = run.tables, run.settings.retrieval
    examples = tables.read(schema.EXAMPLES).transform(pipeline.training_view(settings.label))
    known = retrieval.interactions(examples, as_of, settings, beside_of(run))
    tables.describe(f"{as_of}: what was known before")
    has_watch = F.col(schema.CONFIDENCE) > 0
    counts = F.count(F.lit(1)).alias(schema.ROWS), F.count(F.when(has_watch, 1)).alias(schema.UNITS)
    (before,) = pipeline.fetch(known.pairs.agg(*counts))
    if not before[schema.ROWS]:
        raise InputNotReadyError(
            f"{as_of}: expected positives of {settings.label} before the day in {tables.location(schema.EXAMPLES)}, found "
            "none. Run prepare_examples on the days before it."
        )
    dropped = before[schema.ROWS] - before[schema.UNITS]
    run.say(
        f"{as_of}: {before[schema.ROWS]:,} pairs of a user and a media were known; {dropped:,} of them without watch time "
        "count for popularity only"
    )
    return known


def beside_of(run: Run) -> retrieval.Beside:
    """Return the tables that tell more than the log does, as far as they are there."""
    return retrieval.Beside(
        media=run.tables.read_if_there(schema.MEDIA),
        users=run.tables.read_if_there(schema.USERS),
        onboarding=run.tables.read_if_there(schema.ONBOARDING),
        ratings=run.tables.read_if_there(schema.RATINGS),
    )


def all_users(run: Run) -> DataFrame:
    """Return everybody who gets lists: the users of the table users, or where it is not there those of the examples."""
    table = schema.USERS if run.tables.exists(schema.USERS) else schema.EXAMPLES
    return run.tables.read(table).select(schema.USER_ID).where(F.col(schema.USER_ID).isNotNull()).distinct()


def with_numbers(run: Run, known: retrieval.Interactions) -> retrieval.Interactions:
    """Return the same with the stored numbers of the ids, to which those of new ids were added.

    In a dry run the new numbers are made and not stored.
    """
    if not _ON_NUMBERS & set(run.settings.retrieval.sources):
        return known
    rows = known.pairs.where(F.col(schema.CONFIDENCE) > 0).select(schema.USER_ID, schema.MEDIA_ID)
    if known.beside.ratings is not None and "als_explicit" in run.settings.retrieval.sources:
        rows = rows.unionByName(known.beside.ratings.select(schema.USER_ID, schema.MEDIA_ID))
    numbers = {
        "user_ids": _grown(run, schema.USER_IDS, schema.USER_ID, rows),
        "media_ids": _grown(run, schema.MEDIA_IDS, schema.MEDIA_ID, rows),
    }
    return dataclasses.replace(known, beside=dataclasses.replace(known.beside, **numbers))


def check_sources(run: Run) -> None:
    """Raise SettingsError for a source that the engine cannot fit."""
    lacking = [source for source in run.settings.retrieval.sources if source in OF_SPARK_ML]
    if lacking and not run.tables.has_spark_ml:
        raise SettingsError(
            f"retrieval.sources: expected sources that the engine can fit, found {', '.join(lacking)}, which is Spark ML's. "
            'Use --engine spark, or --set \'retrieval.sources=["popularity", "item_item", "svd"]\'.'
        )


def _grown(run: Run, table: schema.Table, column: str, rows: DataFrame) -> DataFrame:
    """Return the table's numbers, after those of ids that it does not have yet were added."""
    tables, stored = run.tables, run.tables.read_latest(table)
    new = new_ids(rows, column, stored)
    tables.describe(f"{table}: new ids")
    (counted,) = pipeline.fetch(new.agg(F.count(F.lit(1)).alias(schema.ROWS)))
    if run.is_dry or not counted[schema.ROWS]:
        return number_ids(rows, column, stored)
    # Replaced and not appended: of two runs that number at once, one loses, and no number is given twice.
    whole = new if stored is None else stored.select(*new.columns).unionByName(new)
    tables.replace(table, whole, {}, record=run.metadata(), files=1)
    run.say(f"{table}: {counted[schema.ROWS]:,} new")
    found = tables.read_latest(table)
    assert found is not None
    return found
