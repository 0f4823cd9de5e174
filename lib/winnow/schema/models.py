"""What models find, and how good they are: lists, scores, metrics, trials."""

from __future__ import annotations

from winnow.schema.kinds import Column, Table
from winnow.schema.logs import EVENT_DATE, IMPRESSION_ID, MEDIA_ID, USER_ID
from winnow.schema.records import ERROR, FINISHED_TS, INPUT_VERSIONS, LABEL, RUN_ID, SOURCE, STARTED_TS, STATUS

AS_OF_DATE = Column("as_of_date", "date", "the day before which everything was known, and from which on nothing was")
MEASURED = Column(
    "measured", "string", "the table that was measured: candidates, recommendations, scores, examples, impressions"
)
MODEL = Column("model", "string", "what was evaluated: a source of candidates, a ranker, lists of recommendations")
MODEL_VERSION = Column("model_version", "string", "version of the ranker that scored it; null = none was told", since=2)
RANK = Column("rank", "int", "place in the user's list, from 1")
SCORE = Column("score", "double", "what the list is sorted by; larger is better, comparable within one model only")
CANDIDATE_SOURCE = Column(str(SOURCE), "string", "the method that found it: als, popularity, ...")
REASON = Column("reason", "string", "why it is shown, as the user may be told; null = nothing to tell")

FOUND_BY = Column(
    "found_by",
    "array<struct<source:string,rank:int,score:double>>",
    "every source that found it, with its rank and score there, the best rank first; null in the list of one source",
)
PART = Column(
    "part", "string", "the part of the users that was written at once, by a hash of their ids, such as 3-of-16"
)
MADE_OF = Column("made_of", "string", "SHA-256 of all that the lists follow from: settings, input versions, models")
ID_NUMBER = Column("id_number", "int", "a small whole number that stands for an id, from 0")

#: What retrieval works with on the way; never stored.
CONFIDENCE = Column("confidence", "double", "views of a media by a user, each as a capped share of its duration")
FACTORS = Column("factors", "array<float>", "the vector of a user or a media; inner products are scores")

CANDIDATES = Table(
    "candidates",
    "what each method of retrieval found for each user, as of a day; and all of it merged, as source merged",
    (AS_OF_DATE, CANDIDATE_SOURCE, USER_ID, MEDIA_ID, RANK, SCORE, REASON, FOUND_BY, PART, RUN_ID),
    key=(AS_OF_DATE, CANDIDATE_SOURCE, USER_ID, RANK),
    partition=(AS_OF_DATE, CANDIDATE_SOURCE),
    filtered_by=(AS_OF_DATE, CANDIDATE_SOURCE, USER_ID),
    high_cardinality=(SCORE,),
)
CANDIDATE_PARTS = Table(
    "candidate_parts",
    "which parts of the candidates are written, and what of: a run that was stopped goes on where it was",
    (AS_OF_DATE, CANDIDATE_SOURCE, PART, MADE_OF, RUN_ID),
    key=(AS_OF_DATE, CANDIDATE_SOURCE, PART),
    partition=(AS_OF_DATE,),
    filtered_by=(AS_OF_DATE, CANDIDATE_SOURCE, PART),
)
USER_IDS = Table(
    "user_ids",
    "the number of each user in the matrices of retrieval; it only grows",
    (USER_ID, ID_NUMBER),
    key=(USER_ID,),
)
MEDIA_IDS = Table(
    "media_ids",
    "the number of each media in the matrices of retrieval; it only grows",
    (MEDIA_ID, ID_NUMBER),
    key=(MEDIA_ID,),
)
RECOMMENDATIONS = Table(
    "recommendations",
    "the lists that users are shown, as of a day",
    (AS_OF_DATE, MODEL, USER_ID, MEDIA_ID, RANK, SCORE, REASON, RUN_ID, MODEL_VERSION),
    key=(AS_OF_DATE, MODEL, USER_ID, RANK),
    partition=(AS_OF_DATE, MODEL),
    filtered_by=(AS_OF_DATE, MODEL, USER_ID),
    high_cardinality=(SCORE,),
)
SCORES = Table(
    "scores",
    "what a ranker says of impressions that it was not trained on",
    (EVENT_DATE, MODEL, LABEL, IMPRESSION_ID, SCORE, RUN_ID),
    key=(EVENT_DATE, MODEL, LABEL, IMPRESSION_ID),
    partition=(EVENT_DATE, MODEL),
    filtered_by=(EVENT_DATE, MODEL, IMPRESSION_ID),
    high_cardinality=(IMPRESSION_ID, SCORE),
)

