"""What each column contributes to a score: the log odds that the score loses when the column is left at its mean.

    c_j = x(row) - x(row with the numbers of column j at their means), x the log odds of the model's score

The difference that knowing a column makes to one prediction (Robnik-Sikonja and Kononenko, IEEE TKDE 2008), with the mean in
training standing for "not known". It asks the model and nothing else, so that every learner is explained alike; what two
columns do only together is counted with both, so the contributions need not sum to the score.
"""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from winnow import schema
from winnow.contracts import HELPER
from winnow.ranking.calibrators import log_odds
from winnow.ranking.ranker import Ranker
from winnow.ranking.vectors import NUMBERS, vectorise

#: Columns of the rows out: the column that is told of, and what it contributes, in log odds.
COLUMN, CONTRIBUTION = "column", "contribution"
_LEFT_OUT, _ODDS = f"{HELPER}left_out", f"{HELPER}log_odds"


def contributions(ranker: Ranker, rows: DataFrame, keys: Sequence[str]) -> DataFrame:
    """Return keys, column and contribution for each row and column of the ranker.

    ``rows``: a few, such as a user's list, with the columns that the ranker learnt from; ``keys``: the columns that tell a row
    from others.
    """
    assembled = rows.transform(ranker.vector.assemble())
    columns = F.array(F.lit(None).cast("string"), *map(F.lit, ranker.vector.columns))
    each = assembled.withColumn(_LEFT_OUT, F.explode(columns)).withColumn(NUMBERS, _at_means(ranker))
    asked = ranker.model.transform(each.transform(vectorise())).withColumn(_ODDS, log_odds(F.col(schema.SCORE)))
    whole = asked.where(F.col(_LEFT_OUT).isNull()).select(*keys, F.col(_ODDS).alias(schema.SCORE))
    without = asked.where(F.col(_LEFT_OUT).isNotNull()).select(*keys, F.col(_LEFT_OUT).alias(COLUMN), _ODDS)
    told = whole.join(without, on=list(keys), how="inner")
    return told.select(*keys, COLUMN, (F.col(schema.SCORE) - F.col(_ODDS)).alias(CONTRIBUTION))


def _at_means(ranker: Ranker) -> Column:
    """Return the numbers, those of the column that is left out at their means."""
    means, columns = F.lit([one.mean for one in ranker.trained.values()]), F.lit(list(ranker.vector.column_of))
    zipped = F.arrays_zip(F.col(NUMBERS).alias("number"), means.alias("mean"), columns.alias("column"))
    is_left_out = F.col(_LEFT_OUT).isNotNull()
    return F.transform(
        zipped,
        lambda one: F.when(is_left_out & (one["column"] == F.col(_LEFT_OUT)), one["mean"]).otherwise(one["number"]),
    )
