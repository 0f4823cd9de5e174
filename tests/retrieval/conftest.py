"""What the tests of retrieval share."""

from functools import reduce

import pytest
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from winnow.retrieval import LEARNERS, Asked, Beside, interactions


@pytest.fixture(scope="session")
def recommended():
    """Return the function that fits each source of the settings to what was known before a day, and tells all their lists."""

    def lists(examples, as_of, settings, users, n, beside=None):
        known = interactions(examples, as_of, settings, beside or Beside())
        asked = Asked(users, n, known, settings.skip_seen)
        return reduce(
            DataFrame.unionByName,
            [
                LEARNERS[name].fit(known, settings).recommend(asked).withColumn("source", F.lit(name))
                for name in settings.sources
            ],
        )

    return lists
