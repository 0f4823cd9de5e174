"""The gates before publishing: a blocked day is seen by no reader, says why, and can be accepted once."""

import datetime as dt
import json

import pytest

from conftest import ON_SAIL

DAYS = [dt.date(2026, 1, 5 + i) for i in range(3)]
FIRST, SECOND, BROKEN = DAYS
CONF = ("--set", "sampling.strata=['surface']", "--set", "guards.least_compared=100")


def day_rows(day, *, positive=5, unplayed=0, count=400):
    """Rows of a day: one in ``positive`` is positive, the rest negative; the first ``unplayed`` were not played."""
    first = day.toordinal() * 10_000
    return [
        (
            first + i,
            i % 37,
            i % 11,
            day,
            None if i < unplayed else 60.0 if i % positive == 1 else 3.0,
            60.0,
            "ab"[i % 2],
        )
        for i in range(count)
    ]


@pytest.fixture(scope="module")
def root(tmp_path_factory, make_log, run_job):
    """Two good days, which are prepared, and one in which the player lost a third of its watch times."""
    place = tmp_path_factory.mktemp("gates")
    make_log(place, [*day_rows(FIRST), *day_rows(SECOND), *day_rows(BROKEN, unplayed=130)])
    ended = run_job("prepare_examples", place, *CONF, "--start", FIRST, "--end", SECOND)
    assert ended.code == 0, ended.err
    return place


def findings(run):
    return [(one["rule"], one["severity"]) for one in json.loads(run["findings"])]


@pytest.fixture(scope="module")
def blocked(root, run_job, versions, last_run):
    before = {table: versions(root, table)[0]["version"] for table in ("examples", "ledger")}
    ended = run_job("prepare_examples", root, *CONF, "--date", BROKEN)
    after = {table: versions(root, table)[0]["version"] for table in ("examples", "ledger")}
    return ended, last_run(root), before, after


@ON_SAIL
def test_the_first_day_has_nothing_to_be_compared_with_which_is_noted_and_no_fault(root, read):
    (run,) = (
        row.asDict() for row in read(root, "runs").where("status = 'done'").collect() if str(FIRST) in row.arguments
    )
    assert findings(run) == [("short_history", "note")]
    assert "not compared with the days before" in json.loads(run["findings"])[0]["message"]


def test_a_blocked_day_is_seen_by_no_reader_and_says_why_everywhere(root, blocked, read):
    ended, run, before, after = blocked
    assert ended.code == 3
    assert after == before
    assert read(root, "examples", BROKEN).count() == read(root, "ledger", BROKEN).count() == 0
    (found,) = json.loads(run["findings"])
    assert (found["rule"], found["severity"], run["status"]) == ("null_share", "block", "refused")
    assert (found["found"], found["low"], found["high"]) == (130 / 400, 0.0, 0.1)
    for told in (ended.err, run["error"]):
        assert "expected watch_s to be null in 0.0% to 10.0% of the rows" in told
        assert "found 32.5% (null_share). Nothing was published" in told
        assert "run again with --set guards.null_share=warn." in told


@ON_SAIL
def test_what_the_message_says_accepts_the_day_once_and_the_report_still_shows_it(
    root, blocked, run_job, read, last_run
):
    accept = ("--set", "guards.null_share=warn")
    ended = run_job("prepare_examples", root, *CONF, "--date", BROKEN, *accept)
    assert ended.code == 0, ended.err
    assert findings(last_run(root)) == [("null_share", "warn")]
    assert read(root, "examples", BROKEN).count() > 0
    assert {json.loads(row.null_rows)["watch_s"] for row in read(root, "ledger", BROKEN).collect()} == {65}
    assert run_job("prepare_examples", root, *CONF, "--date", BROKEN).code == 3, "the next run is asked again"
    assert run_job("report", root, *CONF).code == 0
    page = (root / "report.html").read_text()
    assert "expected watch_s to be null in 0.0% to 10.0% of the rows" in page


@ON_SAIL
def test_of_a_day_that_is_prepared_again_the_former_rows_stay_when_the_new_ones_are_blocked(
    root, tmp_path, make_log, run_job, read, content
):
    before = content(read(root, "examples", SECOND))
    make_log(tmp_path, [*day_rows(FIRST), *day_rows(SECOND, positive=2)])
    place = ("--set", f"tables.impressions={tmp_path}/impressions")
    ended = run_job("prepare_examples", root, *CONF, "--date", SECOND, *place)
    assert ended.code == 3
    assert "a share of positives of watched within a factor 2 of 0.2," in ended.err
    assert content(read(root, "examples", SECOND)) == before


@ON_SAIL
def test_a_dry_run_asks_the_rules_too(root, blocked, run_job, versions):
    before = len(versions(root, "runs"))
    assert run_job("prepare_examples", root, *CONF, "--date", BROKEN, "--dry-run").code == 3
    assert len(versions(root, "runs")) == before
    wrong = run_job("prepare_examples", root, *CONF, "--date", BROKEN, "--set", "guards.null_columns=['device']")
    assert wrong.code == 2
    assert "guards.null_columns: expected a column that the census reads: event_date" in wrong.err
