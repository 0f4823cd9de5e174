"""What a published day can be asked afterwards: is it due again, is it as its record says, and why is a row in it or not."""

import datetime as dt
import json
import shutil

import pytest
from deltalake import DeltaTable

from conftest import ON_SAIL
from oracle import draw
from winnow import schema
from winnow.config import load
from winnow.tables import Tables

#: That of conf/base.toml.
SEED = 20260105
DAYS = [dt.date(2026, 1, 5 + i) for i in range(3)]
PERIOD = ("--start", DAYS[0], "--end", DAYS[-1])
SETTINGS = (
    "--set",
    "sampling.strata=['surface']",
    "--set",
    "labels.engaged={kind='any_action', actions=['watched']}",
    "--set",
    "guards.row_count=off",
)
PREPARE = (*SETTINGS, "--set", "labels.watched.kind=watched_fraction")


def day_rows(day, first, count=120):
    """Rows of a day: a sixth positive, some in the middle, the rest negative, on two surfaces; one copy, one refused."""
    ids = range(day.toordinal() * 10_000 + first, day.toordinal() * 10_000 + first + count)
    watch = {0: 60.0, 1: 30.0}
    return [(i, i % 37, i % 11, day, watch.get(i % 6, 3.0), 60.0, "home" if i % 5 else "search") for i in ids]


#: A positive that stands in the log twice.
COPIED = next(row for row in day_rows(DAYS[0], 0) if row[4] == 60.0)


@pytest.fixture(scope="module")
def root(tmp_path_factory, make_log, run_job):
    """Three days, prepared; the first has a copy of an id and a row that is refused."""
    place = tmp_path_factory.mktemp("restated")
    first = day_rows(DAYS[0], 0)
    copy = (*COPIED[:4], 1.0, *COPIED[5:])
    refused = (1, 1, 1, DAYS[0], -5.0, 60.0, "home")
    make_log(place, [*first, copy, refused, *day_rows(DAYS[1], 0)])
    make_log(place, day_rows(DAYS[2], 0), mode="append")
    done = run_job("prepare_examples", place, *PREPARE, *PERIOD)
    assert done.code == 0, done.err
    return place


def test_late_rows_are_in_the_day_after_it_alone_was_prepared_again(root, run_job, make_log, read, content, versions):
    nothing = run_job("prepare_examples", root, *PREPARE, *PERIOD, "--changed")
    assert (nothing.code, "0 of 3 days" in nothing.err) == (0, True), nothing.err

    make_log(root, day_rows(DAYS[1], 5_000, 30), mode="append")
    told = run_job("prepare_examples", root, *PREPARE, "--date", DAYS[1], "--dry-run")
    assert f"{DAYS[1]}: 150 valid rows, +30 since it was published" in told.err, (
        "late rows are counted before they are in"
    )
    runs = {row.event_date: row.run_id for row in read(root, "ledger").collect()}
    before = len(versions(root, "examples"))
    done = run_job("prepare_examples", root, *PREPARE, "--date", DAYS[-1], "--lookback", 2, "--changed")
    assert (done.code, f"1 of 3 days are new or have changed: {DAYS[1]}" in done.err) == (0, True), done.err
    assert len(versions(root, "examples")) == before + 1
    after = {row.event_date: row.run_id for row in read(root, "ledger").collect()}
    assert [day for day in DAYS if after[day] != runs[day]] == [DAYS[1]]


@ON_SAIL
def test_in_the_first_week_days_before_the_service_are_left_out_and_a_blocked_day_stops_no_other(
    tmp_path, make_log, run_job, read
):
    only_positives = [(i, i % 37, i % 11, DAYS[0], 60.0, 60.0, "home") for i in range(60)]
    make_log(tmp_path, [*only_positives, *day_rows(DAYS[1], 0)])
    week = (*PREPARE, "--date", DAYS[2], "--lookback", 7, "--changed")
    ended = run_job("prepare_examples", tmp_path, *week)
    (error,) = [line for line in ended.err.splitlines() if line.startswith("error: ")]
    assert ended.code == 3, ended.err
    assert "has no row of them: 2025-12-31, 2026-01-01, 2026-01-02, 2026-01-03, 2026-01-04" in ended.err
    assert "error: 2 days failed; 2026-01-05: " in error
    assert "; 2026-01-07: expected impressions at " in error
    assert {row.event_date for row in read(tmp_path, "ledger").collect()} == {DAYS[1]}
    make_log(tmp_path, day_rows(DAYS[2], 0), mode="append")
    mended = run_job("prepare_examples", tmp_path, *week, "--set", "guards.one_class=warn")
    assert mended.code == 0, mended.err
    assert f"2 of 8 days are new or have changed: {DAYS[0]}, {DAYS[2]}" in mended.err


