"""Upkeep: files told and joined, old versions and days removed, a user erased from every table and file."""

import datetime as dt
import json
import shutil

import pyarrow.parquet as pq
import pytest

from conftest import ON_SAIL
from winnow import schema
from winnow.config import load
from winnow.store import Card, ModelStore
from winnow.tables import Tables

DAYS = [dt.date(2026, 1, 5 + i) for i in range(2)]
USER, NEIGHBOUR = 7, 77


@pytest.fixture(scope="module")
def prepared(tmp_path_factory, make_log, run_job, read):
    """Two days, prepared, some rows of them refused; and what a ranker says of the others."""
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
    said = ("'gbt' as model", "'watched' as label", "impression_id", "0.5D as score", "'run' as run_id")
    read(place, "examples").selectExpr("event_date", *said).write.format("delta").save(f"{place}/scores")
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


def test_a_user_is_gone_from_every_table_and_then_from_every_file(root, run_job, read):
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
    left = [{row.impression_id for row in read(root, table).collect()} for table in ("scores", "examples")]
    assert left[0] == left[1]
    refused = [row.row for row in read(root, "quarantine").collect()]
    assert not [row for row in refused if f'"user_id":{USER},' in row]
    assert [row for row in refused if f'"user_id":{NEIGHBOUR},' in row]

    # Old versions have the user still, until what was replaced long enough ago is removed.
    assert USER in [row["user_id"] for row in parquet_rows(root / "examples")]


@pytest.mark.parametrize(
    ("kind", "user", "other"),
    [
        pytest.param("bigint", -7, 7, marks=ON_SAIL),
        pytest.param("bigint", 7, -7, marks=ON_SAIL),
        ("string", "a \"b' c/7#~", "a \"b' c/7#"),
    ],
)
def test_refused_rows_are_found_by_the_names_that_the_log_has_and_in_lines_that_were_not_readable(
    tmp_path, spark, run_job, read, kind, user, other
):
    spark.createDataFrame([(user,), (other,)], f"uid {kind}").write.format("delta").save(f"{tmp_path}/impressions")
    lines = [f"1,{user},x", f"{user}", f'{{"uid": {json.dumps(user)}, "x"']
    theirs = [
        {"user_id": user, "x": 1},
        {"x": 1, "uid": str(user)},
        {"who": user},
        *({"_corrupt_record": one} for one in lines),
    ]
    others = [{"uid": other}, {"media_id": user}, {"_corrupt_record": f"1,{user}5,x"}, {"_corrupt_record": f"{other}"}]
    refused = [
        (DAYS[0], "import_impressions", "x", ["bad"], json.dumps(row, separators=(",", ":")), "run")
        for row in [*theirs, *others]
    ]
    columns = "event_date date, stage string, source string, reasons array<string>, row string, run_id string"
    spark.createDataFrame(refused, columns).write.format("delta").save(f"{tmp_path}/quarantine")

    named = ("--set", "columns.user_id=uid", "--set", "importing.columns.user_id.from=['who']")
    unnamed = run_job("maintain", tmp_path, "--erase-user", user)
    assert (unnamed.code, "expected the column user_id, which tells the users, found uid" in unnamed.err) == (3, True)
    done = run_job("maintain", tmp_path, "--erase-user", user, *named)
    assert done.code == 0, done.err
    assert [row.uid for row in read(tmp_path, "impressions").collect()] == [other]
    assert sorted(row.row for row in read(tmp_path, "quarantine").collect()) == sorted(
        row for *_, row, _ in refused[len(theirs) :]
    )
    for words in (row.arguments for row in read(tmp_path, "runs").collect()):
        assert json.loads(words)[2:4] == ["--erase-user", "***"]


def test_models_that_know_the_user_go_but_for_the_one_that_serves_and_so_does_the_report(tmp_path, spark, run_job):
    store, card = ModelStore(str(tmp_path)), Card("als", "0.1.0", "abc")
    users = spark.createDataFrame([(USER, [0.5]), (NEIGHBOUR, [0.25])], "user_id bigint, factors array<double>")
    for version, rows in (("v1", users), ("v2", users.where(f"user_id != {USER}")), ("v3", users)):
        store.save("als", version, {"users": rows}, card)
        store.promote("als", version)
    (tmp_path / "report.html").write_text("lists")

    def erased(*more):
        done = run_job("maintain", tmp_path, f"--erase-user={USER}", *more)
        assert done.code == 0, done.err
        return done.err, [one.version for one in store.versions("als")]

    told, versions = erased("--dry-run")
    assert "models/als/v1 has a row of the user, and would be removed" in told
    assert (versions, (tmp_path / "report.html").exists()) == (["v1", "v2", "v3"], True)
    told, versions = erased()
    assert "models/als/v3 has a row of the user and serves: run train_retrieval.py" in told
    assert (versions, (tmp_path / "report.html").exists()) == (["v2", "v3"], False)
    store.rollback("als")  # as another one that serves, for the reader
    assert erased()[1] == ["v2"]


def test_what_was_replaced_is_kept_for_as_long_as_conf_says_and_is_in_no_file_then(root, run_job, aged, spark):
    had = Tables(spark, load(), str(root)).pin(schema.EXAMPLES)
    assert run_job("maintain", root, "--erase-user", USER).code == 0
    old = aged(root, 20)
    tables = Tables(spark, load(), str(old))

    def users(table):
        return {row["user_id"] for row in parquet_rows(old / table)}

    tables.vacuum(schema.EXAMPLES, days=30)
    assert {USER, NEIGHBOUR} <= users("examples")
    assert tables.read(schema.EXAMPLES, had).where(f"user_id = {USER}").count()

    done = run_job("maintain", old, "--vacuum", "--set", "maintenance.history_days=10")
    assert done.code == 0, done.err
    assert USER not in users("examples")
    assert NEIGHBOUR in users("examples")
    assert USER in users("impressions"), "the service's own table is left to it"
    with pytest.raises(Exception) as gone:
        tables.read(schema.EXAMPLES, had).collect()
    assert tables.is_gone(gone.value), gone.value


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
