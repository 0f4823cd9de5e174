"""What a run leaves behind, shows and keeps to itself."""

import datetime as dt
import json
import re
import subprocess
import sys

import pytest

from conftest import JOB_ENVIRONMENT, PROJECT

DAY = dt.date(2026, 1, 5)
STRATA = ("--set", "sampling.strata=['surface']", "--set", "sampling.seed=11")


@pytest.fixture(scope="module")
def log(tmp_path_factory, make_log):
    place = tmp_path_factory.mktemp("log")
    rows = [(i, i % 37, i % 11, DAY, 60.0 if i % 4 == 0 else 3.0, 60.0, "home") for i in range(200)]
    make_log(place, [*rows, (999, 1, 1, DAY, float("inf"), 60.0, "home"), rows[0]])
    return place


@pytest.fixture(scope="module")
def arguments(log):
    return ("--date", DAY, *STRATA, "--set", f"tables.impressions={log}/impressions")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("records")


@pytest.fixture(scope="module")
def ended(root, arguments, run_job):
    done = run_job("prepare_examples", root, *arguments, "--json")
    assert done.code == 0, done.err
    return done


def test_the_run_the_commit_and_the_screen_tell_the_same(root, ended, log, read, last_run, versions):
    told = json.loads(ended.out)
    assert ended.out.count("\n") == 1, "one line"
    run, commit = last_run(root), versions(root, "examples")[0]
    committed = json.loads(commit["userMetadata"])
    for record in (run, committed):
        for name in ("run_id", "job", "arguments", "config_hash", "config", "seed", "code_version", "input_versions"):
            assert record[name] == told[name], name
    assert (told["status"], told["error"], told["seed"]) == ("done", None, 11)
    assert json.loads(told["input_versions"]) == {"impressions": 0}
    assert json.loads(told["output_versions"])["examples"] == commit["version"]
    assert json.loads(told["config"])["sampling"]["strata"] == ["surface"]
    (funnel,) = run["funnel"]
    assert (funnel["input_rows"], funnel["duplicates"]) == (202, 1)
    assert funnel["quarantined"]["watch_s_not_finite"] == 1
    label = funnel["labels"]["watched"]
    assert (label["positives"], label["negatives"], label["kept_positives"]) == (50, 150, 50)
    # The funnel is on screen too; with --json beside the one line, so that a script reads stdout alone.
    lines = [line.split() for line in ended.err.splitlines()]
    assert ["input", "rows", "202"] in lines
    assert ["watched:", "kept", "positives", "50"] in lines


def test_the_ledger_explains_the_stored_rows(root, ended, read, last_run):
    (row,) = read(root, "ledger").collect()
    examples = read(root, "examples")
    assert row.run_id == last_run(root)["run_id"]
    assert (row.event_date, row.label, row.stratum) == (DAY, "watched", '{"surface":"home"}')
    assert (row.impression_rows, row.positives, row.negatives, row.middle, row.unlabelled) == (200, 50, 150, 0, 0)
    assert (row.positive_rate, row.negative_rate, row.negative_threshold) == (1.0, 50 / 150, 50 / 150)
    assert row.kept_negatives == examples.where("watched_label = 0").count()
    assert {r[0] for r in examples.where("watched_label = 0").select("watched_rate").distinct().collect()} == {50 / 150}
    assert (row.mean_watch_s, row.mean_basis) == (60.0, 60.0)


def test_a_dry_run_shows_the_plan_and_writes_nothing(tmp_path, arguments, log, run_job, versions):
    shown = run_job("prepare_examples", tmp_path, *arguments, "--dry-run", "--json")
    assert shown.code == 0, shown.err
    assert list(tmp_path.iterdir()) == []
    assert len(versions(log, "impressions")) == 1
    assert '{"surface":"home"}: 50 of 50 positives (rate 1), 50 of 150 negatives (rate 0.333333)' in shown.err
    told = json.loads(shown.out)
    assert json.loads(told["output_versions"]) == {}
    assert json.loads(told["input_versions"]) == {"impressions": 0}
    read_by_people = run_job("prepare_examples", tmp_path, *arguments, "--dry-run").out
    assert "[sampling] {" in read_by_people
    assert '"strata": ["surface"]' in read_by_people
    assert 'input versions: {"impressions": 0}' in read_by_people


