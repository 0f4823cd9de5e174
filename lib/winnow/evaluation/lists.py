"""Lists and what they should have held: one row a user, in the one form that all metrics of lists are taken from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from operator import or_

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from winnow import schema
from winnow.contracts import HELPER, Step, json_of, named
from winnow.errors import ContractError

#: Helper columns: the media of a user's list, best first; the relevant media with their grades, highest first.
ITEMS = f"{HELPER}items"
RELEVANT = f"{HELPER}relevant"
#: The group that a user is resampled with.
GROUP = f"{HELPER}group"
#: How relevant a media is to a user: 1, 2, ...
GRADE = f"{HELPER}grade"
#: The slice of all rows.
ALL = "{}"


def lists(longest: int) -> Step:
    """Return the step from rows of lists to one row a user: user_id, and ITEMS, the best ``longest`` media, best first.

    Rows in: user_id, media_id, and rank (1 is best) or else score (larger is better; null and NaN are last). Lists are
    deduplicated: the best place of a media counts, and what stands below moves up. Ties are broken by media_id.

    Raises ContractError for rows with neither rank nor score.
    """

    def step(rows: DataFrame) -> DataFrame:
        entry = F.struct(_place(rows).alias("place"), F.col(schema.MEDIA_ID).alias("media"))
        ordered = F.transform(F.sort_array(F.collect_list(entry)), lambda of: of["media"])
        listed = rows.groupBy(schema.USER_ID).agg(ordered.alias(ITEMS))
        return listed.withColumn(ITEMS, F.slice(F.array_distinct(ITEMS), 1, longest))

    return step


def _place(rows: DataFrame) -> Column:
    """Return what the list is sorted by, the least first."""
    if schema.RANK in rows.columns:
        return F.col(schema.RANK).cast("double")
    if schema.SCORE in rows.columns:
        score = F.col(schema.SCORE).cast("double")
        return F.when(F.isnan(score) | score.isNull(), F.lit(float("inf"))).otherwise(-score)
    raise ContractError(
        f"lists: missing {schema.RANK} (int, from 1) or {schema.SCORE} (double). It has: {', '.join(rows.columns)}"
    )


def check_relevance(columns: Sequence[str], relevance: Iterable[str]) -> None:
    """Raise ContractError where the examples have no label of one of the names."""
    missing = [name for label in relevance if (name := schema.label_column(label)) not in columns]
    if missing:
        raise ContractError(
            f"evaluation.relevance: expected labels of the examples, found no {', '.join(missing)}. "
            f"They have: {', '.join(columns)}"
        )


def graded(relevance: Mapping[str, int]) -> Step:
    """Return the step that keeps the examples that are positive for a label of ``relevance``, and adds GRADE and rate.

    GRADE is the highest of those labels, rate the least of their rates. Raises ContractError where a label is missing.
    """

    def step(rows: DataFrame) -> DataFrame:
        check_relevance(rows.columns, relevance)
        grades = [F.when(is_positive(label), F.lit(grade)) for label, grade in relevance.items()]
        rates = [F.when(is_positive(label), F.col(schema.rate_column(label))) for label in relevance]
        grade = grades[0] if len(grades) == 1 else F.greatest(*grades)
        rate = rates[0] if len(rates) == 1 else F.least(*rates)
        made = rows.withColumns({GRADE: grade.cast("int"), schema.RATE: rate})
        return made.where(F.col(GRADE).isNotNull())

    return step


def relevant(slices: Sequence[str] = ()) -> Step:
    """Return the step from relevant rows to one row a user and slice: user_id, slice, and RELEVANT.

    Rows in: user_id, media_id, GRADE (int, 1 or more) and the columns of ``slices``. A media in several rows of a user
    counts once, by its highest grade. RELEVANT: structs of grade and media, the highest grade first.

    A slice is a part of what was relevant ({"device":"tv"}: what was watched on a television), held against whole lists.
    """

    def step(rows: DataFrame) -> DataFrame:
        entry = F.struct(F.col(GRADE).alias("grade"), F.col(schema.MEDIA_ID).alias("media"))
        return (
            rows.transform(sliced(slices))
            .groupBy(schema.USER_ID, schema.SLICE, schema.MEDIA_ID)
            .agg(F.max(GRADE).alias(GRADE))
            .groupBy(schema.USER_ID, schema.SLICE)
            .agg(F.sort_array(F.collect_list(entry), asc=False).alias(RELEVANT))
        )

    return step


def is_positive(label: str) -> Column:
    """Return whether an example is positive for the label; never null."""
    return F.coalesce(F.col(schema.label_column(label)) == 1, F.lit(False))


def is_engaged(labels: Iterable[str]) -> Column:
    """Return whether an example is positive for any of the labels; never null."""
    return reduce(or_, map(is_positive, labels), F.lit(False))


def sliced(columns: Sequence[str]) -> Step:
    """Return the step that repeats each row for every slice that it lies in: all rows, and one slice a column.

    Rows out: the columns but those of the slices, and ``slice``, a JSON object such as {"device":"tv"}; null is a value.
    """

    def step(rows: DataFrame) -> DataFrame:
        missing = [name for name in columns if name not in rows.columns]
        if missing:
            raise ContractError(
                f"evaluation.slices: expected columns of the rows, found no {', '.join(missing)}. "
                f"They have: {', '.join(rows.columns)}"
            )
        slices = [F.lit(ALL), *(json_of({name: named(name)}) for name in columns)]
        others = [named(name) for name in rows.columns if name not in columns]
        return rows.select(*others, F.explode(F.array(*slices)).alias(schema.SLICE))

    return step


def grouped(groups: int, seed: int) -> Column:
    """Return the group of the row's user: a hash, so that groups are alike and the same for all models."""
    return F.pmod(F.xxhash64(F.lit(seed), F.lit("group"), F.col(schema.USER_ID)), F.lit(groups)).cast("int")
