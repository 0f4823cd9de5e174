"""Engines: one line, the same rows, and what an engine lacks refused by name."""

import datetime as dt
import json
import shlex
import subprocess
import sys

import pytest
from deltalake import DeltaTable

from conftest import JOB_ENVIRONMENT, PROJECT
from winnow import schema
from winnow.config import load
from winnow.engines import EngineSettings, sessions, start_session
from winnow.errors import InputNotReadyError, JobError, SettingsError
from winnow.tables import Tables

DAY = "2026-01-05"
#: Every kind of label, positives cut, exact samples, weights by a logarithm, and dirt of every kind.
ARGUMENTS = (
    *("--date", DAY, "--set", "sampling.strata=['surface', 'device']", "--set", "labels.watched.kind=watched_fraction"),
    *("--set", "labels.liked.kind=action", "--set", "labels.long.kind=duration_quantile"),
    *("--set", "sampling.exact=true"),
    *("--set", "sampling.positive_rows=300", "--set", "sampling.negative_rows=300"),
    *("--set", "weighting.basis=log_watch_time", "--set", "guards.quarantine=warn"),
)
LOG = (
    *("--date", DAY, "--set", "synthetic.rows_per_day=6000", "--set", "synthetic.users=500"),
    *("--set", "synthetic.dirt.duplicate_rate=0.1", "--set", "synthetic.dirt.nan_watch_rate=0.01"),
    *("--set", "synthetic.dirt.null_surface_rate=0.02", "--set", "synthetic.dirt.ahead_rate=0.01"),
)
beside_sail = pytest.mark.not_on("sail", why="it is held beside the others")
SORTED = {
    "examples": ["impression_id"],
    "quarantine": ["event_date", "stage", "row"],
    "ledger": ["event_date", "label", "stratum"],
    "impressions": ["impression_id", "watch_s", "surface"],
    "media": ["media_id"],
    "users": ["user_id"],
    "searches": ["user_id", "search_ts", "term"],
}


@pytest.fixture(scope="module")
def run(run_job_on):
    """Return the function that runs a job on an engine, and returns its screen."""

    def done(name, root, *arguments, on):
        ended = run_job_on(on, name, root, *arguments)
        assert ended.code == 0, ended.err
        return ended.out

    return done


def rows_of(root, table, *, without=("run_id",)):
    """Return the stored rows of a table as any reader of Delta sees them, in one order."""
    stored = DeltaTable(f"{root}/{table}").to_pyarrow_table()
    names = sorted(set(stored.column_names) - set(without))
    rows = stored.select(names).sort_by([(name, "ascending") for name in SORTED[table]]).to_pylist()
    return [{name: "NaN" if value != value else value for name, value in row.items()} for row in rows]


@pytest.fixture(scope="module")
def roots(tmp_path_factory, run, engine):
    """One log prepared by the tests' engine, which made it, and by Sail; a root each, and what the main job showed."""
    places = {on: tmp_path_factory.mktemp(on) for on in (engine, "sail")}
    run("make_impressions", places[engine], *LOG, on=engine)
    arguments = (*ARGUMENTS, "--set", f"tables.impressions={places[engine]}/impressions")
    return {on: (root, run("prepare_examples", root, *arguments, on=on), arguments) for on, root in places.items()}


def assert_alike(ours, theirs):
    """Rows equal bit for bit, what is made by a logarithm or a power of e to 12 digits: its last bit may differ."""
    assert len(ours) == len(theirs)
    for mine, other in zip(ours, theirs, strict=True):
        logarithms = [name for name in mine if name.endswith(("_weight", "mean_basis", "true_probability"))]
        near = {name: pytest.approx(other[name], rel=1e-12, abs=0) for name in logarithms if other[name] is not None}
        assert mine == other | near


@beside_sail
@pytest.mark.parametrize("table", ["examples", "ledger"])
def test_both_store_the_same_rows_rates_and_weights(roots, table):
    ours, theirs = (rows_of(root, table) for root, *_ in roots.values())
    assert len(ours) > 10
    assert_alike(ours, theirs)


