"""Clocks that go wrong, and keys that have far more rows than others."""

import datetime as dt
import json
import os
import shutil
import statistics
import types
from collections import defaultdict

import pytest

from fault_fixtures import DAYS, NEXT, PERIOD, TABLES
from reliability import fault

DAY = DAYS[1]
SKEWED_ROWS = 400_000
HEAVY = 7
#: FAULTS: the slowest task may take so many times the median of its stage.
MOST = 3.0


@fault(
    "clock skew",
    done="devices 24 h ahead (kept), 24 h and 1 s ahead (refused) and 25 h behind; commits of the log dated 3 days back, "
    "those of our tables 3 days ahead; a driver whose clock is 2 days slow",
    promised="rows from the future go to quarantine; what has changed is told by versions, never by clocks; the rows are those of true clocks",
)
def test_clocks_that_go_wrong_refuse_rows_and_move_no_other(
    spark, log, arguments, root, tmp_path, run_job, read, content, monkeypatch, outcome
):
    from pyspark.sql import functions as F

    place = shutil.copytree(log, tmp_path / "impressions")
    mine = (*arguments, "--set", f"tables.impressions={place}", "--set", "guards.row_count=off")
    true = tmp_path / "true"
    done = run_job("prepare_examples", root, *PERIOD, *mine, *NEXT)  # of the version before
    assert done.code == 0, done.err
    end = int(dt.datetime.combine(DAY + dt.timedelta(days=1), dt.time(), dt.UTC).timestamp()) * 1_000_000
    hour = 3_600_000_000
    shifts = {"ahead but kept": end + 24 * hour, "ahead": end + 24 * hour + 1_000_000, "behind": end - 49 * hour}
    some = read(tmp_path, "impressions", DAY).where("impression_id % 1000 = 0 and impression_id < 1000000000")
    for number, micros in enumerate(shifts.values(), 1):
        odd = some.withColumn("impression_id", F.col("impression_id") + F.lit(number * 10**9))
        odd = odd.withColumn("impression_ts", F.timestamp_micros(F.lit(micros)))
        odd.write.format("delta").mode("append").save(str(place))
    each = some.count()
    run = run_job("prepare_examples", true, "--date", DAY, *mine, *NEXT)
    assert run.code == 0, run.err

    for table, shift in ((place, -3), (root / "examples", 3), (root / "ledger", 3), (root / "runs", 3)):
        for commit in (table / "_delta_log").glob("*.json"):
            then = commit.stat().st_mtime + shift * 86_400
            os.utime(commit, (then, then))

    class Slow(dt.datetime):
        @classmethod
        def now(cls, zone=None):
            return dt.datetime.now(zone) - dt.timedelta(days=2)

    monkeypatch.setattr("winnow.job.dt", types.SimpleNamespace(**{**vars(dt), "datetime": Slow}))
    run = run_job("prepare_examples", root, *PERIOD, "--changed", *mine, *NEXT)
    assert run.code == 0, run.err
    assert f"1 of 4 days are new or have changed: {DAY}" in run.err
    for table in TABLES:
        without = ("run_id", "state")
        assert content(read(root, table, DAY), without) == content(read(true, table, DAY), without), table
    reasons = [row.reasons for row in read(root, "quarantine", DAY).collect() if "impression_ts_ahead" in row.reasons]
    assert len(reasons) == each
    outcome(
        f"{len(reasons)} of {len(shifts) * each} odd rows refused, those that are ahead; 1 of 4 days due; its rows exact"
    )


