"""Every column and table of Winnow, each defined once: its name, its types and its meaning."""

from __future__ import annotations

from dataclasses import dataclass


class Column(str):
    """A column's name that knows its types (Spark DDL; the first is the one we write) and its meaning."""

    types: tuple[str, ...]
    doc: str
    is_required: bool

    def __new__(cls, name: str, types: str, doc: str, *, is_required: bool = True) -> Column:
        """Make the name; ``types`` are alternatives, split by ``|``."""
        column = super().__new__(cls, name)
        column.types = tuple(types.split("|"))
        column.doc = doc
        column.is_required = is_required
        return column

    @property
    def type(self) -> str:
        """The type that Winnow itself writes."""
        return self.types[0]


@dataclass(frozen=True)
class Table:
    """A stored table: its columns, its key and what it is for."""

    name: str
    doc: str
    columns: tuple[Column, ...]
    key: tuple[Column, ...] = ()
    partition: tuple[Column, ...] = ()
    #: The columns that readers filter by: Delta keeps minima and maxima of these only.
    filtered_by: tuple[Column, ...] = ()
    #: Columns of so many values that a Parquet dictionary costs time and saves no space.
    high_cardinality: tuple[Column, ...] = ()

    @property
    def ddl(self) -> str:
        """The columns as a DDL string, each in the type that Winnow writes."""
        return ", ".join(f"{column} {column.type}" for column in self.columns)

    def __str__(self) -> str:
        """Return the table's name."""
        return self.name


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
DIRECTOR = Column("director", "string", "director or creator")
LANGUAGE = Column("language", "string", "ISO 639-1 language")
RELEASE_DATE = Column("release_date", "date", "first release anywhere")
ADDED_DATE = Column("added_date", "date", "the day it came to the service; not shown before")
MATURITY_RATING = Column("maturity_rating", "string", "all, 7, 12, 16 or 18")
SYNOPSIS = Column("synopsis", "string", "a few sentences on the story")
DISTRIBUTOR = Column("distributor", "string", "who licensed it")
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
    ),
    key=(MEDIA_ID,),
)
USERS = Table(
    "users",
    "the accounts: one row a user",
    (USER_ID, AGE_BAND, GENDER, LANGUAGE, COUNTRY, JOINED_DATE),
    key=(USER_ID,),
)

# ---- examples ------------------------------------------------------------------------------------------------------


def label_column(label: str) -> Column:
    """Return the column of a label's class: 1, 0, or null where the row is not in its sample."""
    return Column(f"{label}_label", "int", "1, 0, or null = not in this label's sample")


def reason_column(label: str) -> Column:
    """Return the column that says why a row has its label or has none (never stored)."""
    return Column(f"{label}_reason", "string", "outcome of the row: positive, negative, middle, ...")


def outcome_column(label: str) -> Column:
    """Return the column of the outcome as a number, its place among ``labelling.OUTCOMES`` (never stored)."""
    return Column(f"{label}_outcome", "tinyint", "code of the row's outcome")


def rate_column(label: str) -> Column:
    """Return the column of a row's inclusion probability in a label's sample."""
    return Column(f"{label}_rate", "double", "inclusion probability of the row, in (0, 1]")


def weight_column(label: str) -> Column:
    """Return the column of a row's training weight for a label."""
    return Column(f"{label}_weight", "double", "training weight: by watch time for positives, 1 for negatives")


EXAMPLES = Table(
    "examples",
    "the training data: the impression's columns, and label, rate and weight for each label of the run",
    (EVENT_DATE,),
    key=(IMPRESSION_ID,),
    partition=(EVENT_DATE,),
    filtered_by=(EVENT_DATE, IMPRESSION_TS, USER_ID),
    high_cardinality=IMPRESSIONS.high_cardinality,
)

SPLIT = Column("split", "string", "train, validation or test; null = used for nothing", is_required=False)

#: The plain view of one label, as a trainer wants it.
CLASS = Column("label", "int", "1 or 0")
RATE = Column("rate", "double", "inclusion probability of the row, in (0, 1]")
WEIGHT = Column("weight", "double", "training weight")

# ---- what a run leaves behind --------------------------------------------------------------------------------------

RUN_ID = Column("run_id", "string", "the run that wrote the row")
STAGE = Column("stage", "string", "the job that refused the row")
SOURCE = Column("source", "string", "the table, or a digest of the files, that the row came from")
REASONS = Column("reasons", "array<string>", "every reason why the row was refused")
ROW = Column("row", "string", "the whole row, as JSON")

QUARANTINE = Table(
    "quarantine",
    "refused rows, whole, with every reason",
    (EVENT_DATE, STAGE, SOURCE, REASONS, ROW, RUN_ID),
    partition=(EVENT_DATE, STAGE),
    filtered_by=(EVENT_DATE, STAGE, SOURCE),
)

