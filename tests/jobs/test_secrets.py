"""Planted secrets, looked for in all that a run leaves and shows: screen, tables, commits, and Spark's own event log."""

import datetime as dt
import re
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import JOB_ENVIRONMENT, PROJECT

pytestmark = pytest.mark.not_on("sail", "connect", why="the event log is spark-submit's")

DAY = dt.date(2026, 1, 5)
CANARIES = [f"CANARY{place}/{'qzx' * (place + 2)}+YRANAC=" for place in range(5)]


def texts(folder):
    """The text of every file below a folder that is no table's data, and of its name."""
    files = [file for file in folder.rglob("*") if file.is_file() and file.suffix not in (".parquet", ".crc")]
    return {str(file.relative_to(folder)): file.read_text(errors="replace") for file in files}


def test_five_planted_secrets_are_nowhere_not_even_in_sparks_event_log(tmp_path, make_log, read):
    in_conf, in_place, in_argument, of_storage, of_machine = CANARIES
    make_log(tmp_path, [(i, i % 7, i % 5, DAY, 60.0 if i % 4 == 0 else 3.0, 60.0, "home") for i in range(40)])
    conf = tmp_path / f"api_key={in_place}" / "own.toml"
    conf.parent.mkdir(parents=True)
    conf.write_text(f'[importing.options]\nsep = "token={in_conf}"\n')
    events = tmp_path / "events"
    events.mkdir()
    words = [
        *(Path(sys.executable).with_name("spark-submit"), "--properties-file", PROJECT / "conf" / "spark-local.conf"),
        *(
            "--master",
            "local[2]",
            "--conf",
            "spark.eventLog.enabled=true",
            "--conf",
            f"spark.eventLog.dir={events.as_uri()}",
        ),
        *("--conf", "spark.eventLog.compress=false", "--conf", "spark.eventLog.rolling.enabled=false"),
        *("--conf", f"spark.hadoop.fs.s3a.secret.key={of_storage}"),
        *(
            PROJECT / "jobs" / "prepare_examples.py",
            "--root",
            tmp_path / "out",
            "--date",
            DAY,
            "--conf",
            conf,
            "--json",
        ),
        *("--set", f"tables.impressions={tmp_path}/impressions"),
        *("--set", f"importing.options.quote='password={in_argument}'"),
    ]
    environment = {**JOB_ENVIRONMENT, "PYTHONPATH": str(PROJECT / "lib"), "AWS_SECRET_ACCESS_KEY": of_machine}
    done = subprocess.run(
        [str(word) for word in words],
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
        cwd=tmp_path,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    places = {"stdout": done.stdout, "stderr": done.stderr}
    places["runs"] = str([row.asDict() for row in read(tmp_path / "out", "runs").collect()])
    (log,) = texts(events).values()
    assert "SparkListenerEnvironmentUpdate" in log
    assert "SparkListenerSQLExecutionStart" in log
    places["event log"] = log
    for table in ("examples", "ledger", "runs"):
        places |= {f"{table}/{name}": text for name, text in texts(tmp_path / "out" / table).items()}
    found = [
        (name, text[max(0, text.index(one) - 200) : text.index(one) + 50])
        for one in ("CANARY", "YRANAC")
        for name, text in places.items()
        if one in text
    ]
    assert not found, "\n".join(map(str, found))


HIDDEN = "CANARY/a+b=hidden"
PLACES = [
    f"tables.examples='s3a://key:{HIDDEN}@bucket/examples'",
    f"tables.examples='/data/password={HIDDEN}/examples'",
    f"tables.runs='abfss://c@account/x?access_key={HIDDEN}'",
    f"tables.ledger='hdfs://nn/token:{HIDDEN}/ledger'",
]


@pytest.mark.parametrize("place", PLACES)
def test_a_secret_in_the_place_of_a_table_is_refused_unseen_since_spark_would_show_it(tmp_path, place, run_job):
    for arguments in (("--set", place), ("--root", place.partition("=")[2].strip("'"))):
        ended = run_job("prepare_examples", tmp_path, "--date", DAY, *arguments)
        assert ended.code == 2, ended
        assert re.search("CANARY|hidden", ended.err + ended.out) is None
        assert "error: " in ended.err