@beside_sail
def test_both_make_the_same_log_and_catalogue(roots, run, engine, tmp_path):
    root = roots[engine][0]
    run("make_impressions", tmp_path, *LOG, on="sail")
    for table in ("impressions", "media", "users", "searches"):
        assert_alike(rows_of(root, table), rows_of(tmp_path, table))


@beside_sail
def test_both_show_the_same_funnel(roots):
    ours, theirs = (screen for _, screen, _ in roots.values())
    assert "duplicates" in ours
    assert ours == theirs


@beside_sail
def test_both_refuse_the_same_rows_for_the_same_reasons(roots):
    ours, theirs = (rows_of(root, "quarantine") for root, *_ in roots.values())
    for row in (*ours, *theirs):  # one value may be written in two ways, such as 1.0E10 and 10000000000.0
        told = json.loads(row["row"])
        numbers = {name: str(float(told[name])) for name in ("watch_s", "media_duration_s") if told[name] is not None}
        row["row"] = told | numbers | {"impression_ts": dt.datetime.fromisoformat(told["impression_ts"])}
    assert len(ours) > 10
    assert ours == theirs


@beside_sail
@pytest.mark.parametrize("is_sail_first", [False, True])
def test_either_engine_replaces_what_the_other_wrote(roots, run, engine, is_sail_first):
    first, second = ("sail", engine) if is_sail_first else (engine, "sail")
    root, _, arguments = roots[first]
    before = [row for table in ("examples", "ledger") for row in rows_of(root, table)]
    versions = DeltaTable(f"{root}/examples").version()
    run("prepare_examples", root, *arguments, on=second)
    assert_alike([row for table in ("examples", "ledger") for row in rows_of(root, table)], before)
    assert DeltaTable(f"{root}/examples").version() == versions + 1


def test_an_engine_is_not_started_beside_the_session_that_is_there(spark):
    with pytest.raises(SettingsError, match="the session that is there"):
        start_session("test", EngineSettings("sail"))
    assert start_session("test", EngineSettings()) is spark


def test_a_job_asks_for_the_archive_that_setup_leaves_wherever_it_is_started(monkeypatch, tmp_path):
    def asked(archived):
        raise SettingsError(archived)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("pyspark.sql.SparkSession.getActiveSession", lambda: None)
    monkeypatch.setattr(sessions, "_local_settings", asked)
    with pytest.raises(SettingsError) as found:
        start_session("test", EngineSettings())
    assert str(found.value) == f'"-XX:SharedArchiveFile={PROJECT / ".jars" / "spark-classes.jsa"}"'


@pytest.mark.parametrize("content", [None, b"of another Java"], ids=["none", "unusable"])
def test_java_starts_without_a_word_where_it_has_no_archive_of_classes(tmp_path, content):
    """Asked in the words of the checkout's own file, which name the archive from its folder, as in a job's, which say where it is."""
    archive = tmp_path / sessions._ARCHIVED.partition("=")[2]
    if content:
        archive.parent.mkdir()
        archive.write_bytes(content)
    for words in (sessions._ARCHIVED, f'"-XX:SharedArchiveFile={archive}"'):
        options = sessions._local_settings(words)["spark.driver.extraJavaOptions"]
        assert options.count(".jsa") == 1
        told = subprocess.run(
            ["java", *shlex.split(options), "-version"],
            capture_output=True,
            text=True,
            timeout=60,
            cwd=tmp_path,
            check=True,
            env={name: value for name, value in JOB_ENVIRONMENT.items() if name != "JDK_JAVA_OPTIONS"},
        )
        assert told.stdout == ""
        assert len(told.stderr.splitlines()) == 3, told.stderr


