"""Upkeep: files told and joined, old versions and days removed, a user erased from every table and file."""

import datetime as dt
import shutil

import pyarrow.parquet as pq
import pytest

DAYS = [dt.date(2026, 1, 5 + i) for i in range(2)]
USER, NEIGHBOUR = 7, 77


@pytest.fixture(scope="module")
def prepared(tmp_path_factory, make_log, run_job):
    """Two days, prepared, some rows of them refused."""
    place = tmp_path_factory.mktemp("prepared")
    rows = [
        (
            day.toordinal() * 1000 + i,
            (USER, NEIGHBOUR, 3)[i % 3],
            i % 5,
            day,
            (60.0, 3.0, -1.0, 3.0)[i % 4],
            60.0,
            "home",
        )
        for day in DAYS
        for i in range(48)
    ]
    make_log(place, rows)
    lenient = ("--set", "guards.quarantine=off")
    done = run_job("prepare_examples", place, "--start", DAYS[0], "--end", DAYS[1], *lenient)
    assert done.code == 0, done.err
    return place


@pytest.fixture
def root(prepared, tmp_path):
    """The prepared days, for one test to change."""
    return shutil.copytree(prepared, tmp_path / "root")


def parquet_rows(folder):
    """Every row of every Parquet file of a table's folder, of old versions too."""
    return [
        row
        for file in folder.rglob("*.parquet")
        if "_delta_log" not in str(file)
        for row in pq.read_table(file).to_pylist()
    ]


def test_a_user_is_gone_from_every_table_and_then_from_every_file(root, run_job, read, monkeypatch):
    before = {table: read(root, table).count() for table in ("impressions", "examples", "quarantine")}
    asked = run_job("maintain", root, "--erase-user", USER, "--dry-run")
    assert asked.code == 0, asked.err
    assert {table: read(root, table).count() for table in before} == before

    done = run_job("maintain", root, "--erase-user", USER)
    assert done.code == 0, done.err
    assert "none is left" in done.err
    for table in ("impressions", "examples"):
        users = [row.user_id for row in read(root, table).collect()]
        assert USER not in users
        assert NEIGHBOUR in users
    refused = [row.row for row in read(root, "quarantine").collect()]
    assert not [row for row in refused if f'"user_id":{USER},' in row]
    assert [row for row in refused if f'"user_id":{NEIGHBOUR},' in row]

    # Old versions have the user still, until what was replaced long enough ago is removed.
    assert USER in [row["user_id"] for row in parquet_rows(root / "examples")]


@pytest.mark.not_on("sail", "connect", why="the setting that lets VACUUM take what is young is Spark's")
def test_what_is_removed_is_in_no_file_either(root, run_job, spark, monkeypatch):
    from winnow.tables import Tables

    assert run_job("maintain", root, "--erase-user", USER).code == 0
    key = "spark.databricks.delta.retentionDurationCheck.enabled"
    before = spark.conf.get(key)
    spark.conf.set(key, "false")
    vacuum = Tables.vacuum  # as if the days that history is kept for had passed
    monkeypatch.setattr(Tables, "vacuum", lambda tables, table, hours: vacuum(tables, table, hours=0 * hours))
    try:
        done = run_job("maintain", root, "--vacuum")
    finally:
        spark.conf.set(key, before)
    assert done.code == 0, done.err
    assert USER not in [row["user_id"] for row in parquet_rows(root / "examples")]
    assert NEIGHBOUR in [row["user_id"] for row in parquet_rows(root / "examples")]
    assert USER in [row["user_id"] for row in parquet_rows(root / "impressions")], (
        "the service's own table is left to it"
    )


def test_a_name_that_would_be_sql_erases_nobody(root, run_job, read):
    before = read(root, "examples").count()
    done = run_job("maintain", root, "--erase-user", "7' OR '1'='1")
    assert done.code == 0, done.err
    assert "0 rows erased" in done.err
    assert read(root, "examples").count() == before


def test_old_days_go_by_the_days_that_conf_keeps(root, run_job, read):
    age = (dt.datetime.now(dt.UTC).date() - DAYS[1]).days
    done = run_job("maintain", root, "--retain", "--set", f"maintenance.retention_days.examples={age}")
    assert done.code == 0, done.err
    assert {row.event_date for row in read(root, "examples").collect()} == {DAYS[1]}
    assert {row.event_date for row in read(root, "ledger").collect()} == set(DAYS)
    unnamed = run_job("maintain", root, "--retain")
    assert (unnamed.code, "expected how many days to keep" in unnamed.err) == (2, True)
    for of_the_service in ("impressions", "searches"):
        wrong = run_job("maintain", root, "--retain", "--set", f"maintenance.retention_days.{of_the_service}=3")
        assert (wrong.code, "expected a table of Winnow's" in wrong.err) == (2, True)


def test_small_files_are_joined_and_the_rows_stay(root, run_job, read):
    assert run_job("maintain", root).code == 0  # each run leaves a record, a file of its own
    before = {row.run_id for row in read(root, "runs").collect()}
    done = run_job("maintain", root, "--compact")
    assert done.code == 0, done.err
    assert any("runs: version" in line and " 1 files" in line for line in done.err.splitlines()), done.err
    assert before < {row.run_id for row in read(root, "runs").collect()}


def test_the_services_own_tables_are_left_as_they_are(root, run_job, spark):
    own = {
        "media": "media_id bigint",
        "users": "user_id bigint",
        "searches": "user_id bigint, event_date date",
        "onboarding": "user_id bigint",
    }
    for name, columns in own.items():
        spark.createDataFrame([], columns).write.format("delta").save(f"{root}/{name}")
    done = run_job("maintain", root, "--migrate", "--compact", "--vacuum", "--dry-run")
    assert done.code == 0, done.err
    told = [line.partition(" ")[2] for line in done.err.splitlines()]
    assert "examples: would remove what was replaced more than 30 days ago" in told
    for name in ("impressions", *own):
        (line,) = [line for line in told if line.startswith(f"{name}: ")]
        assert line.startswith(f"{name}: version 0, ")
