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


def test_days_of_23_and_25_hours_have_all_their_rows_in_any_session(spark):
    """A log kept in Paris time, an impression a minute, on the days when the clocks change."""
    # 2026-03-29 begins at 23:00 UTC the day before and has 23 hours, 2026-10-25 at 22:00 and has 25.
    days = {dt.date(2026, 3, 29): (1_774_738_800, 23 * 60), dt.date(2026, 10, 25): (1_792_879_200, 25 * 60)}
    found = {}
    for zone in ("UTC", "Europe/Paris"):
        spark.conf.set("spark.sql.session.timeZone", zone)
        try:
            for day, (start_s, minutes) in days.items():
                rows = spark.range(minutes).select(
                    F.col("id").alias("impression_id"),
                    (F.col("id") % 50).alias("user_id"),
                    F.lit(1).cast("bigint").alias("media_id"),
                    F.timestamp_seconds(F.lit(start_s) + 60 * F.col("id")).alias("impression_ts"),
                    F.lit(day).alias("event_date"),
                    (F.col("id") % 3 * 15.0).alias("watch_s"),
                    F.lit(30.0).alias("media_duration_s"),
                )
                prepared = prepare(rows, day, Settings())
                kept = prepared.examples.select("impression_id", F.unix_micros("impression_ts"), "watched_label")
                found[zone, day] = (prepared.funnel, sorted(map(tuple, kept.collect())))
                assert (prepared.funnel.input_rows, prepared.funnel.valid_rows) == (minutes, minutes)
        finally:
            spark.conf.set("spark.sql.session.timeZone", "UTC")
    for day in days:
        assert found["UTC", day] == found["Europe/Paris", day]


@pytest.mark.not_on("sail", "connect", why="plans are the JVM's")
def test_the_second_pass_shuffles_no_row_and_joins_by_hash(log, spark):
    """100M rows go from the scan to the file: a sort, a shuffle or a product with the rates would cost the day."""
    sampling = SamplingSettings(strata=("group", "media_id"), duplicates="trust")
    plan = (
        prepare(log, DAY, Settings(sampling=sampling))
        .examples._jdf.queryExecution()
        .explainString(spark._jvm.org.apache.spark.sql.execution.ExplainMode.fromString("formatted"))
    )
    assert "BroadcastHashJoin" in plan
    operators = [line.split(") ")[1].split(" ")[0] for line in plan.splitlines() if line.startswith("(")]
    assert "BroadcastExchange" in operators
    assert not {"Exchange", "Sort", "CartesianProduct", "BroadcastNestedLoopJoin"} & set(operators), plan
