"""What a run leaves behind: refused rows, the ledger of its strata, and the record of itself."""

from __future__ import annotations

from winnow.schema.kinds import Column, Table
from winnow.schema.logs import EVENT_DATE

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
NULL_ROWS = Column(
    "null_rows",
    "string",
    "valid rows of the stratum whose column is null, by column as a JSON object; null = not counted",
    since=2,
)
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
        NULL_ROWS,
    ),
    key=(EVENT_DATE, LABEL, STRATUM),
    partition=(EVENT_DATE,),
    filtered_by=(EVENT_DATE, LABEL, STRATUM),
)

JOB = Column("job", "string", "name of the job")
ARGUMENTS = Column("arguments", "string", "the command line, as a JSON array, without secrets and ids of users")
CONFIG_HASH = Column("config_hash", "string", "SHA-256 of the resolved settings")
CONFIG = Column("config", "string", "the resolved settings, as JSON")
SEED = Column("seed", "bigint", "seed of the draw")
CODE_VERSION = Column("code_version", "string", "version of Winnow, with the commit where it is known")
INPUT_VERSIONS = Column("input_versions", "string", "pinned version of each input table, as JSON")
OUTPUT_VERSIONS = Column("output_versions", "string", "version that each write made, as JSON")
FUNNEL = Column("funnel", "string", "the counts of each day, as JSON")
FINDINGS = Column(
    "findings", "string", "what the guards found: rule, severity, found, low, high, label, message, as JSON", since=2
)
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
        FINDINGS,
    ),
    key=(RUN_ID,),
)
