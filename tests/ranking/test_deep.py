"""What the deep ranker reads beside the vector is looked for before it is asked; the net itself is in tests/deep."""

import pytest

from winnow.errors import ContractError
from winnow.ranking import RankingSettings
from winnow.ranking.deep import fit_deep
from winnow.ranking.settings import DeepSettings


def test_ids_and_lists_that_are_not_there_or_none_are_refused_by_name(spark):
    rows = spark.createDataFrame([], "user_id bigint, media_id bigint, user_terms string")
    asked = RankingSettings(model="deep", deep=DeepSettings(lists={"user_terms": "term", "watched": "media_id"}))
    with pytest.raises(
        ContractError, match=r"missing watched; user_terms is string, no list.*There are: user_id, media_id"
    ):
        fit_deep(rows, asked)
