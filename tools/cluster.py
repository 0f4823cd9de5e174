"""A Spark standalone cluster on this machine: a master and two workers, real processes of the Spark in .venv, on loopback.

    python tools/cluster.py up      starts it, and returns once both workers are registered
    python tools/cluster.py down    ends every process of it, whatever state they are in

Its pids, logs and scratch space lie in .cluster/. Linux only: processes are found in /proc.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".cluster"
WORKERS = 2
#: The sizes of the cluster, which conf/spark-cluster.conf does not fit: a core and a gigabyte a worker.
FITTED = {
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.memory": "1g",
    "spark.executor.cores": "1",
    "spark.executor.memory": "1g",
    "spark.sql.shuffle.partitions": "4",
    "spark.databricks.delta.snapshotPartitions": "2",
    "spark.sql.sources.parallelPartitionDiscovery.parallelism": "4",
    "spark.ui.enabled": "false",
}
EXECUTOR = "org.apache.spark.executor.CoarseGrainedExecutorBackend"
_SPARK = "org.apache.spark."
_DEPLOY = f"{_SPARK}deploy"
_SECONDS_TO_START = 120.0
#: What this process has started: kept, since Python complains of processes that outlive what stands for them.
_STARTED: list[subprocess.Popen[bytes]] = []
_SECONDS_TO_END = 20.0


class ClusterError(Exception):
    """The cluster did not start, or did not end."""


@dataclass(frozen=True)
class Cluster:
    """The cluster whose files are in a folder."""

    folder: Path

    def up(self) -> str:
        """Start the cluster, unless it is there, and return its address: spark://HOST:PORT.

        Raises ClusterError where the workers are not registered in time; then nothing is left running.
        """
        if self._is_whole():
            return self.address
        self.down()  # what a crash has left
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        port, screen = _free_ports(2)
        place = {"master": f"spark://127.0.0.1:{port}", "screen": f"http://127.0.0.1:{screen}/json/"}
        self._state.write_text(json.dumps(place), encoding="utf-8")
        try:
            # A worker that comes first tries again, but only after some seconds.
            self._start("master", "master.Master", "--port", str(port), "--webui-port", str(screen))
            self._wait_for(workers=0)
            for number in range(1, WORKERS + 1):
                size = ("--cores", "1", "--memory", "1g", "--work-dir", str(self.folder / f"worker-{number}"))
                self._start(f"worker-{number}", "worker.Worker", "--webui-port", "0", *size, place["master"])
            self._wait_for(workers=WORKERS)
        except BaseException:
            self.down()
            raise
        return self.address

    def down(self) -> None:
        """End every process of the cluster, executors too, by SIGKILL: none of them has anything to save.

        Raises ClusterError where one is there all the same.
        """
        deadline = time.monotonic() + _SECONDS_TO_END
        while alive := [process for name in self._names() for process in self.processes(name)]:
            if time.monotonic() > deadline:
                raise ClusterError(f"expected no process of the cluster, found {alive}")
            for process in alive:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            time.sleep(0.05)
        for daemon in _STARTED:
            daemon.poll()
        for name in self._names():
            (self.folder / f"{name}.pid").unlink()

    @property
    def address(self) -> str:
        """Where jobs are submitted to."""
        return str(self._place()["master"])

    def alive_workers(self) -> int:
        """Return how many workers the master counts on, 0 where there is no master, or one that is not ready to tell."""
        try:
            with urllib.request.urlopen(self._place()["screen"], timeout=5) as answer:  # noqa: S310 - an address of ours
                told: dict[str, Any] = json.load(answer)
        except (OSError, json.JSONDecodeError):  # the screen answers, with an empty page, before the master does
            return 0
        return int(told["aliveworkers"])

    def processes(self, name: str, word: str = _SPARK) -> list[int]:
        """Return the processes of a daemon (master, worker-1, ...), executors too, whose command has the word."""
        return members(int((self.folder / f"{name}.pid").read_text()), word)

    @property
    def _state(self) -> Path:
        return self.folder / "cluster.json"

    def _place(self) -> dict[str, str]:
        place: dict[str, str] = json.loads(self._state.read_text(encoding="utf-8"))
        return place

    def _names(self) -> list[str]:
        return sorted(file.stem for file in self.folder.glob("*.pid") if file.read_text().strip())

    def _is_whole(self) -> bool:
        return self._state.exists() and self.alive_workers() == WORKERS

    def _start(self, name: str, daemon: str, *arguments: str) -> None:
        """Start a daemon in a process group of its own, whose number it writes down itself before it is Spark."""
        home = _spark_home()
        environment = {
            **os.environ,
            "SPARK_HOME": str(home),
            "SPARK_LOCAL_IP": "127.0.0.1",
            "SPARK_LOCAL_DIRS": str(self.folder / "scratch"),
            "SPARK_DAEMON_MEMORY": "256m",
        }
        command = [str(home / "bin" / "spark-class"), f"{_DEPLOY}.{daemon}", "--host", "127.0.0.1", *arguments]
        with (self.folder / f"{name}.log").open("w") as log:
            process = subprocess.Popen(
                ["/bin/sh", "-c", 'echo $$ >"$0" && exec "$@"', str(self.folder / f"{name}.pid"), *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                cwd=self.folder,
                start_new_session=True,
            )
        _STARTED.append(process)

    def _wait_for(self, *, workers: int) -> None:
        """Wait until the master answers, and counts on so many workers."""
        deadline = time.monotonic() + _SECONDS_TO_START
        while not self._is_answering() or self.alive_workers() < workers:
            if time.monotonic() > deadline:
                logs = ", ".join(str(file) for file in sorted(self.folder.glob("*.log")))
                raise ClusterError(f"expected {workers} workers, found {self.alive_workers()}: see {logs}")
            time.sleep(0.1)

    def _is_answering(self) -> bool:
        with socket.socket() as client:
            host, _, port = self.address.removeprefix("spark://").partition(":")
            return client.connect_ex((host, int(port))) == 0


def submit(address: str, job: str, *arguments: str, conf: dict[str, str] | None = None) -> list[str]:
    """Return the command that submits a job to the cluster at an address, with the package in its zip."""
    settings = [word for key, value in {**FITTED, **(conf or {})}.items() for word in ("--conf", f"{key}={value}")]
    return [
        str(Path(sys.executable).with_name("spark-submit")),
        *("--master", address),
        *("--properties-file", str(ROOT / "conf" / "spark-cluster.conf")),
        *("--py-files", str(ROOT / "dist" / "winnow.zip")),
        *settings,
        str(ROOT / "jobs" / f"{job}.py"),
        *arguments,
    ]


def members(group: int, word: str = _SPARK) -> list[int]:
    """Return the processes of a group whose command has the word: a number that went to others since finds nothing."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            state, _, process_group = (folder / "stat").read_text().rpartition(")")[2].split()[:3]
            if int(process_group) == group and state != "Z" and word.encode() in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
    return sorted(found)


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for free in sockets:
            free.bind(("127.0.0.1", 0))
        return [free.getsockname()[1] for free in sockets]


def _spark_home() -> Path:
    spec = importlib.util.find_spec("pyspark")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


def main(words: list[str]) -> int:
    """Do what the one word says, and return the exit code."""
    cluster = Cluster(FOLDER)
    if words not in (["up"], ["down"]):
        print("usage: cluster.py up | down", file=sys.stderr)
        return 2
    try:
        if words == ["down"]:
            cluster.down()
            print("no process of the cluster is left")
            return 0
        address = cluster.up()
    except ClusterError as fault:
        print(f"error: {fault}", file=sys.stderr)
        return 1
    command = " ".join(submit(address, "prepare_examples", "--root", "data/demo", "--date", "2026-01-05"))
    print(
        f"{address} with {cluster.alive_workers()} workers; its logs are in {FOLDER.name}/. To submit a job (after make dist):"
    )
    print(f"  {command.replace(f'{ROOT}/', '')}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
