"""What happens while a run writes: another run of the day, other days, OPTIMIZE, VACUUM."""

import signal

import pytest

from fault_fixtures import DAYS, NEXT, PERIOD
from reliability import fault
from winnow import schema
from winnow.config import load
from winnow.tables import Tables

DAY = DAYS[1]


@pytest.fixture
def stopped(start, root, arguments):
    """Return the function that starts a run of the day, and stops it while it writes the examples."""

    def run():
        folder = root / "examples" / f"event_date={DAY}"
        known = set(folder.iterdir())
        job = start("prepare_examples", "--root", root, "--date", DAY, *arguments, *NEXT)
        assert job.until(lambda: set(folder.iterdir()) != known), job.told()
        job.signal(signal.SIGSTOP)
        return job

    return run


def go_on(job):
    """Let a stopped run go on, and return how it ended."""
    job.signal(signal.SIGCONT)
    return job.wait(), job.told()


@fault(
    "two runs of one day",
    done="a run is stopped (SIGSTOP) while it writes a day; another one publishes the day; the first goes on",
    promised="one wins, the other ends with 5 and leaves nothing",
)
@pytest.mark.not_on("sail", "connect", why="its writes are too short to be stopped in the middle")
def test_of_two_runs_of_one_day_one_wins_and_the_other_ends_with_5(
    stopped, root, arguments, run_job, versions, all_next, read, outcome
):
    before = versions(root, "examples")[0]["version"]
    first = stopped()
    assert versions(root, "examples")[0]["version"] == before, "it was stopped before it committed"
    won = run_job("prepare_examples", root, "--date", DAY, *arguments, *NEXT)
    assert won.code == 0, won.err
    code, told = go_on(first)
    assert code == 5, told
    assert f"DATE'{DAY}'" in told
    assert versions(root, "examples")[0]["version"] == before + 1
    assert all_next(root, [DAY])
    assert {row.run_id for row in read(root, "ledger", DAY).collect()} == {
        read(root, "runs").where("status = 'done'").orderBy("finished_ts", ascending=False).head().run_id
    }
    outcome("exit codes 0 and 5; one commit; examples, ledger and quarantine are the winner's")


@fault(
    "four days at once",
    done="four processes prepare a day each, of tables none of which was there",
    promised="all succeed, no day is lost",
)
def test_four_days_at_once_all_succeed_and_none_is_lost(start, arguments, tmp_path, all_next, read, outcome):
    runs = [start("prepare_examples", "--root", tmp_path, "--date", day, *arguments, *NEXT) for day in DAYS]
    codes = [run.wait() for run in runs]
    assert codes == [0, 0, 0, 0], "\n".join(run.told() for run in runs)
    assert all_next(tmp_path)
    assert read(tmp_path, "runs").where("status = 'done'").count() == 4
    outcome("4 of 4 end with 0; 4 of 4 days exact, in 3 tables; 4 records")


@fault(
    "OPTIMIZE during a run",
    done="a run is stopped while it writes a day; `maintain --compact` joins the files of all days of all tables, that day's too",
    promised="the run ends with 0, or with 5 where the day's own files were rewritten; readers see whole days; a rerun is exact",
)
@pytest.mark.not_on("sail", "connect", why="its writes are too short to be stopped in the middle")
def test_files_joined_during_a_run_cost_a_try_at_most(stopped, root, arguments, run_job, look, all_next, outcome):
    run = stopped()
    joined = run_job("maintain", root, "--compact")
    assert joined.code == 0, joined.err
    assert "examples: 8 files became 4" in joined.err, joined.err
    look(root)
    code, told = go_on(run)
    look(root)
    assert code in (0, 5), told
    again = run_job("prepare_examples", root, *PERIOD, *arguments, *NEXT)
    assert again.code == 0, again.err
    assert all_next(root)
    outcome(f"the run ends with {code}; 12 of 12 days whole in between; the rerun is exact")


@fault(
    "VACUUM during a run",
    done="a run is stopped while it writes a day; `maintain --vacuum` and the service's own VACUUM of a log that was just rewritten",
    promised="the run ends with 0 and is exact: what it reads and writes is younger than any VACUUM takes",
)
@pytest.mark.not_on("sail", "connect", why="its writes are too short to be stopped in the middle")
def test_old_files_removed_during_a_run_do_not_disturb_it(
    spark, stopped, root, log, arguments, run_job, versions, read, all_next, outcome
):
    run = stopped()
    read(log.parent, "impressions").write.format("delta").mode("overwrite").save(str(log))
    Tables(spark, load(sets=[f"tables.impressions={log}"]), str(root)).vacuum(schema.IMPRESSIONS, days=7)
    removed = run_job("maintain", root, "--vacuum", "--set", "maintenance.history_days=7")
    assert removed.code == 0, removed.err
    code, told = go_on(run)
    assert code == 0, told
    assert all_next(root, [DAY])
    outcome("exit code 0; the day is exact, made of a version that was replaced meanwhile")
