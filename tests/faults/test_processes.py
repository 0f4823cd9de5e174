"""Processes that die or stand still: executors, and drivers at any moment."""

import os
import random
import signal
import time

import pytest

from fault_fixtures import DAYS, FORMER, NEXT, PERIOD, TABLES
from reliability import fault

KILLS = 20
SEED = 20_260_105
#: Of the four days these two are enough: a run's life is then start, two days and end.
PART = DAYS[:2]
#: Files of the log, in which its rows lie in another order each time.
LAYOUTS = (1, 2, 3, 7, 16)
CLUSTER = "local-cluster[2,1,1024]"
not_spark_submit = pytest.mark.not_on("sail", "connect", why="executors are spark-submit's")


@fault(
    "sample drawn again",
    done=f"{len(LAYOUTS)} runs of two days on a local-cluster of 2, each of the log in other files: {', '.join(map(str, LAYOUTS))}",
    promised="the same rows each time",
)
@not_spark_submit
def test_rows_are_the_same_whatever_files_the_log_lies_in(spark, log, submit, tmp_path, arguments, all_next, outcome):
    rows, same = spark.read.format("delta").load(str(log)), 0
    for files in LAYOUTS:
        root = tmp_path / f"of_{files}"
        mixed = rows.repartition(files, "payload").write.format("delta").partitionBy("event_date")
        mixed.save(f"{root}/impressions")
        own = (*arguments, "--set", f"tables.impressions={root}/impressions", *NEXT)
        job = submit(CLUSTER, "prepare_examples", "--root", root, "--start", PART[0], "--end", PART[-1], *own)
        assert job.wait() == 0, job.told()
        same += all_next(root, PART)
    assert same == len(LAYOUTS)
    outcome(f"{same} of {len(LAYOUTS)} runs: all days exact, in {len(TABLES)} tables")


@fault(
    "executor killed",
    done="SIGKILL of an executor when the second day begins, and of another while it is written (local-cluster of 2)",
    promised="the same rows as undisturbed",
)
@not_spark_submit
def test_rows_are_the_same_when_executors_are_killed(submit, tmp_path, arguments, all_next, outcome):
    job = submit(CLUSTER, "prepare_examples", "--root", tmp_path, *PERIOD, *arguments, *NEXT)
    marks = [tmp_path / "ledger" / f"event_date={DAYS[0]}", tmp_path / "examples" / f"event_date={DAYS[1]}"]
    killed = []
    for mark in marks:
        assert job.until(lambda mark=mark: mark.exists() and set(job.executors()) - set(killed)), job.told()
        killed.append(next(pid for pid in job.executors() if pid not in killed))
        os.kill(killed[-1], signal.SIGKILL)
    assert job.wait() == 0, job.told()
    assert all_next(tmp_path)
    outcome(f"{len(killed)} executors killed; 4 of 4 days exact, in {len(TABLES)} tables")


@fault(
    "slow executor",
    done="an executor stands still (SIGSTOP) for 20 s in the middle of the job, speculation on",
    promised="the same rows; no task is counted twice",
)
@not_spark_submit
def test_rows_are_the_same_when_an_executor_stands_still(submit, tmp_path, arguments, all_next, outcome):
    speculation = {
        "spark.speculation": "true",
        "spark.speculation.multiplier": "1.5",
        "spark.speculation.quantile": "0.5",
    }
    job = submit(CLUSTER, "prepare_examples", "--root", tmp_path, *PERIOD, *arguments, *NEXT, conf=speculation)
    first = tmp_path / "ledger" / f"event_date={DAYS[0]}"
    assert job.until(lambda: first.exists() and len(job.executors()) == 2), job.told()
    slow = job.executors()[0]
    os.kill(slow, signal.SIGSTOP)
    done_by = time.monotonic() + 20
    days_meanwhile = 0
    while time.monotonic() < done_by and job.is_running():
        days_meanwhile = len(list((tmp_path / "ledger").glob("event_date=*")))
        time.sleep(0.1)
    os.kill(slow, signal.SIGCONT)
    assert job.wait() == 0, job.told()
    assert all_next(tmp_path)
    outcome(f"4 of 4 days exact; {days_meanwhile} of them were done while it stood still")


@fault(
    "driver killed",
    done=f"SIGKILL of the whole job at {KILLS} random moments over its life (seed {SEED}), two days a run; then a rerun",
    promised="readers see each day as it was or as it becomes, whole; the rerun is exact",
)
def test_a_driver_killed_at_any_moment_leaves_whole_days_and_a_rerun_is_exact(
    start, run_job, root, arguments, look, contents, outcome
):
    asked = ("--start", PART[0], "--end", PART[-1])
    begun = time.monotonic()
    undisturbed = start("prepare_examples", "--root", root, *asked, *arguments, *NEXT)
    assert undisturbed.wait() == 0, undisturbed.told()
    life = time.monotonic() - begun
    draws, stood, seen, moments = random.Random(SEED), NEXT, {"before": 0, "after": 0}, []
    while len(moments) < KILLS:
        goal = FORMER if stood is NEXT else NEXT
        moment = (len(moments) + draws.random()) / KILLS * life
        job = start("prepare_examples", "--root", root, *asked, *arguments, *goal)
        if job.lives(moment):
            job.kill()
            moments.append(moment)
            for whose in look(root, PART).values():
                seen["after" if whose is goal else "before"] += 1
        else:  # it was faster than the first one: its moment is drawn again, over a shorter life
            assert job.wait() == 0, job.told()
            life *= 0.9
        again = run_job("prepare_examples", root, *asked, *arguments, *goal)
        assert again.code == 0, again.err
        assert {contents[whose][key] for key, whose in look(root, PART).items()} == {
            contents[goal][table, day] for table in TABLES for day in PART
        }
        stood = goal
    assert seen["after"] > 0, "some kills came after the first commit"
    assert seen["before"] > 0, "some kills came before the last one"
    looks = sum(seen.values())
    outcome(
        f"{KILLS} kills in a life of {life:.0f} s: of {looks} looks at a day of a table {seen['before']} found it as it was, "
        f"{seen['after']} as it becomes, 0 torn; {KILLS} of {KILLS} reruns exact"
    )
