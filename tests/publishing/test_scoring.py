"""What scored rows lack, counted."""

from types import SimpleNamespace

import pytest
from pyspark.sql import functions as F

from winnow.publishing.scoring import unusable, unusable_counts


@pytest.mark.not_on("sail", "connect", why="rankers need Spark ML")
def test_what_rows_lack_is_counted_of_more_columns_than_a_number_has_bits(spark):
    names = [f"column_{place}" for place in range(130)]
    rows = spark.range(7).select(*((F.col("id") % (place + 2) == 0).alias(name) for place, name in enumerate(names)))
    vector = SimpleNamespace(columns=names, unusable=lambda _defaulted: {name: F.col(name) for name in names})
    ranker = SimpleNamespace(label="watched", vector=vector)
    kept = rows.select(unusable(SimpleNamespace(settings=SimpleNamespace(features=None)), ranker, rows))
    expected = [sum(number % (place + 2) == 0 for number in range(7)) for place in range(130)]
    assert list(kept.agg(*unusable_counts(ranker)).head()) == expected
