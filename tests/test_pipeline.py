"""The line as a whole: whatever a log calls its columns, and strata of which nothing is left."""

import datetime as dt

import pytest
from pyspark.sql import functions as F

from winnow.config import Settings
from winnow.contracts import named
from winnow.errors import ContractError
from winnow.labelling import Action, DurationQuantile, WatchedFraction
from winnow.pipeline import prepare, training_view
from winnow.sampling import SamplingSettings
from winnow.weighting import WeightingSettings

DAY = dt.date(2026, 1, 5)
#: Names that the stages use themselves, plain words and a name with a dot.
OWN = (
    "rows",
    "below",
    "total",
    "draw",
    "reason",
    "reasons",
    "stratum",
    "rate",
    "key_0",
    "valid_rows",
    "place_among_copies",
    "log_lines",
    "session_watch_us",
    "watched_positive_threshold",
    "user_rows",
    "content_label",
    "geo.country",
)


@pytest.fixture(scope="module")
def log(spark):
    """A day of 400 rows, 20 copies, and a group of which every row is refused."""
    rows = spark.range(400).select(
        F.col("id").alias("impression_id"),
        (F.col("id") % 50).alias("user_id"),
        F.lit("m").alias("media_id"),
        F.timestamp_seconds(F.lit(1_767_571_200) + F.col("id")).alias("impression_ts"),
        F.lit(DAY).alias("event_date"),
        F.when(F.col("id") % 20 == 7, -1.0).otherwise(F.col("id") % 4 * 10.0).alias("watch_s"),
        F.lit(30.0).alias("media_duration_s"),
        (F.col("id") % 10 == 0).alias("liked"),
        (F.col("id") % 3).alias("session_id"),
        F.when(F.col("id") % 20 == 7, "broken").otherwise("well").alias("group"),
        *(F.col("id").alias(name) for name in OWN),
    )
    return rows.unionByName(rows.where("impression_id < 20"))


def test_a_log_may_call_its_columns_as_it_likes(log):
    """An exact sample looks for the border of every stratum, also of one whose rows were all refused."""
    settings = Settings(
        labels={
            "watched": WatchedFraction(),
            "watched_positive": Action(("liked",)),  # as a helper column of the first label might be called
            "long": DurationQuantile(groups=2),
        },
        sampling=SamplingSettings(strata=("group",), exact=True, positive_rows=30),
        weighting=WeightingSettings(basis="session_share"),
    )
    prepared = prepare(log, DAY, settings)
    prepared.funnel.check_sums()
    assert (prepared.funnel.input_rows, prepared.funnel.duplicates) == (420, 20)
    assert prepared.funnel.quarantined["watch_s_negative"] == 20
    assert [count.valid_rows for count in prepared.strata] == [0, 380]
    examples = prepared.examples.collect()
    assert set(log.columns) < set(prepared.examples.columns)
    assert all(row[name] == row.impression_id for row in examples for name in OWN)
    assert {row.group for row in examples} == {"well"}
    for name in settings.labels:
        positives = [row for row in examples if row[f"{name}_label"] == 1]
        assert sum(row[f"{name}_weight"] for row in positives) == pytest.approx(len(positives), rel=1e-9)
        assert len(positives) == 30
    refused = prepared.quarantine.collect()
    assert len(refused) == 20
    assert all('"geo.country":' in row.row for row in refused)


def test_the_plain_view_drops_other_labels_and_keeps_the_logs_own_columns(spark):
    ddl = ", ".join(
        f"{name}_{what}" for name in ("watched", "liked") for what in ("label int", "rate double", "weight double")
    )
    rows = [(1, 1.0, 1.5, None, None, None, 7, 8), (None, None, None, 1, 1.0, 1.0, 7, 8)]
    examples = spark.createDataFrame(rows, f"{ddl}, content_label int, `geo.label` int")
    made = examples.transform(training_view("watched"))
    assert made.columns == ["label", "rate", "weight", "content_label", "geo.label"]
    assert [tuple(row) for row in made.collect()] == [(1, 1.0, 1.5, 7, 8)]
    with pytest.raises(ContractError, match=r"found no label wached\. Labels: watched, liked"):
        examples.transform(training_view("wached"))
    with pytest.raises(ContractError, match="found weight is there already"):
        examples.withColumn("weight", F.lit(1)).transform(training_view("watched"))
    assert made.select(named("geo.label")).head() == (8,)
