"""What features are made of: the daily tiles of users and media, and what users searched for."""

from __future__ import annotations

from winnow.schema.kinds import Column, Table
from winnow.schema.logs import EVENT_DATE, MEDIA_DURATION_S, MEDIA_ID, USER_ID
from winnow.schema.models import ROWS
from winnow.schema.records import RUN_ID

KNOWN_AT = Column("known_at", "timestamp", "from when on it is known: the end of its day, and the hours to settle")

#: Sums of whole numbers only: the same whatever the order of the rows.
JUDGED_ROWS = Column("judged_rows", "bigint", "impressions with a label, 1 or 0")
ENGAGED_ROWS = Column("engaged_rows", "bigint", "impressions with label 1")
ACTED_ROWS = Column("acted_rows", "bigint", "impressions with any action: liked, commented, shared, followed")
WATCH_MS = Column("watch_ms", "bigint", "milliseconds watched")
COUNTERS = (ROWS, JUDGED_ROWS, ENGAGED_ROWS, ACTED_ROWS, WATCH_MS)

VISITS = Column("visits", "bigint", "sessions with an impression; 0 where the log tells none")
LATEST_ROWS = Column("latest_rows", "bigint", "impressions in the last hours of the day ([features] last_hours)")
LAST_ENGAGED_TS = Column("last_engaged_ts", "timestamp", "last impression with label 1; null without any")
LAST_GENRE = Column("last_genre", "string", "main genre of that one; null where it is not known")

ASPECT = Column("aspect", "string", "what was looked at: genre, actor, director, device, ...")
ASPECT_VALUE = Column("aspect_value", "string", "the genre, actor, ... itself")

USER_TILES = Table(
    "user_tiles",
    "what each user did on a day; a window of days is a sum of tiles",
    (EVENT_DATE, USER_ID, *COUNTERS, VISITS, LAST_ENGAGED_TS, LAST_GENRE, KNOWN_AT, RUN_ID),
    key=(EVENT_DATE, USER_ID),
    partition=(EVENT_DATE,),
    filtered_by=(EVENT_DATE, KNOWN_AT, USER_ID),
    high_cardinality=(USER_ID, LAST_ENGAGED_TS),
)
MEDIA_TILES = Table(
    "media_tiles",
    "how each media did on a day",
    (EVENT_DATE, MEDIA_ID, *COUNTERS, LATEST_ROWS, MEDIA_DURATION_S, KNOWN_AT, RUN_ID),
    key=(EVENT_DATE, MEDIA_ID),
    partition=(EVENT_DATE,),
    filtered_by=(EVENT_DATE, KNOWN_AT, MEDIA_ID),
    high_cardinality=(MEDIA_ID,),
)
USER_CROSS_TILES = Table(
    "user_cross_tiles",
    "what each user did on a day with each genre, actor, director, device, ...",
    (EVENT_DATE, USER_ID, ASPECT, ASPECT_VALUE, *COUNTERS, KNOWN_AT, RUN_ID),
    key=(EVENT_DATE, USER_ID, ASPECT, ASPECT_VALUE),
    partition=(EVENT_DATE,),
    filtered_by=(EVENT_DATE, KNOWN_AT, USER_ID),
    high_cardinality=(USER_ID,),
)
MEDIA_CROSS_TILES = Table(
    "media_cross_tiles",
    "how each media did on a day in each country and on each surface",
    (EVENT_DATE, MEDIA_ID, ASPECT, ASPECT_VALUE, *COUNTERS, KNOWN_AT, RUN_ID),
    key=(EVENT_DATE, MEDIA_ID, ASPECT, ASPECT_VALUE),
    partition=(EVENT_DATE,),
    filtered_by=(EVENT_DATE, KNOWN_AT, MEDIA_ID),
    high_cardinality=(MEDIA_ID,),
)
VALUE_TILES = Table(
    "value_tiles",
    "how each genre, director, surface, hour, ... did on a day, of all users and media",
    (EVENT_DATE, ASPECT, ASPECT_VALUE, *COUNTERS, KNOWN_AT, RUN_ID),
    key=(EVENT_DATE, ASPECT, ASPECT_VALUE),
    partition=(EVENT_DATE,),
    filtered_by=(EVENT_DATE, KNOWN_AT, ASPECT),
)
#: All tables of tiles.
TILES = (USER_TILES, MEDIA_TILES, USER_CROSS_TILES, MEDIA_CROSS_TILES, VALUE_TILES)

SEARCH_TS = Column("search_ts", "timestamp", "when it was searched for, UTC")
TERM = Column("term", "string", "what the user typed")

SEARCHES = Table(
    "searches",
    "what users searched for",
    (USER_ID, SEARCH_TS, EVENT_DATE, TERM),
    partition=(EVENT_DATE,),
    filtered_by=(EVENT_DATE, SEARCH_TS, USER_ID),
    high_cardinality=(USER_ID, SEARCH_TS),
)
