"""Promises of the main job: a day is the unit, whatever runs twice or late. What dies or runs at once: tests/faults."""

import datetime as dt
import functools
import threading
import time
from pathlib import Path

import pytest

from winnow import schema
from winnow.config import load
from winnow.engines import engine_of
from winnow.errors import ConcurrentRunError
from winnow.job import main
from winnow.tables import Tables

DAYS = [dt.date(2026, 1, 5 + i) for i in range(4)]
STRATA = ("--set", "sampling.strata=['surface']")
#: Stands in each ledger row, and differs from run to run.
OF_THE_RUN = ("run_id",)


def day_rows(day, count=400):
    """Rows of a day: a fifth positive, the rest negative, on two surfaces."""
    first = day.toordinal() * 10_000
    return [
        (first + i, i % 37, i % 11, day, 60.0 if i % 5 == 0 else 3.0, 60.0, "home" if i % 3 else "search")
        for i in range(count)
    ]


@pytest.fixture(scope="module")
def log(tmp_path_factory, make_log):
    """Four days of impressions."""
    place = tmp_path_factory.mktemp("log")
    make_log(place, [row for day in DAYS for row in day_rows(day)])
    return place


@pytest.fixture(scope="module")
def prepare(run_job, log):
    """Return the function that prepares a day of the log under another root."""
    return lambda root, *arguments: run_job(
        "prepare_examples", root, *STRATA, "--set", f"tables.impressions={log}/impressions", *arguments
    )


@pytest.fixture(scope="module")
def root(tmp_path_factory, prepare):
    """The four days, prepared."""
    place = tmp_path_factory.mktemp("prepared")
    done = prepare(place, "--start", DAYS[0], "--end", DAYS[-1])
    assert done.code == 0, done.err
    return place


def test_the_same_day_three_times_and_days_in_reverse_order_give_the_same_rows(root, tmp_path, prepare, read, content):
    # With what the fixture made, each of the two was run at least twice, and the first one three times.
    for day in (DAYS[1], DAYS[0], DAYS[0]):
        assert prepare(tmp_path, "--date", day).code == 0
        assert content(read(tmp_path, "examples", day)) == content(read(root, "examples", day))
    assert read(tmp_path, "examples").count() == read(root, "examples").where(f"event_date <= '{DAYS[1]}'").count()
    assert read(tmp_path, "ledger").count() == 2 * 2


def test_rows_appended_between_the_passes_do_not_reach_the_day(root, tmp_path, run_job, read, content, make_log):
    day = DAYS[1]
    make_log(tmp_path, [row for day in DAYS for row in day_rows(day)])
    describe, appended = Tables.describe, []

    def append_then_describe(tables, text):
        late = [(10**12 + len(appended) * 1_000 + i, 1, 1, day, 60.0, 60.0, "late") for i in range(100)]
        make_log(tmp_path, late, mode="append")
        appended.append(text)
        describe(tables, text)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Tables, "describe", append_then_describe)
        assert run_job("prepare_examples", tmp_path, *STRATA, "--date", day).code == 0
    assert any("census" in text for text in appended)
    assert any("write the examples" in text for text in appended)
    assert read(tmp_path, "impressions", day).count() == 400 + 100 * len(appended)
    assert content(read(tmp_path, "examples")) == content(read(root, "examples", day))
    found = read(tmp_path, "ledger").agg({"impression_rows": "sum"}).head()[0]
    assert found == 400
    # A restatement: the next run, which reads the log as it is now, has them.
    assert run_job("prepare_examples", tmp_path, *STRATA, "--date", day, "--set", "guards.row_count=off").code == 0
    assert read(tmp_path, "examples").where("surface = 'late'").count() == 100 * len(appended)


@pytest.fixture
def lost(tmp_path):
    """Return the function that begins to write rows, lets another commit come first, and returns the fault that it meets.

    ``write``: writes rows that it is given; ``rival``: commits.
    """
    from pyspark.sql import functions as F

    started, go, fault = tmp_path / "started", tmp_path / "go", []

    @F.udf("bigint")
    def wait(value):
        started.touch()
        while not go.exists():
            time.sleep(0.05)
        return value

    def lose(write, rows, column):
        try:
            write(rows.withColumn(column, wait(column)))
        except Exception as found:
            fault.append(found)

    def run(write, rows, rival, column="user_id"):
        loser = threading.Thread(target=lose, args=(write, rows, column))
        loser.start()
        try:
            deadline = time.monotonic() + 60
            while not started.exists():
                assert time.monotonic() < deadline, "the slow run did not start"
                time.sleep(0.05)
            rival()  # the other's transaction is open
        finally:
            go.touch()
            loser.join(60)
        assert [type(found) for found in fault] == [ConcurrentRunError], fault
        return str(fault[0])

    return run


