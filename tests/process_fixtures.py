"""Jobs in processes of their own, which can be stopped and killed: by python, by spark-submit, on a cluster of processes."""

import contextlib
import os
import signal
import subprocess
import sys
import time

import pytest

import cluster as tools_cluster
from conftest import JOB_ENVIRONMENT, PROJECT


class Started:
    """A job that runs in a process group of its own."""

    def __init__(self, command, log, **kwargs):
        self.log = log
        with log.open("w") as out:
            self.process = subprocess.Popen(
                list(map(str, command)),
                stdout=out,
                stderr=out,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                **kwargs,
            )

    def wait(self, timeout=1200):
        """Wait for its end; return the exit code."""
        return self.process.wait(timeout)

    def is_running(self):
        return self.process.poll() is None

    def lives(self, seconds):
        """Wait so long; return whether it is still running then."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(seconds)
        return self.is_running()

    def told(self):
        """What it has written so far."""
        return self.log.read_text(errors="replace")

    def executors(self):
        """The executors of its own, where its master is local-cluster."""
        return tools_cluster.members(self.process.pid, tools_cluster.EXECUTOR)

    def signal(self, number):
        """Send a signal to all its processes at once."""
        os.killpg(self.process.pid, number)

    def kill(self):
        """End it as a power cut does, with all its children."""
        if tools_cluster.members(self.process.pid, ""):
            self.signal(signal.SIGKILL)
        self.process.wait(20)

    def until(self, happened, timeout=1200):
        """Wait until something has happened, or the job has ended; return whether it has happened."""
        deadline = time.monotonic() + timeout
        while self.is_running():
            if happened():
                return True
            assert time.monotonic() < deadline, self.told()
            time.sleep(0.002)
        return False


@pytest.fixture(scope="session")
def started(tmp_path_factory):
    """Return the function that starts a command as a job; whatever is left of it ends with the tests."""
    folder, jobs = tmp_path_factory.mktemp("started"), []

    def start(command, **kwargs):
        job = Started(command, folder / f"{len(jobs)}.log", **kwargs)
        jobs.append(job)
        return job

    yield start
    for job in jobs:
        job.kill()


@pytest.fixture(scope="session")
def start(started, engine_arguments):
    """Return the function that starts jobs/NAME.py by python, on the engine of the tests."""

    def by_python(name, *arguments):
        command = [sys.executable, PROJECT / "jobs" / f"{name}.py", *engine_arguments, *arguments]
        return started(command, env=JOB_ENVIRONMENT)

    return by_python


@pytest.fixture(scope="session")
def submit(started, tmp_path_factory):
    """Return the function that starts jobs/NAME.py by spark-submit, the package in its zip, from an empty folder."""
    subprocess.run([sys.executable, str(PROJECT / "tools" / "make_zip.py")], check=True, capture_output=True)

    def by_spark_submit(master, name, *arguments, conf=None):
        command = tools_cluster.submit(master, name, *map(str, arguments), conf=conf)
        return started(command, cwd=tmp_path_factory.mktemp("elsewhere"), env=JOB_ENVIRONMENT)

    return by_spark_submit


@pytest.fixture(scope="session")
def own_cluster(tmp_path_factory):
    """A cluster of the tests' own, beside the one of `make cluster-up`."""
    made = tools_cluster.Cluster(tmp_path_factory.mktemp("cluster"))
    yield made
    made.down()


@pytest.fixture
def cluster(own_cluster):
    """The cluster, whole: what the test before has killed is there again."""
    own_cluster.up()
    return own_cluster
