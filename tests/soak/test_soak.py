"""Many days in a row, each with its run, under random faults: at the end the tables say what an oracle apart says."""

import datetime as dt
import os
import random
import resource
import time
from collections import Counter
from pathlib import Path

import pytest

import oracle
import reliability
from soak_log import Log

FIRST = dt.date(2026, 1, 5)
ROWS = 400
LOOKBACK = 3
#: Days of examples and ledger that retention leaves.
KEPT_DAYS = 40
SETTINGS = ("--set", "sampling.strata=['surface']")
RULES = oracle.Rules(strata=("surface",))
#: Fault -> the share of days that have it.
SHARES = {
    "driver killed, rerun at once": 0.2,
    "driver killed, left to the next day's run": 0.2,
    "late rows of an earlier day": 0.3,
    "earlier day rewritten": 0.1,
    "day run once more": 0.15,
    "two runs of the day at once": 0.1,
    "files joined": 0.1,
    "old versions removed": 0.1,
    "old days removed": 0.2,
}


class Soak:
    """The days so far, and what came of them."""

    def __init__(self, root, run_job, start, draws):
        self.root, self.run_job, self.start, self.draws = root, run_job, start, draws
        self.log = Log(root / "impressions", draws.randrange(2**31))
        self.first_kept = FIRST
        self.counts, self.codes = Counter(), Counter()
        self.life = 0.0

    def live(self, day, look):
        """Let a day come: its rows, its faults, its run."""
        self.log.add(day, ROWS + self.draws.randrange(-40, 40))
        due = [name for name, share in SHARES.items() if self.draws.random() < share]
        earlier = [
            day - dt.timedelta(days=back) for back in range(1, LOOKBACK + 1) if day - dt.timedelta(days=back) >= FIRST
        ]
        if "late rows of an earlier day" in due and earlier:
            self.log.add(self.draws.choice(earlier), 30)
            self.counts["late rows of an earlier day"] += 1
        if "earlier day rewritten" in due and earlier:
            self.log.rewrite(self.draws.choice(earlier))
            self.counts["earlier day rewritten"] += 1
        kill = next((name for name in due if name.startswith("driver killed")), None)
        asked = ("--date", day, "--lookback", min(LOOKBACK, (day - FIRST).days), "--changed")
        if kill is not None and self.is_killed(asked):
            self.counts[kill] += 1
            look(self)
            if kill.endswith("next day's run"):
                return
        elif "two runs of the day at once" in due:
            runs = [self.start("prepare_examples", "--root", self.root, *SETTINGS, "--date", day) for _ in range(2)]
            codes = sorted(run.wait() for run in runs)
            assert codes in ([0, 0], [0, 5]), [run.told() for run in runs]
            self.counts["two runs of the day at once"] += 1
        self.run("prepare_examples", *SETTINGS, *asked)
        if "day run once more" in due:
            self.run("prepare_examples", *SETTINGS, "--date", day)
            self.counts["day run once more"] += 1
        self.maintain(day, due)

    def maintain(self, day, due):
        if "files joined" in due:
            self.run("maintain", "--compact")
            self.counts["files joined"] += 1
        if "old versions removed" in due:
            self.run("maintain", "--vacuum")
            self.counts["old versions removed"] += 1
        oldest = day - dt.timedelta(days=KEPT_DAYS)
        if "old days removed" in due and oldest > self.first_kept:
            age = (dt.datetime.now(dt.UTC).date() - oldest).days
            keep = [
                w
                for table in ("examples", "ledger", "quarantine")
                for w in ("--set", f"maintenance.retention_days.{table}={age}")
            ]
            self.run("maintain", "--retain", *keep)
            self.first_kept = oldest
            self.counts["old days removed"] += 1

    def run(self, job, *arguments):
        """Run a job in this process; it must succeed."""
        ended = self.run_job(job, self.root, *arguments)
        assert ended.code == 0, ended.err
        self.codes[ended.code] += 1
        return ended

    def is_killed(self, asked):
        """Start a run in a process and kill it at a random moment of its life; return whether it came to that."""
        job = self.start("prepare_examples", "--root", self.root, *SETTINGS, *asked)
        begun = time.monotonic()
        if not self.life:  # the first one is let live, to know how long it takes
            assert job.wait() == 0, job.told()
            self.life = time.monotonic() - begun
            return False
        if job.lives(self.life * self.draws.uniform(0.3, 1.0)):
            job.kill()
            return True
        assert job.wait() == 0, job.told()
        self.life = time.monotonic() - begun
        return False

    def days(self):
        return [day for day in sorted(self.log.days) if day >= self.first_kept]


