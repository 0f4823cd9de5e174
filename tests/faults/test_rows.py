"""Clocks that go wrong, and keys that have far more rows than others."""

import datetime as dt
import json
import os
import shutil
import statistics
import types
from collections import defaultdict

import duckdb
import pytest

from fault_fixtures import DAYS, NEXT, PERIOD, TABLES
from reliability import fault

DAY = DAYS[1]
SKEWED_ROWS = 400_000
HEAVY = 7
MILLION = 1_000_000
MANY = 10 * MILLION
#: Impressions of users and media of their own, each but for these fields such a row; and the reason to refuse it, or what becomes of it.
KEPT, NO_LABEL = "kept", "no label"
GOOD = {
    "impression_id": "", "user_id": "7", "media_id": "8", "impression_ts": "2026-01-06T12:00:00Z", "event_date": "2026-01-06",
    "watch_s": "3.0", "media_duration_s": "60.0",
}  # fmt: skip
ODD = (
    ({"user_id": "1.5x"}, "user_id_not_bigint"),
    ({"user_id": "9" * 20}, "user_id_not_bigint"),
    ({"media_id": ""}, "media_id_missing"),
    ({"impression_ts": "noon"}, "impression_ts_not_timestamp"),
    ({"event_date": "2026-02-30"}, "event_date_not_date"),
    ({"watch_s": "3.0s"}, "watch_s_not_double"),
    ({"watch_s": "NaN"}, "watch_s_not_finite"),
    ({"watch_s": "1e308"}, "watch_s_implausible"),
    ({"watch_s": "-1e308"}, "watch_s_negative"),
    ({"impression_ts": "9999-12-31T23:59:59Z"}, "impression_ts_ahead"),
    ({"impression_ts": "0001-01-01T00:00:00Z"}, KEPT),
    ({"media_duration_s": "1:30"}, "media_duration_s_not_double"),
    ({"media_duration_s": "1e308"}, NO_LABEL),
    ({"media_duration_s": "604800"}, KEPT),
    ({"media_duration_s": "1e-6"}, KEPT),
    ({"media_duration_s": "5e-324"}, KEPT),
    ({"user_id": str(2**63 - 1)}, KEPT),
    ({"user_id": str(-(2**63)), "media_id": str(-(2**63))}, KEPT),
)
#: Every row that has a label is kept, and all weigh alike: then no row is another one for what others are like.
WHOLE = ("--date", DAY, "--set", "sampling.negatives_per_positive=1000", "--set", "weighting.balance=0")
IDS = ("impression_id", "user_id", "media_id")
TYPED = (
    "--set", "importing.format=csv", "--set", "guards.quarantine=warn",
    *(f'--set=importing.columns.{name}={{from = "{name}", type = "bigint"}}' for name in IDS),
)  # fmt: skip
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


