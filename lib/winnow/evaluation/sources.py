"""Sources of candidates beside each other: what each finds, what it alone finds, and what none of them finds.

Over all pairs of a user and a relevant media, so that users count by what they want; N is a place in each source's list:

    found      pairs within the first N of the source's list          recall    found / relevant
    unique     of those, the pairs that no other source has found     missed    pairs that no source has found
"""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from winnow import schema
from winnow.contracts import HELPER, Step

#: The row that stands for all sources together: ``missed`` is told there only.
ANY = "any"
RELEVANT, FOUND, UNIQUE, MISSED, RECALL = "relevant", "found", "unique", "missed", "recall"
_FINDERS = f"{HELPER}finders"


def compare_sources(candidates: DataFrame, n: int) -> Step:
    """Return the step from relevant pairs to one row a source, and one of ANY: source, relevant, found, unique, missed, recall.

    Rows in: user_id, media_id that were relevant; repeats count once. ``candidates``: source, user_id, media_id, rank. A source
    that found nothing has no row.
    """

    def step(relevant: DataFrame) -> DataFrame:
        wanted = relevant.select(schema.USER_ID, schema.MEDIA_ID).distinct()
        heads = candidates.where(F.col(schema.RANK) <= n).select(
            schema.CANDIDATE_SOURCE, schema.USER_ID, schema.MEDIA_ID
        )
        finders = F.array_distinct(F.sort_array(F.collect_list(schema.CANDIDATE_SOURCE))).alias(_FINDERS)
        by_pair = wanted.join(heads, on=[str(schema.USER_ID), str(schema.MEDIA_ID)], how="left")
        pairs = by_pair.groupBy(schema.USER_ID, schema.MEDIA_ID).agg(finders)
        is_found, is_one = F.size(_FINDERS) > 0, F.size(_FINDERS) == 1
        whole = pairs.agg(
            F.count(F.lit(1)).alias(RELEVANT),
            F.sum(is_found.cast("bigint")).alias(FOUND),
            F.sum(is_one.cast("bigint")).alias(UNIQUE),
        )
        each = (
            pairs.select(F.explode(_FINDERS).alias(schema.CANDIDATE_SOURCE), is_one.cast("bigint").alias(UNIQUE))
            .groupBy(schema.CANDIDATE_SOURCE)
            .agg(F.count(F.lit(1)).alias(FOUND), F.sum(UNIQUE).alias(UNIQUE))
            .crossJoin(F.broadcast(whole.select(RELEVANT)))
            .withColumn(MISSED, F.lit(None).cast("bigint"))
        )
        together = whole.withColumns(
            {
                schema.CANDIDATE_SOURCE: F.lit(ANY),
                MISSED: F.col(RELEVANT) - F.col(FOUND),
            }
        ).where(F.col(RELEVANT) > 0)
        columns = (schema.CANDIDATE_SOURCE, RELEVANT, FOUND, UNIQUE, MISSED)
        rows = each.select(*columns).unionByName(together.select(*columns))
        return rows.withColumn(RECALL, F.col(FOUND) / F.col(RELEVANT))

    return step
