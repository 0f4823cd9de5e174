"""The same rows wherever the job runs: one core, real executors, executors that die; by spark-submit, from any folder."""

import contextlib
import datetime as dt
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from conftest import PROJECT

pytestmark = pytest.mark.not_on("sail", "connect", why="executors are spark-submit's")

CONF = ("--conf", PROJECT / "conf" / "kuairand.toml")
DAYS = [dt.date(2022, 4, 25), dt.date(2022, 4, 26)]
TABLES = ("examples", "ledger")
OF_THE_RUN = ("run_id",)


@pytest.fixture(scope="module")
def root(tmp_path_factory, run_job, real_data):
    """Two days of the real log's small sample, prepared by two threads of this process."""
    place = tmp_path_factory.mktemp("real")
    days = ("--start", DAYS[0], "--end", DAYS[1])
    assert run_job("import_impressions", place, *CONF, "--input", real_data / "fixture_users_mod16.parquet").code == 0
    assert run_job("prepare_examples", place, *CONF, *days).code == 0
    return place


@pytest.fixture(scope="module")
def submit(tmp_path_factory, root):
    """Return the function that starts the job by spark-submit, with the package in a zip, from an empty folder."""
    subprocess.run([sys.executable, str(PROJECT / "tools" / "make_zip.py")], check=True, capture_output=True)
    started = []

    def start(master, place, days):
        command = [
            Path(sys.executable).parent / "spark-submit",
            *("--properties-file", PROJECT / "conf" / "spark-local.conf"),
            *("--master", master),
            *("--py-files", PROJECT / "dist" / "winnow.zip"),
            *(PROJECT / "jobs" / "prepare_examples.py", "--root", place, *CONF),
            *("--start", days[0], "--end", days[-1], "--set", f"tables.impressions={root}/impressions"),
        ]
        process = subprocess.Popen(
            [str(word) for word in command],
            cwd=tmp_path_factory.mktemp("elsewhere"),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def executors(process):
    """Return the process ids of the executors that a job has started."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            group = int((folder / "stat").read_text().rpartition(")")[2].split()[2])
            command = (folder / "cmdline").read_bytes().split(b"\0")
            if group == process.pid and b"org.apache.spark.executor.CoarseGrainedExecutorBackend" in command:
                found.append(int(folder.name))
    return found


def test_one_core_keeps_the_rows_that_two_keep(submit, root, tmp_path, read, content):
    process = submit("local[1]", tmp_path, DAYS[:1])
    told = process.communicate(timeout=250)[0]
    assert process.returncode == 0, told
    for table in TABLES:
        found, expected = read(tmp_path, table), read(root, table, DAYS[0])
        assert content(found, OF_THE_RUN) == content(expected, OF_THE_RUN), table


def test_executors_that_are_processes_keep_the_same_rows_even_when_some_are_killed(
    submit, root, tmp_path, read, content
):
    process = submit("local-cluster[2,1,1024]", tmp_path, DAYS)
    # The first day is left alone. One executor dies when the second begins, another while it is written.
    marks = [tmp_path / "ledger" / f"event_date={DAYS[0]}", tmp_path / "examples" / f"event_date={DAYS[1]}"]
    killed = []
    deadline = time.monotonic() + 250
    while marks and process.poll() is None:
        assert time.monotonic() < deadline
        if marks[0].exists() and (alive := [pid for pid in executors(process) if pid not in killed]):
            os.kill(alive[0], signal.SIGKILL)
            killed.append(alive[0])
            marks.pop(0)
        time.sleep(0.01)
    told = process.communicate(timeout=250)[0]
    assert process.returncode == 0, told
    assert len(killed) == 2
    for table in TABLES:
        assert content(read(tmp_path, table), OF_THE_RUN) == content(read(root, table), OF_THE_RUN), table