def test_a_failing_job_tells_one_line_and_no_trace_unless_asked(
    ended, arguments, log, tmp_path, run_job, read, engine_arguments
):
    place = tmp_path / "broken"
    read(log, "impressions").write.format("delta").partitionBy("event_date").save(str(place))
    (file,) = place.glob("event_date=*/*.parquet")
    file.write_bytes(file.read_bytes()[:100] + b"broken")
    for check in file.parent.glob(".*.crc"):
        check.unlink()
    broken = (*arguments, "--set", f"tables.impressions={place}")
    command = [sys.executable, PROJECT / "jobs" / "prepare_examples.py", "--root", tmp_path / "out"]
    told = subprocess.run(
        [*map(str, command), *engine_arguments, *map(str, broken)],
        capture_output=True,
        text=True,
        timeout=200,
        cwd=tmp_path,
        check=False,
        env=JOB_ENVIRONMENT,
    )
    assert told.returncode == 1
    errors = [line for line in told.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert re.search(r"is not a Parquet file|Parquet error|FAILED_READ_FILE.*\.parquet", errors[0]), errors
    assert "\tat " not in told.stderr, told.stderr
    assert "Traceback" not in told.stderr
    asked = run_job("prepare_examples", tmp_path / "out", *broken, "--log-level", "DEBUG")
    assert asked.code == 1
    assert "Traceback" in asked.err


#: Each is looked for by its first letters and its last.
SECRETS = [f"CANARY{i}/a+b= c{'z' * i}YRANAC" for i in range(5)]


def test_planted_secrets_are_in_no_record(tmp_path, log, run_job, versions, read):
    canary = iter(SECRETS)
    conf = tmp_path / f"api_key={next(canary).replace('/', '')}" / "conf.toml"
    conf.parent.mkdir()
    conf.write_text(f'[importing.options]\nsep = "token={next(canary)}"\ncomment = "password:{next(canary)}"\n')
    sets = [
        f"tables.impressions={log}/impressions",
        f"importing.options.quote='secret={next(canary)}'",
        f"importing.options.nullValue='credential={next(canary)}'",
    ]
    assert next(canary, None) is None
    arguments = [word for text in sets for word in ("--set", text)]
    done = run_job("prepare_examples", tmp_path, "--date", DAY, "--conf", conf, *arguments, "--json")
    assert done.code == 0, done.err
    records = [str(row.asDict()) for row in read(tmp_path, "runs").collect()]
    records += [str(version.get("userMetadata")) for version in versions(tmp_path, "examples")]
    records += [done.out, done.err]
    assert [text for text in records if re.search("CANARY|YRANAC", text)] == []
    assert "***" in records[0]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--set", f"sampling.seed='token={SECRETS[0]}'"), "found 'token=***'"),
        (("--set", f"sampling.seed='password=\"{SECRETS[0]}\"'"), "expected a whole number"),
        (("--set", f"token={SECRETS[0]}"), "expected section.key=value"),
        (("--conf", f"password={SECRETS[0]}/a.toml"), "error: ***: no such file"),
        (("--lookback", f"token={SECRETS[0]}"), "invalid int value: 'token=***'"),
        (("--api-key", SECRETS[0]), "unrecognized arguments: --*** ***"),
        ((f"--password={SECRETS[0]}",), "unrecognized arguments: --***"),
        (
            ("--root", f"s3a://key:{SECRETS[0].replace(' ', '')}@bucket/x"),
            "--root: expected a place without a password",
        ),
    ],
)
def test_a_fault_that_quotes_a_secret_shows_it_no_more_than_a_record_does(tmp_path, run_job, words, told):
    wrong = run_job("prepare_examples", tmp_path, "--date", DAY, "--log-level", "DEBUG", *words)
    assert (wrong.code, told in wrong.err) == (2, True), wrong.err
    assert re.search("CANARY|YRANAC", wrong.err + wrong.out) is None, wrong.err