def cpu_seconds(spark):
    """CPU seconds of this process, of the jobs that it started, and of its session's JVM."""
    spent = sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    gateway = getattr(getattr(spark, "_sc", None), "_gateway", None)
    if gateway is not None:
        ticks = Path(f"/proc/{gateway.proc.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
        spent += sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")
    return spent


@pytest.fixture
def wholeness(read):
    """Return the function that looks at every day after a kill: one run's ledger, no impression twice."""

    def look(soak):
        if not (soak.root / "ledger").exists() or not (soak.root / "examples" / "_delta_log").exists():
            return
        ledger = read(soak.root, "ledger").groupBy("event_date").agg({"run_id": "collect_set"}).collect()
        assert all(len(row[1]) == 1 for row in ledger), ledger
        copies = read(soak.root, "examples").groupBy("event_date", "impression_id").count().where("count > 1")
        assert copies.count() == 0

    return look


@pytest.mark.timeout(4 * 3600)
def test_days_under_random_faults_end_as_the_oracle_says(
    spark, engine, request, tmp_path, run_job, start, read, as_dicts, wholeness
):
    days, seed = (request.config.getoption(name) for name in ("--days", "--seed"))
    begun, cpu = time.monotonic(), cpu_seconds(spark)
    soak = Soak(tmp_path / "root", run_job, start, random.Random(seed))
    for number in range(days):
        soak.live(FIRST + dt.timedelta(days=number), wholeness)
    kept = soak.days()
    period = ("--start", kept[0], "--end", kept[-1])
    soak.run("prepare_examples", *SETTINGS, *period, "--changed")  # what the last day's kill has left
    assert f"0 of {len(kept)} days" in soak.run("prepare_examples", *SETTINGS, *period, "--changed").err

    examples, ledger, refused = (as_dicts(read(soak.root, name)) for name in ("examples", "ledger", "quarantine"))
    assert {row["event_date"] for row in examples} == {row["event_date"] for row in ledger} == set(kept)
    lost = doubled = other = half = 0
    for day in kept:
        expected = oracle.prepare(soak.log.days[day], RULES)
        mine = [row for row in examples if row["event_date"] == day]
        told = oracle.differences(expected.kept, mine, ["watched"])
        lost += sum(line.endswith("is missing") for line in told)
        doubled += sum(line.endswith("times") for line in told)
        other += len(told)
        counts = sorted((row["positives"], row["negatives"]) for row in ledger if row["event_date"] == day)
        kept_rows = sum(row["kept_positives"] + row["kept_negatives"] for row in ledger if row["event_date"] == day)
        agrees = (
            counts == sorted(map(tuple, expected.strata["watched"].values()))
            and kept_rows == len(mine) == len(expected.kept)
            and len({row["run_id"] for row in ledger if row["event_date"] == day}) == 1
            and sum(row["event_date"] == day for row in refused) == len(expected.refused)
        )
        half += not agrees
    assert (lost, doubled, half, other) == (0, 0, 0, 0)
    log_rows = sum(map(len, soak.log.days.values()))
    faults = "; ".join(f"{name} {soak.counts[name]}" for name in SHARES)
    line = (
        f"{days} days on {engine} (seed {seed}), {log_rows:,} log lines: {faults}. At the end {len(kept)} days and "
        f"{len(examples):,} examples are held against the oracle: {lost} rows lost, {doubled} doubled, {other} different, {half} days half "
        f"written; {time.monotonic() - begun:.0f} s, {cpu_seconds(spark) - cpu:.0f} CPU s."
    )
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        print(f"\n{line}")
    if days >= 60:
        reliability.write_soak(engine, line)
