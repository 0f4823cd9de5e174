"""The examples for schedulers and platforms: each parses, and the jobs take every argument that they are given there."""

import contextlib
import datetime as dt
import io
import json
import runpy
import subprocess
import sys
import types

import pytest
import yaml

from conftest import PROJECT
from winnow.config import load
from winnow.errors import SettingsError

EXAMPLES = PROJECT / "docs" / "examples"
DAY_BEFORE, DAY = "2026-01-11", "2026-01-12"
#: The morning on which that day is the newest whose labels are settled.
MORNING = dt.datetime(2026, 1, 14, 6, tzinfo=dt.UTC)


class AcceptedError(SettingsError):
    """Raised where a session would start: arguments and settings were taken."""


def accepts(words):
    """Whether the job of a command takes what follows it; a file of the checkout on another machine is that of this one."""
    script = next(place for place, word in enumerate(words) if "jobs/" in word)
    name = words[script].rpartition("jobs/")[2]
    arguments = [
        str(PROJECT / "conf" / word.rpartition("/conf/")[2]) if "/conf/" in word else word
        for word in words[script + 1 :]
    ]

    def start(*_arguments):
        raise AcceptedError("a session was asked for")

    err = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stderr(err):
        patch.setattr("winnow.job.start_session", start)
        patch.setattr(sys, "argv", [name, *arguments])
        with pytest.raises(SystemExit):
            runpy.run_path(str(PROJECT / "jobs" / name), run_name="__main__")
    return "a session was asked for" in err.getvalue(), err.getvalue()


def check(commands, jobs):
    """Hold the commands against the jobs' own options, and the files of the checkout that they name against the checkout."""
    assert len(commands) == len(jobs)
    for words, job in zip(commands, jobs, strict=True):
        assert any(word.endswith(f"jobs/{job}.py") for word in words), words
        taken, told = accepts(words)
        assert taken, told
        for flag in ("--properties-file", "--py-files"):
            if flag in words:
                file = words[words.index(flag) + 1]
                assert file.endswith("dist/winnow.zip") or (PROJECT / "conf" / file.rpartition("/")[2]).exists(), file


def test_the_day_of_the_examples_is_the_newest_that_is_settled_on_their_morning():
    labelling = load([PROJECT / "conf" / "cluster.toml"]).labelling
    day = dt.date.fromisoformat(DAY)
    assert labelling.mature_until(day, MORNING) is None
    assert labelling.mature_until(day + dt.timedelta(days=1), MORNING) is not None


def test_what_a_job_does_not_take_is_seen():
    good = ["jobs/prepare_examples.py", "--date", DAY]
    assert accepts(good)[0]
    for bad in ("--chnged", "--set=guards.row_cout=warn", "--date=2026-13-01"):
        assert not accepts([*good, bad])[0]


class Task:
    """A task of the stand-in for Airflow; ``>>`` keeps what comes before what."""

    def __init__(self, name, seen):
        self.name, self.seen = name, seen

    def __rshift__(self, later):
        self.seen.append((self.name, later.name))
        return later

    def __rrshift__(self, earlier):
        self.seen.extend((one.name, self.name) for one in earlier)
        return self


@pytest.fixture
def commands(monkeypatch):
    """The commands that an example starts, none of which is run; each ends with the code that stands in ``ends``."""
    started, ends = [], [0]

    def run(words, **_others):
        started.append(list(map(str, words)))
        return types.SimpleNamespace(returncode=ends[0])

    monkeypatch.setattr(subprocess, "run", run)
    return started, ends


def test_the_dag_of_airflow_starts_the_jobs_in_the_order_of_the_line(commands, monkeypatch):
    started, ends = commands
    order, fails = [], {}

    def task(function):
        def call():
            try:
                function()
            except Exception as fault:
                fails[function.__name__] = type(fault).__name__
            return Task(function.__name__, order)

        return call

    errors = {name: type(name, (Exception,), {}) for name in ("AirflowException", "AirflowFailException")}
    context = {"logical_date": MORNING}
    sdk = {"dag": lambda **_settings: lambda make: make, "task": task, "get_current_context": lambda: context}
    for name, members in (("airflow", {}), ("airflow.exceptions", errors), ("airflow.sdk", sdk)):
        monkeypatch.setitem(sys.modules, name, types.SimpleNamespace(**members))
    runpy.run_path(str(EXAMPLES / "airflow_daily.py"))
    check(
        started,
        [
            *("prepare_examples", "prepare_examples", "train_ranker"),
            *("generate_candidates", "train_retrieval", "build_profiles", "recommend"),
        ],
    )
    newest = [words for words in started if "--end" in words or "build_profiles" in str(words)]
    for words in newest:
        assert words[words.index("--end" if "--end" in words else "--date") + 1] == DAY, words
    parts = [[word for word in words if word.startswith("splitting.")] for words in newest if "--end" in words]
    assert parts == [[f"splitting.validation_start={DAY_BEFORE}", f"splitting.test_start={DAY}"]] * 2
    assert {("prepare_examples", "train_retrieval"), ("train_ranker", "recommend")} <= set(order)
    for code, fault in ((3, "AirflowFailException"), (4, "AirflowException"), (5, "AirflowException")):
        ends[0] = code
        runpy.run_path(str(EXAMPLES / "airflow_daily.py"))
        assert set(fails.values()) == {fault}


