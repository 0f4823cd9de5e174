"""Candidates of a day: each source fitted to what was known before it, and its lists put in the place of former ones."""

from __future__ import annotations

import datetime as dt

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from winnow import pipeline, retrieval, schema
from winnow.errors import InputNotReadyError, SettingsError
from winnow.run import Run
from winnow.slices import Slice


def publish_candidates(run: Run, as_of: dt.date) -> None:
    """Fit every source to the examples before ``as_of`` and replace its lists of that day, source by source.

    Every user of the table users has a list, or where it is not there every user of the examples; those without a
    positive before the day have one of popularity only.

    Raises InputNotReadyError without examples before the day, SettingsError on an engine without Spark ML.
    """
    tables, settings = run.tables, run.settings.retrieval
    if "als" in settings.sources and not tables.has_spark_ml:
        raise SettingsError(
            "retrieval.sources: expected sources that the engine can fit (popularity), found als, which is Spark ML's. "
            "Use --engine spark, or --set 'retrieval.sources=[\"popularity\"]'."
        )
    examples = tables.read(schema.EXAMPLES).transform(pipeline.training_view(settings.label))
    known = retrieval.interactions(examples, as_of, settings)
    tables.describe(f"{as_of}: what was known before")
    (before,) = pipeline.fetch(
        known.pairs.agg(
            F.count(F.lit(1)).alias(schema.ROWS), F.count(F.when(F.col(schema.CONFIDENCE) > 0, 1)).alias(schema.UNITS)
        )
    )
    if not before[schema.ROWS]:
        raise InputNotReadyError(
            f"{as_of}: expected positives of {settings.label} before the day in {tables.location(schema.EXAMPLES)}, found "
            "none. Run prepare_examples on the days before it."
        )
    run.say(
        f"{as_of}: {before[schema.ROWS]:,} pairs of a user and a media were known, {before[schema.UNITS]:,} with watch time"
    )
    for source in settings.sources:
        tables.describe(f"{as_of}: candidates of {source}")
        found = retrieval.recommend(source, known, settings, _users(run, examples))
        rows = found.select(
            F.lit(as_of).alias(schema.AS_OF_DATE),
            F.lit(source).alias(schema.CANDIDATE_SOURCE),
            *(F.col(name) for name in (schema.USER_ID, schema.MEDIA_ID)),
            F.col(schema.RANK).cast("int").alias(schema.RANK),
            schema.SCORE,
            schema.REASON,
            F.lit(run.run_id).alias(schema.RUN_ID),
        )
        where: Slice = {schema.AS_OF_DATE: as_of, schema.CANDIDATE_SOURCE: source}
        tables.replace(schema.CANDIDATES, rows, where, record=run.metadata(), files=tables.parallelism())
        run.say(f"{as_of}: {source} published")


def _users(run: Run, examples: DataFrame) -> DataFrame:
    users = run.tables.read(schema.USERS) if run.tables.exists(schema.USERS) else examples
    return users.select(schema.USER_ID).distinct()
