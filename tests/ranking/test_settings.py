"""What the settings of ranking refuse at birth."""

import pytest

from winnow.errors import SettingsError
from winnow.ranking import RankingSettings


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"hour": 24.0}, "hour: expected a number from 0, below 24"),
        ({"hour": -0.5}, "hour"),
        *(({"context": {name: "1"}}, f"context: .*found '{name}'") for name in ("user_id", "media_id", "as_of_date")),
    ],
)
def test_hours_that_are_none_and_contexts_that_would_overwrite_the_pair_are_refused(wrong, said):
    with pytest.raises(SettingsError, match=said):
        RankingSettings(**wrong)
    assert RankingSettings(hour=23.99, context={"surface": "home"}).hour < 24
