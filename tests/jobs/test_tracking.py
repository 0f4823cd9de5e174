"""Runs told to MLflow: read again by its own client, and never the reason that a run fails."""

import json
from pathlib import Path

import pytest

DAY = ("--date", "2026-01-05")
WORLD = ("--set", "synthetic.rows_per_day=2000", "--set", "synthetic.users=100", "--set", "synthetic.media=50")


@pytest.fixture(scope="module")
def root(data_job, tmp_path_factory):
    root = tmp_path_factory.mktemp("tracked")
    assert data_job("make_impressions", root, *DAY, *WORLD).code == 0
    return root


@pytest.fixture
def server(tmp_path, monkeypatch):
    """Address of a store of MLflow's."""
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    return (tmp_path / "runs").as_uri()


def tracked(server):
    """Return the client, and every run of the experiment, the last one first."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=server)
    experiment = client.get_experiment_by_name("winnow")
    return client, client.search_runs([experiment.experiment_id]) if experiment else []


def test_a_run_tells_its_settings_its_funnel_and_the_versions_that_it_read_and_wrote(root, run_job, last_run, server):
    asked = ("--set", f"tracking.uri={json.dumps(server)}", "--set", "sampling.negatives_per_positive=2.0")
    ended = run_job("prepare_examples", root, *DAY, *asked, "--json")
    assert ended.code == 0, ended.err
    record = json.loads(ended.out.splitlines()[-1])
    client, (run,) = tracked(server)
    assert run.info.status == "FINISHED"
    assert run.data.params["sampling.negatives_per_positive"] == "2.0"
    assert "sampling.seed" not in run.data.params, "what is the default is no parameter"
    (funnel,) = json.loads(record["funnel"])
    assert run.data.metrics["funnel.input_rows"] == funnel["input_rows"] == 2000
    assert run.data.metrics["funnel.watched_kept_positives"] == funnel["labels"]["watched"]["kept_positives"]
    assert run.data.tags["run_id"] == record["run_id"]
    assert run.data.tags["input_versions.impressions"] == str(json.loads(record["input_versions"])["impressions"])
    config = client.download_artifacts(run.info.run_id, "config.json")
    assert json.loads(Path(config).read_text()) == json.loads(record["config"])


def test_a_search_tells_each_trial_and_the_file_of_the_best(root, run_job, data_job, server):
    days = ("--start", "2026-01-05", "--end", "2026-01-07")
    assert data_job("make_impressions", root, *days, *WORLD).code == 0
    assert data_job("prepare_examples", root, *days).code == 0
    space = 'tuning.space={"retrieval.popularity.window_days" = {choices = [1, 2]}}'
    study = (
        "tuning.model=popularity",
        "tuning.search=grid",
        "splitting.folds.train_days=2",
        "tuning.pruning=none",
        space,
    )
    sets = [part for one in (*study, f"tracking.uri={json.dumps(server)}") for part in ("--set", one)]
    ended = run_job("tune", root, *days, *sets)
    assert ended.code == 0, ended.err
    client, (run,) = tracked(server)
    history = client.get_metric_history(run.info.run_id, "precision_at_10")
    assert sorted(one.step for one in history) == [1, 2]
    best = client.download_artifacts(run.info.run_id, "best.toml")
    assert Path(best).read_text() == (root / "best.toml").read_text()


def test_a_run_that_was_refused_is_told_as_failed_with_its_reason(root, run_job, server):
    ended = run_job("prepare_examples", root, "--date", "2020-01-01", "--set", f"tracking.uri={json.dumps(server)}")
    assert ended.code > 0
    _, (run,) = tracked(server)
    assert run.info.status == "FAILED"
    assert run.data.tags["error"] in ended.err


def test_a_server_that_is_not_there_is_a_warning_and_the_run_is_done(root, run_job, tmp_path):
    closed = tmp_path / "no-folder"
    closed.write_text("a file where a folder should be")
    ended = run_job("prepare_examples", root, *DAY, "--set", f"tracking.uri={json.dumps(closed.as_uri())}")
    assert ended.code == 0, ended.err
    assert "the run was not told to MLflow" in ended.err


def test_nothing_is_told_of_a_dry_run_or_without_a_server(root, run_job, server):
    assert run_job("prepare_examples", root, *DAY, "--dry-run", "--set", f"tracking.uri={json.dumps(server)}").code == 0
    assert run_job("prepare_examples", root, *DAY).code == 0
    assert tracked(server)[1] == []
