"""What the tests of faults share: a log, its days as they were and as they become, and the table of what came out."""

import datetime as dt
import shutil

import pytest

import reliability

DAYS = [dt.date(2026, 1, 5 + i) for i in range(4)]
PERIOD = ("--start", DAYS[0], "--end", DAYS[-1])
#: A day is written in two tasks and takes long enough for something to happen meanwhile.
ROWS = 40_000
SETTINGS = (
    "--set", "sampling.strata=['surface']", "--set", "labels.engaged={kind='any_action', actions=['liked', 'watched']}",
    "--set", "labels.watched.kind=watched_fraction", "--set", "writing.rows_per_task=20000",
    "--set", "maintenance.history_days=7",
)  # fmt: skip
#: Two samples of the same log: what stands there when a fault comes, and what a run would put in its place.
FORMER, NEXT = (("--set", f"sampling.seed={seed}") for seed in (11, 12))
TABLES = ("examples", "ledger", "quarantine")
OF_THE_RUN = ("run_id",)
_OUTCOMES = pytest.StashKey()


@pytest.fixture
def outcome(request):
    """Return the function that says in a few words, with numbers, what came out of the test's fault."""
    (mark,) = request.node.iter_markers("fault")
    outcomes = request.config.stash.setdefault(_OUTCOMES, {})
    outcomes[mark.args[0]] = "FAILED"

    def tell(text):
        outcomes[mark.args[0]] = text

    return tell


def pytest_terminal_summary(terminalreporter, config):
    """Print the table of what was tried; what came out is kept in docs/reliability.md, that of Spark before that of others."""
    outcomes = config.stash.get(_OUTCOMES, {})
    if not outcomes:
        return
    faults = reliability.declared()
    terminalreporter.section("faults")
    terminalreporter.write(reliability.table([(fault, outcomes[fault]) for fault in faults if fault in outcomes]))
    known = {name: outcome for name, _, _, outcome in reliability.told()}
    if (engine := config.getoption("--engine")) != "spark":  # of the other engines only what Spark has not told
        named = {fault: f"on {engine}: {told}" for fault, told in outcomes.items()}
        outcomes = {
            f: told for f, told in named.items() if known.get(f.name, "not tried").startswith(("not tried", "on "))
        }
    reliability.write([(fault, outcomes.get(fault, known.get(fault.name, "not tried"))) for fault in faults])


@pytest.fixture(scope="session")
def log(spark, tmp_path_factory):
    """Four days of impressions: three in ten positive, two in a hundred refused, on three surfaces."""
    from pyspark.sql import functions as F

    place = tmp_path_factory.mktemp("log") / "impressions"
    number = F.col("id")
    rows = spark.range(0, ROWS * len(DAYS), 1, 2 * len(DAYS)).select(
        number.alias("impression_id"),
        (number % 997).alias("user_id"),
        (number % 101).alias("media_id"),
        F.timestamp_seconds(F.lit(1_767_614_400) + F.floor(number / ROWS) * 86_400).alias("impression_ts"),  # noon
        F.date_add(F.lit(DAYS[0]), F.floor(number / ROWS).cast("int")).alias("event_date"),
        F.when(number % 50 == 1, -1.0).when(number % 10 < 3, 60.0).otherwise(3.0).alias("watch_s"),
        F.lit(60.0).alias("media_duration_s"),
        (number % 7 == 0).alias("liked"),
        F.element_at(F.array(*map(F.lit, ("home", "search", "tv"))), (number % 3 + 1).cast("int")).alias("surface"),
        F.sha2(number.cast("string"), 256).alias("payload"),
    )
    for days in (DAYS[:2], DAYS[2:]):  # two commits, so that there is one in the middle
        some = rows.where(F.col("event_date").isin(days)).write.format("delta").mode("append")
        some.partitionBy("event_date").save(str(place))
    return place


@pytest.fixture(scope="session")
def arguments(log):
    """Arguments of prepare_examples on the log."""
    return (*SETTINGS, "--set", f"tables.impressions={log}")


@pytest.fixture(scope="session")
def published(tmp_path_factory, run_job, arguments):
    """Roots with all days as they were, and as they become: by seed."""
    roots = {}
    for seed in (FORMER, NEXT):
        roots[seed] = tmp_path_factory.mktemp("published")
        done = run_job("prepare_examples", roots[seed], *PERIOD, *arguments, *seed)
        assert done.code == 0, done.err
    return roots


@pytest.fixture(scope="session")
def contents(published, read, content):
    """Content of each day of each table, by seed: what a reader may see."""
    return {
        seed: {(table, day): content(read(root, table, day), OF_THE_RUN) for table in TABLES for day in DAYS}
        for seed, root in published.items()
    }


@pytest.fixture
def root(published, tmp_path):
    """The days as they were, for one test to disturb."""
    return shutil.copytree(published[FORMER], tmp_path / "root")


@pytest.fixture(scope="session")
def look(read, content, contents):
    """Return the function that reads every day of every table of a root, each of which must be whole: whose it is, by seed.

    Returns, for each (table, day), FORMER or NEXT. A day that is neither fails the test.
    """
    assert all(contents[FORMER][key] != contents[NEXT][key] for key in contents[NEXT] if key[0] == "examples")

    def whose(root, days=DAYS):
        seen = {}
        for table in TABLES:
            for day in days:
                found = content(read(root, table, day), OF_THE_RUN)
                mine = [seed for seed in (FORMER, NEXT) if contents[seed][table, day] == found]
                assert mine, f"{table} of {day} is neither the day before the fault nor the day after it: {found}"
                seen[table, day] = mine[0]
        return seen

    return whose


@pytest.fixture(scope="session")
def all_next(look, contents):
    """Return the function that says whether the days of a root are those that the run should have made, in every table."""
    return lambda root, days=DAYS: all(
        contents[seed][key] == contents[NEXT][key] for key, seed in look(root, days).items()
    )