def test_a_replay_with_delays_is_the_result_of_one_run_on_everything(root, tmp_path, run_job, read, content):
    at_once = ("--set", f"tables.impressions={root}/impressions")
    assert run_job("prepare_examples", tmp_path, *PREPARE, *PERIOD, *at_once).code == 0
    for table in ("examples", "ledger"):
        assert content(read(root, table), ["run_id"]) == content(read(tmp_path, table), ["run_id"])


@ON_SAIL
def test_a_late_row_moves_only_rows_between_the_old_rate_and_the_new(tmp_path, make_log, run_job, read):
    """A kept id stays kept unless its label moved or its draw lies between the two thresholds of its stratum."""

    def sample():
        """The kept ids of the label with their strata, and below which draw a negative of each stratum is kept."""
        kept = read(tmp_path, "examples").where("watched_label is not null").collect()
        rates = read(tmp_path, "ledger").where("label = 'watched'").collect()
        return {row.impression_id: row.surface for row in kept}, {
            json.loads(row.stratum)["surface"]: row.negative_threshold for row in rates
        }

    rows = day_rows(DAYS[0], 0, 600)
    make_log(tmp_path, rows)
    arguments = (*PREPARE, "--date", DAYS[0])
    assert run_job("prepare_examples", tmp_path, *arguments).code == 0
    kept, old = sample()
    negatives = [row for row in rows if row[4] == 3.0]
    # Their players reported too early the first time.
    relabelled = [(*row[:4], 60.0, *row[5:]) for row in negatives[:40]]
    late = [*relabelled, *day_rows(DAYS[0], 5_000, 60)]
    make_log(tmp_path, late, mode="append")
    assert run_job("prepare_examples", tmp_path, *arguments, "--changed").code == 0
    now, new = sample()
    may_move = {row[0] for row in late} | {
        row[0] for row in rows if old[row[6]] != new[row[6]] and within(draw(row[0], SEED), old[row[6]], new[row[6]])
    }
    moved = kept.keys() ^ now.keys()
    assert moved <= may_move
    assert {row[0] for row in late if row[4] == 60.0} <= now.keys()
    assert moved - {row[0] for row in late}, "the thresholds have moved rows"


def within(value, one, other):
    return min(one, other) <= value < max(one, other)


def test_days_that_no_log_tells_of_are_all_due_and_that_is_told(root, run_job, monkeypatch):
    monkeypatch.setattr(Tables, "last_changes", lambda *_: None)
    shown = run_job("prepare_examples", root, *PREPARE, *PERIOD, "--changed", "--dry-run")
    assert shown.code == 0, shown.err
    assert "does not tell which days changed" in shown.err
    assert (
        "2 of 3 days are new or have changed" in shown.err
    )  # the day that was prepared again has read the newest version


def test_every_day_of_a_log_that_was_made_anew_is_due(root, tmp_path, run_job, make_log):
    place = shutil.copytree(root, tmp_path / "root", ignore=shutil.ignore_patterns("impressions"))
    make_log(place, [row for day in DAYS for row in day_rows(day, 0)])
    shown = run_job("prepare_examples", place, *PREPARE, *PERIOD, "--changed", "--dry-run")
    assert shown.code == 0, shown.err
    assert "the table was made anew" in shown.err
    assert "3 of 3 days are new or have changed" in shown.err


@pytest.mark.not_on("sail", why="it does not compact")
def test_a_table_that_was_only_written_anew_has_no_changes(root, spark):
    from delta.tables import DeltaTable

    tables = Tables(spark, load(), str(root))
    version = tables.pin(schema.IMPRESSIONS)
    DeltaTable.forPath(spark, f"{root}/impressions").optimize().executeCompaction()
    newer = Tables(spark, load(), str(root))
    assert newer.pin(schema.IMPRESSIONS) > version
    assert newer.last_changes(schema.IMPRESSIONS, version) == {}
    assert set(newer.last_changes(schema.IMPRESSIONS, 0)) == {DAYS[1], DAYS[2]}


