"""The context in which candidates are scored: what the catalogue and the accounts tell, as far as they do."""

import datetime as dt
from types import SimpleNamespace

import pytest

from winnow.config import Settings
from winnow.errors import SettingsError

AS_OF = dt.date(2026, 1, 10)


@pytest.fixture
def shown(spark, tmp_path):
    """Return the function that gives a pair its context, of a catalogue without lengths and accounts without countries."""
    from winnow.publishing.recommendations import as_shown
    from winnow.tables import Tables

    for table, column in (("media", "media_id"), ("users", "user_id")):
        spark.createDataFrame([(1, "x")], f"{column} bigint, title string").write.format("delta").save(
            f"{tmp_path}/{table}"
        )

    def of(**changes):
        settings = Settings().changed(changes)
        run = SimpleNamespace(tables=Tables(spark, settings, str(tmp_path)), settings=settings)
        pairs = spark.createDataFrame([(1, 1)], "user_id bigint, media_id bigint")
        return as_shown(run, [], pairs, AS_OF).head().asDict()

    return of


def test_what_catalogue_and_accounts_do_not_tell_is_left_out(shown):
    told = shown(**{"ranking.context": {"surface": "home", "position": "1"}, "ranking.hour": 6.5})
    moment = dt.datetime(2026, 1, 10, 6, 30, tzinfo=dt.UTC)
    assert told.pop("impression_ts").replace(tzinfo=dt.UTC) == moment
    assert told == {"user_id": 1, "media_id": 1, "as_of_date": AS_OF, "surface": "home", "position": 1}


def test_a_context_that_nothing_asks_for_is_refused_by_name(shown):
    with pytest.raises(SettingsError, match=r"ranking.context: .* found surfce; did you mean surface\?"):
        shown(**{"ranking.context": {"surfce": "home"}})