@pytest.mark.not_on("sail", "connect", why="they have no JVM in this process")
def test_java_takes_the_directives_for_its_compilers(spark, monkeypatch, tmp_path):
    assert sessions._direct_compilers(spark) == "1 compiler directives added"
    copy = tmp_path / "in a folder" / "compiler.directives"
    monkeypatch.setattr(sessions, "_COMPILER_DIRECTIVES", copy)
    assert sessions._direct_compilers(spark) == f"Could not load file: {copy}"
    copy.parent.mkdir()
    copy.write_text('[{"match": ["a/b.*"], "c2": {"Omit": true}}]', encoding="utf-8")
    assert "Omit" in sessions._direct_compilers(spark)


def test_missing_packages_are_named_with_what_brings_them(monkeypatch):
    monkeypatch.setattr("pyspark.sql.SparkSession.getActiveSession", lambda: None)
    monkeypatch.setitem(sys.modules, "pysail.spark", None)
    with pytest.raises(SettingsError, match=r"winnow\[sail\]"):
        start_session("test", EngineSettings("sail"))


def test_a_server_that_does_not_listen_is_told_at_once(monkeypatch):
    monkeypatch.setattr("pyspark.sql.SparkSession.getActiveSession", lambda: None)
    for proxy in ("grpc_proxy", "https_proxy", "http_proxy"):
        monkeypatch.delenv(proxy, raising=False)
    with pytest.raises(JobError, match=r"server of Spark Connect at 127\.0\.0\.1:1, found: .*refused"):
        start_session("test", EngineSettings("connect", "sc://127.0.0.1:1/;token=x"))


@pytest.mark.parametrize(
    ("words", "environment", "told"),
    [
        ((), {"JAVA_HOME": "/nowhere"}, "JAVA_GATEWAY_EXITED"),
        ((), {"PYSPARK_SUBMIT_ARGS": "--master nonsense pyspark-shell"}, "JAVA_GATEWAY_EXITED"),
        (("--remote", "sc://127.0.0.1:99999"), {}, "Port out of range"),
    ],
)
def test_a_session_that_does_not_start_is_a_fault_in_one_line(tmp_path, words, environment, told):
    command = [sys.executable, PROJECT / "jobs" / "prepare_examples.py", "--root", tmp_path, "--date", DAY, *words]
    ended = subprocess.run(
        list(map(str, command)),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env=JOB_ENVIRONMENT | environment,
    )
    errors = [line for line in ended.stderr.splitlines() if line.startswith("error: engine: expected a session of ")]
    assert (ended.returncode, len(errors), "Traceback" in ended.stderr) == (1, 1, False), ended.stderr
    assert told in errors[0]


@pytest.mark.parametrize("remote", ["localhost:15002", "http://localhost:15002", "sc://a b", "sc://h:1/;x='y'", ""])
def test_an_address_that_is_none_is_refused(remote):
    with pytest.raises(SettingsError, match="sc://HOST:PORT"):
        EngineSettings("connect", remote)
    with pytest.raises(SettingsError, match="sc://HOST:PORT"):
        EngineSettings("connect")


@pytest.mark.not_on("spark", "connect", why="they have both")
@pytest.mark.parametrize("kind", ["csv", "json"])
def test_sail_refuses_catalogs_and_lines_of_text_by_name(spark, tmp_path, kind):
    tables = Tables(spark, load(sets=["tables.impressions=lab.impressions"]), str(tmp_path))
    with pytest.raises(SettingsError, match=r"by path only, found the name lab\.impressions"):
        tables.pin(schema.IMPRESSIONS)
    with pytest.raises(SettingsError, match=f"delta, parquet.* found {kind}.*--engine spark"):
        tables.read_files([str(tmp_path)], kind, {})


def test_a_table_that_is_not_there_is_told_as_such(spark, tmp_path):
    tables = Tables(spark, load(), str(tmp_path))
    (tmp_path / "examples").mkdir()
    assert not tables.exists(schema.EXAMPLES)
    assert tables.read_slice(schema.LEDGER, {schema.EVENT_DATE: dt.date(2026, 1, 5)}) is None
    with pytest.raises(InputNotReadyError, match="expected a Delta table"):
        tables.pin(schema.IMPRESSIONS)