@fault(
    "small driver",
    done=f"{MANY:,} rows, a hundredth of them twice, and 1 GB of heap for the driver and all tasks: main job, duplicates settled",
    promised="the job ends with 0: no row comes to the driver, and no memory grows with the rows",
)
@pytest.mark.not_on("sail", "connect", why="the heap is spark-submit's")
def test_ten_million_rows_pass_through_a_heap_of_1_gb(spark, submit, tmp_path, last_run, outcome):
    from pyspark.sql import functions as F

    number = F.col("id")
    spark.range(0, MANY, 1, 8).select(
        F.when(number % 100 == 1, number - 1).otherwise(number).alias("impression_id"),
        F.pmod(F.xxhash64(number), F.lit(MANY // 10)).alias("user_id"),
        F.pmod(F.xxhash64(number), F.lit(5_000)).alias("media_id"),
        F.timestamp_seconds(F.lit(1_767_614_400) + number % 40_000).alias("impression_ts"),
        F.lit(DAYS[0]).alias("event_date"),
        F.when(number % 20 == 0, 60.0).otherwise(3.0).alias("watch_s"),
        F.lit(60.0).alias("media_duration_s"),
        F.element_at(F.array(*map(F.lit, ("home", "search", "tv"))), (number % 3 + 1).cast("int")).alias("surface"),
    ).write.format("delta").partitionBy("event_date").save(f"{tmp_path}/impressions")
    words = ("--date", DAYS[0], "--set", "sampling.strata=['surface']")
    job = submit("local[2]", "prepare_examples", "--root", tmp_path, *words, conf={"spark.driver.memory": "1g"})
    assert job.wait() == 0, job.told()
    (funnel,) = last_run(tmp_path)["funnel"]
    assert (funnel["input_rows"], funnel["duplicates"]) == (MANY, MANY // 100)
    kept = funnel["labels"]["watched"]["kept_positives"] + funnel["labels"]["watched"]["kept_negatives"]
    outcome(f"exit code 0; {funnel['input_rows']:,} rows read, {funnel['duplicates']:,} copies found, {kept:,} kept")


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
    "odd rows in a million",
    done=f"of {MILLION:,} lines of CSV {len(ODD)} have a field that is no number or no time, or the largest, smallest or earliest that "
    "there is: import, main job and tiles",
    promised="the jobs go on; each odd row is refused by name or kept whole, and all other rows and tiles are as without them",
)
@pytest.mark.not_on("sail", why="a line of text that does not fit ends its jobs")
def test_a_row_that_cannot_be_computed_with_is_refused_and_moves_no_other(run_job, read, content, tmp_path, outcome):
    fates = {MILLION + place: fate for place, (_, fate) in enumerate(ODD)}
    odd = {
        MILLION + place: GOOD | {"impression_id": str(MILLION + place), **fields}
        for place, (fields, _) in enumerate(ODD)
    }
    for name, lines in (("odd", odd), ("clean", {})):
        root = tmp_path / name
        root.mkdir()
        duckdb.sql(f"""
            select i as impression_id, 100 + i % 50000 as user_id, 100 + i % 1000 as media_id, '{GOOD["impression_ts"]}' as impression_ts,
                   '{DAY}' as event_date, if(i % 10 < 3, 60.0, 3.0) as watch_s, 60.0 as media_duration_s
            from range({MILLION - len(ODD)}) log(i)
        """).write_csv(str(root / "log.csv"))
        with (root / "log.csv").open("a") as file:
            file.writelines(",".join(line.values()) + "\n" for line in lines.values())
        for job, words in (
            ("import_impressions", ("--input", root / "log.csv")),
            ("prepare_examples", WHOLE),
            ("build_profiles", WHOLE),
        ):
            ended = run_job(job, root, *words, *TYPED)
            assert ended.code == 0, (job, ended.err)

    refused = {
        int(json.loads(row["row"])["impression_id"]): row["reasons"][0]
        for row in read(tmp_path / "odd", "quarantine").collect()
    }
    assert refused == {number: fate for number, fate in fates.items() if fate not in (KEPT, NO_LABEL)}
    others = {
        "examples": f"impression_id < {MILLION}",
        "user_tiles": "user_id >= 100 and user_id < 100000",
        "media_tiles": "media_id >= 100",
    }
    for table, condition in others.items():
        found = [
            content(read(tmp_path / name, table).where(condition), ("run_id", "known_at")) for name in ("odd", "clean")
        ]
        assert found[0] == found[1], table
    kept = (
        read(tmp_path / "odd", "examples").where(f"impression_id >= {MILLION}").select("impression_id", "watched_label")
    )
    labels = {row["impression_id"]: row["watched_label"] for row in kept.collect()}
    assert set(labels) == {number for number, fate in fates.items() if fate == KEPT}
    outcome(
        f"{len(refused)} of {len(odd)} refused, each by its reason, {len(labels)} kept with a label, {len(odd) - len(refused) - len(labels)} without; {len(others)} tables of the others exact"
    )


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