def test_a_published_day_is_verified_from_its_record_alone(root, run_job):
    other_settings = ("--set", "sampling.seed=1")  # those of the record count
    done = run_job("verify", root, *PERIOD, *other_settings)
    assert done.code == 0, done.err
    assert done.err.count("verified: ") == 3


def test_a_stored_row_that_was_changed_is_found_and_its_column_named(root, tmp_path, run_job, read):
    from pyspark.sql import functions as F

    changed = read(root, "examples").withColumn("watched_weight", F.col("watched_weight") + 1e-9)
    changed.write.format("delta").partitionBy("event_date").save(f"{tmp_path}/examples")
    found = run_job("verify", root, "--date", DAYS[0], "--set", f"tables.examples={tmp_path}/examples")
    assert found.code == 3
    assert "found others in watched_weight (" in found.err


@pytest.mark.parametrize(
    "gone",
    [
        "files",
        "log",
        pytest.param("age", marks=pytest.mark.not_on("sail", why="it reads a version as long as its files are there")),
    ],
)
def test_a_day_whose_version_of_the_log_is_gone_is_told_as_not_reproducible(
    gone, root, tmp_path, make_log, run_job, aged
):
    place = shutil.copytree(root, tmp_path / "root", ignore=shutil.ignore_patterns(".*.crc"))
    if gone == "age":
        place = aged(place, 40)
    make_log(place, day_rows(DAYS[2], 9_000, 6), mode="append")
    log = place / "impressions"
    if gone == "files":  # as VACUUM does with a version that was replaced
        for file in log.glob("event_date=*/*"):
            file.unlink()
    elif gone == "log":  # as Delta does with commits that a checkpoint has and that are older than its log is kept
        DeltaTable(str(log)).create_checkpoint()
        for commit in sorted((log / "_delta_log").glob("*.json"))[:-1]:
            commit.unlink()
    for job, asked in (("verify", ()), ("explain", ("--impression", COPIED[0]))):
        found = run_job(job, place, "--date", DAYS[0], *asked)
        assert found.code == 3, found.err
        assert "not reproducible: expected version 1" in found.err


@ON_SAIL
def test_a_day_that_was_never_published_is_not_ready(root, run_job):
    for job in ("verify", "explain"):
        more = ("--impression", "1") if job == "explain" else ()
        ended = run_job(job, root, "--date", "2026-02-01", *more)
        assert ended.code == 4
        assert "Run prepare_examples.py --date 2026-02-01 first" in ended.err


def test_an_impression_is_explained_as_it_is_stored(root, run_job, read):
    """One kept, one not kept, one in the middle; explain itself fails where what it tells is not what is stored."""
    stored = {row.impression_id for row in read(root, "examples", DAYS[0]).where("watched_label = 0").collect()}
    rows = day_rows(DAYS[0], 0)
    kept = next(row[0] for row in rows if row[0] in stored)
    dropped = next(row[0] for row in rows if row[4] == 3.0 and row[0] not in stored)
    middle = next(row[0] for row in rows if row[4] == 30.0)
    for impression, told in ((kept, "negative, kept"), (dropped, "negative, not kept"), (middle, "watched: middle")):
        shown = run_job("explain", root, "--date", DAYS[0], "--impression", impression)
        assert (shown.code, told in shown.err) == (0, True), shown.err


@ON_SAIL
def test_an_explanation_names_copies_refusals_and_thresholds(root, run_job):
    told = run_job("explain", root, "--date", DAYS[0], "--impression", COPIED[0]).err
    assert "2 log lines, of which one counts" in told
    assert "watched: positive, kept, as every one with a draw below 1.000000 is" in told
    assert "engaged: positive" in told
    refused = run_job("explain", root, "--date", DAYS[0], "--impression", 1).err
    assert "refused: watch_s_negative" in refused
    missing = run_job("explain", root, "--date", DAYS[0], "--impression", "x'; drop")
    assert (missing.code, "expected impression x'; drop in version" in missing.err) == (4, True)
