"""What sources make of logs that are hardly logs: each has a clear outcome, and none crashes."""

import datetime as dt
from importlib.util import find_spec

import pytest

from conftest import ON_SAIL
from winnow.errors import DataError
from winnow.retrieval import (
    LEARNERS,
    AlsSettings,
    Asked,
    Beside,
    RatingsSettings,
    RetrievalSettings,
    SvdSettings,
    TwoTowerSettings,
    interactions,
)

AS_OF = dt.date(2026, 1, 10)
DAY = AS_OF - dt.timedelta(days=1)
SETTINGS = RetrievalSettings(
    als=AlsSettings(rank=2, iterations=2, user_blocks=2, item_blocks=2),
    svd=SvdSettings(rank=2, iterations=1, blocks=2),
    ratings=RatingsSettings(rank=2, iterations=2),
    two_tower=TwoTowerSettings(places=1000, epochs=2),
)
SPARK_ML = pytest.mark.not_on("sail", why="it has no Spark ML")
TORCH = (
    pytest.mark.not_on("sail", "connect", why="torch trains in tasks of the session's own Spark"),
    pytest.mark.skipif(find_spec("torch") is None, reason="needs the extra deep: make test-deep"),
)
SOURCES = [
    pytest.param("popularity", marks=ON_SAIL),
    pytest.param("item_item", marks=ON_SAIL),
    pytest.param("content", marks=ON_SAIL),
    "svd",
    pytest.param("als", marks=SPARK_ML),
    pytest.param("als_explicit", marks=SPARK_ML),
    pytest.param("two_tower", marks=TORCH),
]
LAST = 2**63 - 1
#: Nobody has watched it but one; its number lies at the other end of all numbers.
LONELY = -(2**63)


@pytest.fixture(scope="module")
def lists_of(spark):
    """Return the function that fits a source to rows (user, media, label) and tells user -> list of those asked for."""

    def lists(source, rows, users, ids="bigint", *, skip_seen=True):
        moment = dt.datetime.combine(DAY, dt.time(12), dt.UTC)
        examples = spark.createDataFrame(
            [(user, media, moment, DAY, 9.0, 10.0, label) for user, media, label in rows],
            f"user_id {ids}, media_id {ids}, impression_ts timestamp, event_date date, watch_s double, "
            "media_duration_s double, label int",
        )
        media = [
            (media, [f"genre {media}", "all"][: 1 + place % 2]) for place, media in enumerate({row[1] for row in rows})
        ]
        beside = Beside(
            media=spark.createDataFrame(media, f"media_id {ids}, genres array<string>"),
            ratings=examples.selectExpr(
                "user_id", "media_id", "1.0D + 4 * label as rating", "impression_ts as rated_ts"
            ),
        )
        known = interactions(examples, AS_OF, SETTINGS, beside)
        asked = Asked(spark.createDataFrame([(user,) for user in users], f"user_id {ids}"), 20, known, skip_seen)
        model = LEARNERS[source].fit(known, SETTINGS)
        found = {}
        for row in model.recommend(asked).orderBy("user_id", "rank").collect():
            own = found.setdefault(row["user_id"], [])
            own.append(row["media_id"])
            assert row["rank"] == len(own)
            assert abs(row["score"]) < float("inf")
        assert all(len(set(own)) == len(own) for own in found.values()), "each media once"
        return found

    return lists


@pytest.mark.parametrize("source", SOURCES)
def test_huge_ids_repeats_a_media_of_one_user_and_a_user_of_no_positive(lists_of, source):
    users = [LAST, LAST - 1, 2**53 + 1, 2**53]  # as doubles the first two are one, and the last two
    media = [LAST, LAST - 1, 2**53, 2**53 + 1]
    watched = {(user, media[place]) for place, user in enumerate(users)} | {(user, media[0]) for user in users}
    rows = [(user, one, 1) for user, one in sorted(watched)] * 2 + [(users[0], LONELY, 1)]
    bored = 7
    rows += [(bored, one, 0) for one in media]
    found = lists_of(source, rows, [*users, bored])
    whole = {*media, LONELY}
    expected = {user: whole - {one for who, one, _ in rows if who == user} for user in users}
    if source in ("popularity", "als_explicit"):  # one needs no past, the other has what the user said of them
        expected[bored] = whole
    assert {user: set(own) for user, own in found.items()} == expected


@pytest.mark.parametrize("source", SOURCES)
def test_one_media_of_one_user_whose_ids_are_words(lists_of, source):
    user, media, other = 'Zoë\'s; "x"', "видео 1, \\n", ""
    found = lists_of(source, [(user, media, 1)], [user, other], "string", skip_seen=False)
    knows = {
        "popularity": {user: [media], other: [media]},
        "item_item": {},  # there is no other media to be near
        "content": {},  # a term that all media have tells nothing
    }
    assert found == knows.get(source, {user: [media]})


@pytest.mark.parametrize("source", SOURCES)
def test_nothing_at_all(lists_of, source):
    if source in ("als", "als_explicit", "two_tower"):
        with pytest.raises(DataError, match=f"retrieval.{source}.*found none"):
            lists_of(source, [], [1])
    else:
        assert lists_of(source, [], [1]) == {}