def test_the_assets_of_dagster_start_their_jobs(commands, monkeypatch):
    started, ends = commands
    refused = type(
        "Failure",
        (Exception,),
        {"__init__": lambda self, _told, allow_retries: Exception.__init__(self, allow_retries)},
    )
    made = types.SimpleNamespace(
        AssetExecutionContext=object, DailyPartitionsDefinition=dict, Definitions=dict, Failure=refused,
        RetryPolicy=dict, asset=lambda **_settings: lambda function: function,
    )  # fmt: skip
    monkeypatch.setitem(sys.modules, "dagster", made)
    example = runpy.run_path(str(EXAMPLES / "dagster_assets.py"))
    assert example["DAYS"]["end_offset"] == -1, "the newest partition is the day before yesterday"
    assets = example["definitions"]["assets"]
    # Dagster refuses the name of a class in its place, which is what annotations that are put off would be.
    assert {asset.__annotations__["context"] for asset in assets} == {made.AssetExecutionContext}
    context = types.SimpleNamespace(partition_key=DAY)
    for asset in assets:
        asset(context)
    check(started, ["prepare_examples", "build_profiles", "generate_candidates", "verify"])
    for code, is_tried_again in ((3, False), (5, True)):
        ends[0] = code
        with pytest.raises(refused) as told:
            assets[0](context)
        assert told.value.args == (is_tried_again,)


def settings_of(conf):
    lines = (PROJECT / "conf" / conf).read_text(encoding="utf-8").splitlines()
    return dict(line.split(None, 1) for line in lines if line.strip() and not line.startswith("#"))


def test_the_application_of_the_spark_operator_has_the_settings_of_the_cluster():
    spec = yaml.safe_load((EXAMPLES / "spark_operator.yaml").read_text(encoding="utf-8"))["spec"]
    check(
        [[spec["mainApplicationFile"], *(word.replace("$DAY", DAY) for word in spec["arguments"])]],
        ["prepare_examples"],
    )
    told = settings_of("spark-cluster.conf")
    sizes = {"spark.driver.memory": "4g", "spark.executor.cores": "4", "spark.executor.memory": "8g"}
    assert spec["sparkConf"] | sizes == {name: value.strip() for name, value in told.items()}
    assert (spec["driver"]["memory"], str(spec["executor"]["cores"]), spec["executor"]["memory"]) == tuple(
        sizes.values()
    )


def test_the_bundle_of_databricks_gives_the_jobs_a_settled_day_and_what_they_take(monkeypatch):
    text = (EXAMPLES / "databricks.yml").read_text(encoding="utf-8").replace("${var.catalog}", "main")
    for given, value in (("job.parameters.run_date", str(MORNING.date())), ("tasks.day.values.day", DAY)):
        assert given in text
        text = text.replace(f"{{{{{given}}}}}", value)
    bundle = yaml.safe_load(text)
    tasks = bundle["resources"]["jobs"]["winnow_daily"]["tasks"]
    chooser, *scripts = [task["spark_python_task"] for task in tasks]
    chosen = {}
    values = types.SimpleNamespace(set=chosen.__setitem__)
    made = types.SimpleNamespace(dbutils=types.SimpleNamespace(jobs=types.SimpleNamespace(taskValues=values)))
    monkeypatch.setitem(sys.modules, "databricks.sdk.runtime", made)
    for package in ("databricks", "databricks.sdk"):
        monkeypatch.setitem(sys.modules, package, types.SimpleNamespace())
    monkeypatch.setattr(sys, "argv", [chooser["python_file"], *chooser["parameters"]])
    runpy.run_path(str(PROJECT / chooser["python_file"]))
    assert chosen == {"day": DAY}
    assert all({"task_key": "day"} in task["depends_on"] for task in tasks[1:])
    check([[script["python_file"], *script["parameters"]] for script in scripts], ["prepare_examples", "verify"])
    clusters = {one["job_cluster_key"] for one in bundle["resources"]["jobs"]["winnow_daily"]["job_clusters"]}
    assert {task["job_cluster_key"] for task in tasks} == clusters


def test_the_steps_of_emr_give_the_jobs_what_they_take():
    steps = json.loads((EXAMPLES / "emr_steps.json").read_text(encoding="utf-8"))
    check([step["Args"] for step in steps], ["prepare_examples", "build_profiles"])


def test_every_example_is_told_of_with_what_was_tried():
    page = (PROJECT / "docs" / "integrations.md").read_text(encoding="utf-8")
    assert [file.name for file in EXAMPLES.iterdir() if file.is_file() and file.name not in page] == []
