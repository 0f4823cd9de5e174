"""What users may be shown: of what is popular enough to fill a list, whatever the rules leave out; seen is told by the log."""

import datetime as dt
from types import SimpleNamespace

import pytest

from winnow.config import Settings
from winnow.errors import SettingsError

AS_OF = dt.date(2026, 1, 10)
YESTERDAY, LONG_AGO = AS_OF - dt.timedelta(days=1), AS_OF - dt.timedelta(days=9)
#: Media by popularity: 1 is engaged with by the most users, 12 by one.
MEDIA = range(1, 13)


@pytest.fixture(scope="module")
def root(spark, make_log, tmp_path_factory):
    """Users 1 (young, in Germany), 2 and 3; the examples have none of what user 2 engaged with."""
    place = tmp_path_factory.mktemp("allowed")

    def write(table, rows, ddl):
        spark.createDataFrame(rows, ddl).coalesce(1).write.format("delta").save(f"{place}/{table}")

    log = [(item, 2, item, YESTERDAY, 60.0, 60.0, "home") for item in (1, 2)]
    log += [(3, 2, 3, YESTERDAY, 6.0, 60.0, "home"), (4, 2, 4, LONG_AGO, 60.0, 60.0, "home")]
    log += [(5, 2, 5, YESTERDAY, float("inf"), 60.0, "home"), (6, 3, 6, AS_OF, 60.0, 60.0, "home")]
    make_log(place, log)
    fans = [(YESTERDAY, 100 + fan, item, 1) for item in MEDIA for fan in range(13 - item)]
    write("examples", fans, "event_date date, user_id bigint, media_id bigint, watched_label int")
    people = [(1, "18-24", "DE"), (2, "65+", "FR"), (3, None, None)]
    write("users", people, "user_id bigint, age_band string, country string")
    catalogue = [(item, "16" if item <= 4 else "all", "Northlight" if item in (5, 6) else "Other") for item in MEDIA]
    write("media", catalogue, "media_id bigint, maturity_rating string, distributor string")
    found = [(AS_OF, "merged", 3, 1, 1, 0.5, None), (AS_OF, "merged", 2, 1, 1, 0.5, None)]
    ddl = "as_of_date date, source string, user_id bigint, media_id bigint, rank int, score double, reason string"
    write("candidates", found, ddl)
    return place


@pytest.fixture
def allowed(root, spark):
    """Return the function that tells of each user what may be shown, and why."""
    from winnow.publishing.allowed import allowed_pairs
    from winnow.tables import Tables

    def of(**changes):
        rules = {
            "reranking.length": 3,
            "reranking.pool": 3,
            "reranking.seen_days": 5,
            "reranking.maturity": {"18-24": 12},
        }
        settings = Settings().changed(rules | {"reranking.unlicensed": {"DE": ["Northlight"]}} | changes)
        pairs = allowed_pairs(SimpleNamespace(tables=Tables(spark, settings, str(root)), settings=settings), AS_OF)
        told = {}
        for row in pairs.orderBy("media_id").collect():
            told.setdefault(row["user_id"], []).append((row["media_id"], row["reason"]))
        return told

    return of


def popular(*media):
    return [(item, "popular now") for item in media]


def test_rules_come_before_the_cut_and_what_was_engaged_with_is_told_by_the_log(allowed):
    assert allowed() == {
        1: popular(7, 8, 9),  # the six most popular are not for them
        2: popular(3, 4, 5),  # 1 and 2 were engaged with; 4 is long ago, and 5 is no valid impression
        3: [(1, None), *popular(2, 3, 4)],  # what a candidate has no reason for is not told to be popular
    }


def test_a_label_of_quantiles_and_one_that_leans_on_another_are_told_by_the_log_too(allowed):
    labels = {
        "watched": {"kind": "watched_fraction"},
        "long": {"kind": "duration_quantile", "groups": 1},
        "any": {"kind": "any_action", "actions": ["watched", "liked"]},
    }
    found = [allowed(**{"labels": labels, "ranking.labels": [label]})[2] for label in ("long", "any")]
    assert found == [popular(3, 4, 5)] * 2
    with pytest.raises(SettingsError, match="expected labels of"):
        allowed(**{"ranking.labels": ["loved"]})


def test_all_that_was_shown_or_nothing_may_be_left_out(allowed):
    assert allowed(**{"reranking.seen": "shown"})[2] == popular(4, 6, 7)
    assert allowed(**{"reranking.seen": "nothing"})[2] == [(1, None), *popular(2, 3, 4)]
