"""A worker of a standalone cluster dies in the middle of a job."""

import os
import signal

from cluster import EXECUTOR
from fault_fixtures import DAYS, NEXT, PERIOD, TABLES
from reliability import fault


@fault(
    "worker lost",
    done="SIGKILL of one of two workers of a standalone cluster, and of its executor, when the second day begins",
    promised="the job goes on with the worker that is left, to the same rows",
)
def test_days_are_the_same_when_a_worker_dies_in_the_middle_of_the_job(
    cluster, submit, tmp_path, arguments, all_next, outcome
):
    job = submit(cluster.address, "prepare_examples", "--root", tmp_path, *PERIOD, *arguments, *NEXT)
    first = tmp_path / "ledger" / f"event_date={DAYS[0]}"
    assert job.until(first.exists), job.told()
    lost = cluster.processes("worker-1")
    # One of a job before may still be on its way out, where the machine is busy.
    assert 1 <= len(cluster.processes("worker-1", EXECUTOR)) < len(lost), "the worker and its executor"
    for pid in lost:
        os.kill(pid, signal.SIGKILL)
    assert job.wait() == 0, job.told()
    assert cluster.alive_workers() == 1
    assert all_next(tmp_path)
    outcome(f"{len(lost)} processes killed; 4 of 4 days exact, in {len(TABLES)} tables")