PROTOCOL = Column("protocol", "string", "how what is known was parted from what is asked: by_time, online, ...")
START_DATE = Column("start_date", "date", "first day of what was evaluated")
END_DATE = Column("end_date", "date", "last day of what was evaluated")
METRIC = Column("metric", "string", "name of the metric: ndcg, auc, engagement_rate, ...")
K = Column("k", "int", "places of the list that count; null where the metric has none")
SLICE = Column("slice", "string", "the part that was looked at, as a JSON object; {} = all")
VALUE = Column("value", "double", "the metric; with a baseline, the difference to it")
STANDARD_ERROR = Column("standard_error", "double", "standard error of the value; null where none is known")
LOW = Column("low", "double", "lower end of the confidence interval")
HIGH = Column("high", "double", "upper end of the confidence interval")
UNITS = Column("units", "bigint", "how many users (lists) or rows (scores) it was taken over")
BASELINE = Column("baseline", "string", "the model or arm that it is compared with; null = the value stands for itself")
P_VALUE = Column("p_value", "double", "how often chance alone makes such a difference; null without a baseline")

METRICS = Table(
    "metrics",
    "how good each model was, with its confidence interval, whole and by slices",
    (
        END_DATE,
        MEASURED,
        MODEL,
        PROTOCOL,
        START_DATE,
        METRIC,
        K,
        SLICE,
        BASELINE,
        VALUE,
        STANDARD_ERROR,
        LOW,
        HIGH,
        P_VALUE,
        UNITS,
        RUN_ID,
    ),
    key=(END_DATE, MEASURED, MODEL, PROTOCOL, START_DATE, METRIC, K, SLICE, BASELINE),
    partition=(END_DATE, PROTOCOL),
    filtered_by=(END_DATE, PROTOCOL, MODEL),
)

BIN = Column("bin", "int", "place of the bin among those of the curve, from 1, in the order of the scores")
ROWS = Column("rows", "bigint", "rows that were looked at")
ROWS_WEIGHT = Column("rows_weight", "double", "rows of the whole log that they stand for: the sum of 1 / rate")
MEAN_SCORE = Column("mean_score", "double", "mean of what was predicted")
POSITIVE_SHARE = Column("positive_share", "double", "share of positives that there was")

RELIABILITY = Table(
    "reliability",
    "what was predicted beside what happened, in bins of equally many rows: the reliability curve",
    (
        END_DATE,
        MEASURED,
        MODEL,
        PROTOCOL,
        START_DATE,
        LABEL,
        SLICE,
        BIN,
        ROWS,
        ROWS_WEIGHT,
        MEAN_SCORE,
        POSITIVE_SHARE,
        RUN_ID,
    ),
    key=(END_DATE, MEASURED, MODEL, PROTOCOL, START_DATE, LABEL, SLICE, BIN),
    partition=(END_DATE, PROTOCOL),
    filtered_by=(END_DATE, PROTOCOL, MODEL),
)

READ_COLUMN = Column("read_column", "string", "a column that the ranker reads, or column=word for one of its words")
MEAN_VALUE = Column("mean_value", "double", "its mean over the rows")
STANDARD_DEVIATION = Column("standard_deviation", "double", "its standard deviation over the rows")

SERVED_COLUMNS = Table(
    "served_columns",
    "what a ranker read of all that was scored for the lists of a day: what later days are held against",
    (AS_OF_DATE, MODEL, LABEL, READ_COLUMN, ROWS, MEAN_VALUE, STANDARD_DEVIATION, RUN_ID),
    key=(AS_OF_DATE, MODEL, LABEL, READ_COLUMN),
    partition=(AS_OF_DATE, MODEL),
    filtered_by=(AS_OF_DATE, MODEL),
)

STUDY = Column("study", "string", "name of the search that the trial belongs to")
TRIAL_ID = Column("trial_id", "string", "hash of what was tried, on which data: equal trials are made once")
TRIAL = Column("trial", "int", "place in the search, from 1")
TRIED = Column("tried", "string", "the settings that were tried, as a JSON object of dotted keys")
OBJECTIVE = Column("objective", "string", "the metric that is searched for, such as precision@10")
FOLD_VALUES = Column("fold_values", "array<double>", "the objective on each time-ordered fold, the earliest first")

TRIALS = Table(
    "trials",
    "one row a finished trial of a search for settings",
    (
        STUDY,
        TRIAL_ID,
        TRIAL,
        TRIED,
        OBJECTIVE,
        VALUE,
        FOLD_VALUES,
        STATUS,
        ERROR,
        INPUT_VERSIONS,
        STARTED_TS,
        FINISHED_TS,
        RUN_ID,
    ),
    key=(STUDY, TRIAL_ID),
    filtered_by=(STUDY, TRIAL_ID),
)