@pytest.fixture(scope="module")
def skewed(spark, tmp_path_factory):
    """Roots with a day each, alike but for one: there a tenth of the rows is one user's, one media's, one session's."""
    from pyspark.sql import functions as F

    roots = {}
    for name, share in (("even", 0), ("skewed", 10)):
        roots[name] = tmp_path_factory.mktemp(name)
        number = F.col("id")
        is_heavy = (number % 100 < share).cast("boolean")
        key = F.xxhash64(number)
        spark.range(0, SKEWED_ROWS, 1, 8).select(
            number.alias("impression_id"),
            F.when(is_heavy, HEAVY).otherwise(F.pmod(key, F.lit(20_000))).cast("bigint").alias("user_id"),
            F.when(is_heavy, HEAVY).otherwise(F.pmod(F.xxhash64(key), F.lit(5_000))).cast("bigint").alias("media_id"),
            F.timestamp_seconds(F.lit(1_767_614_400) + number % 40_000).alias("impression_ts"),
            F.lit(DAYS[0]).alias("event_date"),
            F.when(number % 10 < 3, 60.0).otherwise(3.0).alias("watch_s"),
            F.lit(60.0).alias("media_duration_s"),
            F.when(is_heavy, F.lit("one")).otherwise(F.pmod(key, F.lit(60_000)).cast("string")).alias("session_id"),
            F.lit("home").alias("surface"),
            F.lit("tv").alias("device"),
        ).write.format("delta").partitionBy("event_date").save(f"{roots[name]}/impressions")
    return roots


def stages(events):
    """Return, for each stage of an event log with four tasks or more: run times in ms, and rows that were read."""
    tasks = defaultdict(list)
    for line in next(events.iterdir()).read_text().splitlines():
        event = json.loads(line)
        if event["Event"] == "SparkListenerTaskEnd" and event.get("Task Metrics"):
            told = event["Task Metrics"]
            shuffled = told["Shuffle Read Metrics"]
            read = told["Input Metrics"]["Records Read"] + shuffled["Total Records Read"]
            tasks[event["Stage ID"]].append((told["Executor Run Time"], read))
    return {stage: list(zip(*found, strict=True)) for stage, found in tasks.items() if len(found) >= 4}


@fault(
    "skewed key",
    done=f"a tenth of {SKEWED_ROWS:,} rows is of one user, one media and one session: main job with weights by session, and tiles",
    promised=f"no task reads more than {MOST:g} times the rows of the median of its stage",
)
@pytest.mark.not_on("sail", "connect", why="tasks are told by Spark's event log")
def test_one_key_with_a_tenth_of_the_rows_slows_no_task(skewed, submit, tmp_path, outcome):
    told = {}
    for name, root in skewed.items():
        worst = []
        for job in ("prepare_examples", "build_profiles"):
            events = tmp_path / f"{name}-{job}"
            events.mkdir()
            conf = {
                "spark.eventLog.enabled": "true",
                "spark.eventLog.dir": str(events),
                "spark.eventLog.rolling.enabled": "false",
                "spark.eventLog.compress": "false",
                "spark.sql.shuffle.partitions": "8",
                "spark.sql.adaptive.coalescePartitions.enabled": "false",  # small as they are, they would be one task
                "spark.sql.files.maxPartitionBytes": "2m",
            }
            weights = ("--set", "weighting.basis=session_share", "--set", "contracts.most_rows_per_user=100000")
            run = submit("local[2]", job, "--root", root, "--date", DAYS[0], *weights, conf=conf)
            assert run.wait() == 0, run.told()
            worst += [
                (
                    max(rows) / statistics.median(rows),
                    max(times) / statistics.median(times),
                    statistics.median(times),
                    job,
                )
                for times, rows in stages(events).values()
                if statistics.median(rows) >= 1_000 and statistics.median(times) >= 50
            ]
        assert worst, "no stage had tasks worth comparing"
        told[name] = worst
    rows = {name: max(ratio for ratio, *_ in worst) for name, worst in told.items()}
    times = {name: max(ratio for _, ratio, *_ in worst) for name, worst in told.items()}
    assert rows["skewed"] <= MOST, told
    outcome(
        f"largest task / median of its stage, in rows {rows['skewed']:.1f} (even log {rows['even']:.1f}), in time "
        f"{times['skewed']:.1f} (even log {times['even']:.1f}), over {len(told['skewed'])} stages"
    )
