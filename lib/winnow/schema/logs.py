"""The users' own tables: impressions, and the catalogue of media and users."""

from __future__ import annotations

from winnow.schema.kinds import Column, Table

# ---- impressions ---------------------------------------------------------------------------------------------------

IMPRESSION_ID = Column("impression_id", "bigint|string", "one row an id; a repeat is a duplicate log line")
USER_ID = Column("user_id", "bigint|string", "who saw it")
MEDIA_ID = Column("media_id", "bigint|string", "what was shown")
IMPRESSION_TS = Column("impression_ts", "timestamp", "when it was shown, UTC")
EVENT_DATE = Column("event_date", "date", "the log's partition day; it may differ from the day of impression_ts")
WATCH_S = Column("watch_s", "double", "seconds played; null = not played")
MEDIA_DURATION_S = Column("media_duration_s", "double", "length of the media; null, NaN or <= 0 = unknown")

#: Actions and context that the generator and the shipped maps write; a log may have others, or none.
LIKED = Column("liked", "boolean", "the user liked it", is_required=False)
COMMENTED = Column("commented", "boolean", "the user commented on it", is_required=False)
SHARED = Column("shared", "boolean", "the user shared it", is_required=False)
FOLLOWED = Column("followed", "boolean", "the user followed its creator", is_required=False)
SURFACE = Column("surface", "string", "where in the product it was shown", is_required=False)
POSITION = Column("position", "int", "place in the row or list, from 1", is_required=False)
DEVICE = Column("device", "string", "kind of device", is_required=False)
COUNTRY = Column("country", "string", "country of the user, ISO 3166-1 alpha-2", is_required=False)
SESSION_ID = Column("session_id", "bigint|string", "the visit that it belongs to", is_required=False)
IS_AUTOPLAY = Column("is_autoplay", "boolean", "it began to play by itself", is_required=False)
APP_VERSION = Column("app_version", "string", "version of the app that showed it", is_required=False)
TRUE_PROBABILITY = Column(
    "true_probability",
    "double",
    "synthetic logs only: the probability with which the row was engaged",
    is_required=False,
)

#: What a log may tell beside the columns that it must have.
OPTIONAL_CONTEXT = (LIKED, COMMENTED, SHARED, FOLLOWED, SURFACE, POSITION, DEVICE, COUNTRY, SESSION_ID)

IMPRESSIONS = Table(
    "impressions",
    "what was shown to whom, and how long they watched (the users' own log)",
    (IMPRESSION_ID, USER_ID, MEDIA_ID, IMPRESSION_TS, EVENT_DATE, WATCH_S, MEDIA_DURATION_S),
    key=(IMPRESSION_ID,),
    partition=(EVENT_DATE,),
    filtered_by=(EVENT_DATE, IMPRESSION_TS, USER_ID),
    high_cardinality=(IMPRESSION_ID, IMPRESSION_TS, USER_ID, WATCH_S, SESSION_ID, TRUE_PROBABILITY),
)

# ---- catalogue -----------------------------------------------------------------------------------------------------

ORIGIN = Column(str(COUNTRY), "string", "country of origin, ISO 3166-1 alpha-2")
TITLE = Column("title", "string", "name of the media")
GENRES = Column("genres", "array<string>", "genres, the main one first")
CAST = Column("cast", "array<string>", "actors, the lead first")
DIRECTOR = Column("director", "string", "who directed it")
LANGUAGE = Column("language", "string", "ISO 639-1 language")
RELEASE_DATE = Column("release_date", "date", "first release anywhere")
ADDED_DATE = Column("added_date", "date", "the day it came to the service; not shown before")
MATURITY_RATING = Column("maturity_rating", "string", "all, 7, 12, 16 or 18")
SYNOPSIS = Column("synopsis", "string", "a few sentences on the story")
DISTRIBUTOR = Column("distributor", "string", "who licensed it")
TAGS = Column("tags", "array<string>", "words that editors give it, of no order")
SEASON_NUMBER = Column("season_number", "int", "season of a series, from 1; 0 or null = no series")
PUBLIC_RATING = Column("public_rating", "double", "mean rating on public platforms, 0 to 10; null = not rated")
ARRIVAL_REVENUE = Column(
    "arrival_revenue", "double", "what it earned before it came to the service, USD; 0 or null = not known"
)
CONTENT_PERIOD = Column("content_period", "int", "first year of the decade in which it is set; null = of no time")
MEDIA_TYPE = Column("media_type", "string", "clip, short, episode or film")
CREATOR = Column("creator", "string", "who thought of it")
COMPOSER = Column("composer", "string", "who wrote its music")
AGE_BAND = Column("age_band", "string", "age of the account's owner, in bands")
GENDER = Column("gender", "string", "as stated by the user; null = not stated")
JOINED_DATE = Column("joined_date", "date", "the day the account was made")

MEDIA = Table(
    "media",
    "the catalogue: one row a media",
    (
        MEDIA_ID,
        TITLE,
        GENRES,
        CAST,
        DIRECTOR,
        LANGUAGE,
        ORIGIN,
        RELEASE_DATE,
        ADDED_DATE,
        MEDIA_DURATION_S,
        MATURITY_RATING,
        SYNOPSIS,
        DISTRIBUTOR,
        TAGS,
        SEASON_NUMBER,
        PUBLIC_RATING,
        ARRIVAL_REVENUE,
        CONTENT_PERIOD,
        MEDIA_TYPE,
        CREATOR,
        COMPOSER,
    ),
    key=(MEDIA_ID,),
)
USERS = Table(
    "users",
    "the accounts: one row a user",
    (USER_ID, AGE_BAND, GENDER, LANGUAGE, COUNTRY, JOINED_DATE),
    key=(USER_ID,),
)

RATING = Column("rating", "double", "what the user said of it, on any scale; larger is better")
RATED_TS = Column("rated_ts", "timestamp", "when they said it, UTC; null = not known")
RATINGS = Table(
    "ratings",
    "what users said of media: of each pair the last word",
    (USER_ID, MEDIA_ID, RATING, RATED_TS),
    key=(USER_ID, MEDIA_ID),
    filtered_by=(USER_ID,),
)
ONBOARDING = Table(
    "onboarding", "the genres that users chose when they came: one row a user", (USER_ID, GENRES), key=(USER_ID,)
)


def type_of(name: str, found: str) -> str:
    """Return the type that Winnow writes a column of impressions or ratings in, given the type that was found."""
    for column in (*IMPRESSIONS.columns, *OPTIONAL_CONTEXT, RATING, RATED_TS):
        if column == name:
            wide = {"tinyint": "bigint", "smallint": "bigint", "int": "bigint"}.get(found, found)
            return wide if wide in column.types else column.type
    return found