LABEL = Column("label", "string", "name of the label")
STRATUM = Column("stratum", "string", "the stratum's values as a JSON object; {} = all rows")
IMPRESSION_ROWS = Column("impression_rows", "bigint", "valid rows of the stratum, duplicates settled")
POSITIVES = Column("positives", "bigint", "rows with label 1")
NEGATIVES = Column("negatives", "bigint", "rows with label 0")
MIDDLE = Column("middle", "bigint", "rows between the label's thresholds")
UNLABELLED = Column("unlabelled", "bigint", "rows without a label: no duration, not played, immature")
KEPT_POSITIVES = Column("kept_positives", "bigint", "rows with label 1 in the sample, counted in the stored table")
KEPT_NEGATIVES = Column("kept_negatives", "bigint", "rows with label 0 in the sample, counted in the stored table")
TARGET_POSITIVES = Column("target_positives", "double", "rows with label 1 asked for, at most positives")
TARGET_NEGATIVES = Column("target_negatives", "double", "rows with label 0 asked for, at most negatives")
POSITIVE_THRESHOLD = Column("positive_threshold", "double", "a positive is kept when its draw is below this")
NEGATIVE_THRESHOLD = Column("negative_threshold", "double", "a negative is kept when its draw is below this")
POSITIVE_RATE = Column("positive_rate", "double", "inclusion probability of a positive")
NEGATIVE_RATE = Column("negative_rate", "double", "inclusion probability of a negative")
MEAN_WATCH_S = Column("mean_watch_s", "double", "mean seconds watched of the stratum's positives; null without any")
MEAN_BASIS = Column("mean_basis", "double", "mean weight basis g(T) of the day's kept positives; null without any")
STATE = Column("state", "string", "known, new (unseen in the days before) or vanished (seen then, empty now)")

LEDGER = Table(
    "ledger",
    "one row a day, label and stratum: what there was, what was kept, and by which rates",
    (
        EVENT_DATE,
        LABEL,
        STRATUM,
        IMPRESSION_ROWS,
        POSITIVES,
        NEGATIVES,
        MIDDLE,
        UNLABELLED,
        KEPT_POSITIVES,
        KEPT_NEGATIVES,
        TARGET_POSITIVES,
        TARGET_NEGATIVES,
        POSITIVE_THRESHOLD,
        NEGATIVE_THRESHOLD,
        POSITIVE_RATE,
        NEGATIVE_RATE,
        MEAN_WATCH_S,
        MEAN_BASIS,
        STATE,
        RUN_ID,
    ),
    key=(EVENT_DATE, LABEL, STRATUM),
    partition=(EVENT_DATE,),
    filtered_by=(EVENT_DATE, LABEL, STRATUM),
)

JOB = Column("job", "string", "name of the job")
ARGUMENTS = Column("arguments", "string", "the command line, as a JSON array, secrets removed")
CONFIG_HASH = Column("config_hash", "string", "SHA-256 of the resolved settings")
CONFIG = Column("config", "string", "the resolved settings, as JSON")
SEED = Column("seed", "bigint", "seed of the draw")
CODE_VERSION = Column("code_version", "string", "version of Winnow, with the commit where it is known")
INPUT_VERSIONS = Column("input_versions", "string", "pinned version of each input table, as JSON")
OUTPUT_VERSIONS = Column("output_versions", "string", "version that each write made, as JSON")
FUNNEL = Column("funnel", "string", "the counts of each day, as JSON")
STATUS = Column("status", "string", "done, failed or refused")
ERROR = Column("error", "string", "what went wrong; null when done")
STARTED_TS = Column("started_ts", "timestamp", "start of the run, UTC")
FINISHED_TS = Column("finished_ts", "timestamp", "end of the run, UTC")

RUNS = Table(
    "runs",
    "one row a run",
    (
        RUN_ID,
        JOB,
        ARGUMENTS,
        CONFIG_HASH,
        CONFIG,
        SEED,
        CODE_VERSION,
        INPUT_VERSIONS,
        OUTPUT_VERSIONS,
        FUNNEL,
        STATUS,
        ERROR,
        STARTED_TS,
        FINISHED_TS,
    ),
    key=(RUN_ID,),
)

TABLES = (IMPRESSIONS, MEDIA, USERS, EXAMPLES, QUARANTINE, LEDGER, RUNS)


def type_of(name: str, found: str) -> str:
    """Return the type that Winnow writes a column of impressions in, given the type that was found."""
    for column in (*IMPRESSIONS.columns, *OPTIONAL_CONTEXT):
        if column == name:
            wide = {"tinyint": "bigint", "smallint": "bigint", "int": "bigint"}.get(found, found)
            return wide if wide in column.types else column.type
    return found
