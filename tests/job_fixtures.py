"""Jobs run in the tests' own process and session: a day costs seconds, and starting Spark again costs more than that."""

import contextlib
import datetime as dt
import functools
import io
import json
import os
import runpy
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass

import pyarrow as pa
import pytest

from conftest import JOB_ENVIRONMENT, PROJECT


@dataclass(frozen=True)
class Ended:
    """How a job ended."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="session")
def run_job(spark):
    """Return the function that runs jobs/NAME.py as ``python jobs/NAME.py --root ROOT ARGUMENTS`` would."""

    def run(name, root, *arguments):
        out, err, argv = io.StringIO(), io.StringIO(), sys.argv
        sys.argv = [f"jobs/{name}.py", "--root", str(root), *map(str, arguments)]
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                runpy.run_path(str(PROJECT / "jobs" / f"{name}.py"), run_name="__main__")
        except SystemExit as ended:
            return Ended(ended.code or 0, out.getvalue(), err.getvalue())
        finally:
            sys.argv = argv
        raise AssertionError("the job ended without an exit code")

    return run


@pytest.fixture(scope="session")
def run_job_on(engine, run_job):
    """Return the function that runs a job on an engine: on that of the tests in their session, else in a process of its own."""

    def run(on, name, root, *arguments):
        if on == engine:
            return run_job(name, root, *arguments)
        command = [sys.executable, PROJECT / "jobs" / f"{name}.py", "--engine", on, "--root", root, *arguments]
        ended = subprocess.run(
            list(map(str, command)), env=JOB_ENVIRONMENT, capture_output=True, text=True, timeout=280, check=False
        )
        return Ended(ended.returncode, ended.stdout, ended.stderr)

    return run


@pytest.fixture(scope="session")
def data_job(run_job_on):
    """Return the function that runs a data job where it costs least, on Sail, for what a test only begins with.

    The rows are the same on every engine, as tests/jobs/test_engines.py holds.
    """
    return functools.partial(run_job_on, "sail")


@pytest.fixture(scope="session")
def read(spark):
    """Return the function that reads the table of a root, or the rows of one of its days."""

    def rows(root, table, day=None):
        from pyspark.sql import functions as F

        found = spark.read.format("delta").load(f"{root}/{table}")
        return found if day is None else found.where(F.col("event_date") == F.lit(day))

    return rows


@pytest.fixture(scope="session")
def content():
    """Return the function that digests rows whatever their order: their number, and the sum of their hashes."""

    def digest(rows, without=()):
        from pyspark.sql import functions as F

        names = sorted(set(rows.columns) - set(without))
        one = F.xxhash64(*(F.col(f"`{name}`") for name in names)).cast("decimal(38,0)")
        return tuple(rows.agg(F.count(F.lit(1)), F.sum(one)).head())

    return digest


@pytest.fixture(scope="session")
def as_dicts():
    """Return the function that fetches rows as the oracle wants them: null is not NaN, times are whole microseconds."""

    def fetch(rows):
        table = rows.toArrow()
        for place, column in enumerate(table.schema):
            if pa.types.is_timestamp(column.type):
                micros = table.column(place).cast(pa.timestamp("us", "UTC")).cast(pa.int64())
                table = table.set_column(place, column.name, micros)
        return table.to_pylist()

    return fetch


@pytest.fixture(scope="session")
def make_log(spark):
    """Return the function that writes impressions of rows (id, user, media, day, watch_s, duration_s, surface, time).

    The time is in seconds since midnight UTC; noon where the row has none.
    """

    def write(root, rows, ids="bigint", mode="overwrite"):
        made = []
        for impression, user, media, day, watch, duration, surface, *second in rows:
            midnight = dt.datetime.combine(day, dt.time(), dt.UTC)
            shown = midnight + dt.timedelta(seconds=second[0] if second else 43_200)
            made.append((impression, user, media, shown, day, watch, duration, surface, False))
        schema = (
            f"impression_id {ids}, user_id {ids}, media_id {ids}, impression_ts timestamp, event_date date, "
            "watch_s double, media_duration_s double, surface string, liked boolean"
        )
        frame = spark.createDataFrame(made, schema).coalesce(1)
        frame.write.format("delta").mode(mode).partitionBy("event_date").save(f"{root}/impressions")

    return write


@pytest.fixture(scope="session")
def aged():
    """Return the function that copies a root as it would be if all that was done to it had been done so many days before.

    A copy, since engines remember what they have read of a place.
    """

    def copy(root, days):
        place = shutil.copytree(root, root.with_name(f"{root.name}-{days}"))
        for crc in place.rglob("_delta_log/.*.crc"):  # Hadoop's, of the text as it was
            crc.unlink()
        for log in place.rglob("_delta_log/*.json"):
            actions = [json.loads(line) for line in log.read_text().splitlines()]
            for kind, name in (("remove", "deletionTimestamp"), ("commitInfo", "timestamp")):
                for action in actions:
                    if kind in action:
                        action[kind][name] -= days * 86_400_000
            log.write_text("".join(json.dumps(action) + "\n" for action in actions))
        then = time.time() - days * 86_400
        for file in place.rglob("*.*"):
            os.utime(file, (then, then))
        return place

    return copy


@pytest.fixture(scope="session")
def versions():
    """Return the function that tells a table's history, the newest version first, as dicts."""
    from deltalake import DeltaTable

    return lambda root, table: DeltaTable(f"{root}/{table}").history()


@pytest.fixture(scope="session")
def last_run(read):
    """Return the function that reads the record of a root's newest run."""

    def record(root):
        from pyspark.sql import functions as F

        row = read(root, "runs").orderBy(F.col("finished_ts").desc()).head().asDict()
        return {**row, "funnel": json.loads(row["funnel"])}

    return record