def test_of_two_runs_that_replace_one_day_at_once_the_later_loses_and_nothing_is_doubled(
    spark, root, tmp_path, read, versions, lost
):
    rows, where = read(root, "examples", DAYS[0]), {schema.EVENT_DATE: DAYS[0]}
    tables, other = (Tables(spark, load(), str(tmp_path)) for _ in range(2))
    tables.replace(schema.EXAMPLES, rows, where, record="{}")
    told = lost(
        lambda slow: tables.replace(schema.EXAMPLES, slow, where, record="{}"),
        rows,
        lambda: other.replace(schema.EXAMPLES, rows, where, record="{}"),
    )
    assert "DATE'2026-01-05'" in told
    assert versions(tmp_path, "examples")[0]["version"] == other.written["examples"]
    assert read(tmp_path, "examples").count() == rows.count()


@pytest.mark.parametrize("before", ["_check_not_lost", "replace"])
def test_of_two_runs_of_one_day_the_examples_of_one_never_stand_with_the_ledger_of_the_other(
    before, prepare, tmp_path, read, monkeypatch
):
    """Another whole run of the day comes between examples and ledger: before the run looks at them again, or right after."""
    from winnow.publishing import examples

    day, rivals = DAYS[0], []
    holder = examples if before == "_check_not_lost" else Tables
    step = getattr(holder, before)

    def late(first, second, *more, **named):
        if not rivals and (holder is examples or second is schema.LEDGER):
            rivals.append(None)
            rivals[0] = prepare(tmp_path, "--date", day, "--set", "sampling.seed=2")
        return step(first, second, *more, **named)

    monkeypatch.setattr(holder, before, late)
    lost = prepare(tmp_path, "--date", day, "--set", "sampling.seed=1")
    assert rivals[0].code == 0, rivals[0].err
    assert (lost.code, "another run replaced them" in lost.err) == (5, True), lost.err
    assert f"Run prepare_examples.py --date {day} again" in lost.err
    runs = {row.run_id: row.seed for row in read(tmp_path, "runs").collect()}
    told = {runs[row.run_id] for row in read(tmp_path, "ledger").collect()}
    assert told == ({2} if holder is examples else set()), "the winner's ledger stands, or none"
    if not told:  # so that the day is due
        again = prepare(tmp_path, "--date", day, "--set", "sampling.seed=2", "--changed")
        assert (again.code, "1 of 1 days are new" in again.err) == (0, True), again.err
    asked = prepare(tmp_path, "--date", day, "--set", "sampling.seed=2", "--changed")
    assert "0 of 1 days" in asked.err, asked.err


def test_of_two_runs_that_write_the_ledger_at_once_the_one_whose_examples_stand_wins(
    prepare, spark, tmp_path, read, monkeypatch, lost
):
    """A run that has lost its examples, and does not know it yet, commits its ledger while the winner's is on its way."""
    other, replace, lost_once = Tables(spark, load(), str(tmp_path)), Tables.replace, []

    def disturbed(tables, table, rows, where, **named):
        if table is schema.LEDGER and not lost_once:
            rival = functools.partial(replace, other, table, rows, where, record="{}")
            lost_once.append(lost(lambda slow: replace(tables, table, slow, where, **named), rows, rival, "positives"))
            raise ConcurrentRunError(lost_once[0])
        return replace(tables, table, rows, where, **named)

    monkeypatch.setattr(Tables, "replace", disturbed)
    ended = prepare(tmp_path, "--date", DAYS[0])
    assert lost_once
    assert ended.code == 0, ended.err
    (ledger_of,) = {row.run_id for row in read(tmp_path, "ledger").collect()}
    assert ledger_of == read(tmp_path, "runs").head().run_id
    assert "0 of 1 days" in prepare(tmp_path, "--date", DAYS[0], "--changed").err


@pytest.mark.not_on("sail", why="it appends again")
def test_rows_that_are_appended_while_the_table_itself_is_changed_are_for_another_try(spark, tmp_path, read, lost):
    from pyspark.sql import functions as F

    tables, place = Tables(spark, load(), str(tmp_path)), f"{tmp_path}/examples"
    rows = spark.range(3).select(F.col("id").alias("user_id"), F.lit(DAYS[0]).alias("event_date"))
    tables.append(schema.EXAMPLES, rows)
    told = lost(
        lambda slow: tables.append(schema.EXAMPLES, slow),
        rows,
        lambda: engine_of(spark).set_property(place, "winnow.of", "another run"),
    )
    assert f"{place}: another run changed the table at the same time" in told
    assert read(tmp_path, "examples").count() == 3


def test_a_run_that_lost_ends_with_the_exit_code_that_says_try_again(spark, tmp_path):
    def lose(_run):
        raise ConcurrentRunError("another run won")

    assert main("prepare_examples", lose, doc="", argv=["--root", str(tmp_path), "--date", "2026-01-05"]) == 5


@pytest.mark.parametrize("table", ["examples", "ledger"])
def test_a_day_is_written_in_few_files(root, table):
    """At most as many as there are cores, and as many again for each 128 MB."""
    from deltalake import DeltaTable

    files = [Path(file) for file in DeltaTable(f"{root}/{table}").file_uris()]
    for day in DAYS:
        of_day = [file for file in files if file.parent.name == f"event_date={day}"]
        megabytes = sum(file.stat().st_size for file in of_day) / 2**20
        assert 1 <= len(of_day) <= 2 * (1 + megabytes / 128)
