"""``[tracking]``: a run told to an MLflow server too: what it was asked, what it measured, and the files that it wrote."""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from winnow import schema
from winnow.config import Settings
from winnow.errors import SettingsError
from winnow.run import Run

_LOG = logging.getLogger("winnow")
#: What MLflow lets stand in a name, and how much it takes at once.
_NOT_IN_NAMES = re.compile(r"[^\w. /-]")
_AT_ONCE = 100
_TAGS = (schema.JOB, schema.RUN_ID, schema.STATUS, schema.ERROR, schema.CODE_VERSION, schema.CONFIG_HASH)
_VERSIONS = (schema.INPUT_VERSIONS, schema.OUTPUT_VERSIONS)
_One = TypeVar("_One")


def check_tracking(settings: Settings) -> None:
    """Raise SettingsError where runs are to be told to MLflow and its package is missing: before the work, not after it."""
    if settings.tracking.uri is None:
        return
    # What a run tells, it tells the server that was named, and nobody else.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    try:
        import mlflow  # noqa: F401 - an extra: only who asks for it needs it
    except ImportError as missing:
        raise SettingsError(
            f"tracking.uri: expected the package mlflow, found: {missing}. Install winnow[mlflow], or leave the setting out."
        ) from missing


def track(run: Run, record: Mapping[str, Any]) -> None:
    """Tell the ended run to the server of ``tracking.uri``, if there is one; what goes wrong there is a warning.

    ``record``: the run as the table ``runs`` has it, secrets masked. Parameters are the settings that differ from the
    defaults, by their dotted keys; all of them are the artifact config.json. Metrics are what the run measured, and the
    sums of its funnels.
    """
    settings = run.settings.tracking
    if settings.uri is None or run.is_dry:
        return
    try:
        _tell(run, record)
    except Exception as fault:  # of MLflow, of the network, of the server: the run itself is done and recorded
        _LOG.warning("tracking.uri: the run was not told to MLflow: %s", str(fault).splitlines()[0])


def _tell(run: Run, record: Mapping[str, Any]) -> None:
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Param, RunTag

    settings = run.settings.tracking
    client = MlflowClient(tracking_uri=settings.uri)
    known = client.get_experiment_by_name(settings.experiment)
    experiment = known.experiment_id if known else client.create_experiment(settings.experiment)
    began = _millis(record[schema.STARTED_TS])
    tracked = client.create_run(experiment, start_time=began, run_name=f"{run.job} {run.run_id}").info.run_id
    tags = {str(name): record[name] for name in _TAGS if record[name] is not None}
    tags |= {f"{name}.{table}": version for name in _VERSIONS for table, version in json.loads(record[name]).items()}
    config = json.loads(record[schema.CONFIG])
    now = _millis(record[schema.FINISHED_TS])
    measured = [*_of_funnels(run), *run.measured]
    for some in _chunks([Metric(_name(name), value, now, step) for name, value, step in measured]):
        client.log_batch(tracked, metrics=some)
    for told in _chunks([Param(_name(key), str(value)[:6000]) for key, value in _changed(config)]):
        client.log_batch(tracked, params=told)
    client.log_batch(tracked, tags=[RunTag(_name(key), str(value)) for key, value in tags.items()])
    client.log_text(tracked, json.dumps(config, indent=2, sort_keys=True), "config.json")
    for path in run.files:
        client.log_artifact(tracked, str(path))
    client.set_terminated(tracked, "FINISHED" if record[schema.STATUS] == "done" else "FAILED")


def _of_funnels(run: Run) -> Iterator[tuple[str, float, int]]:
    """Yield the sums over the days of the run's funnels."""
    sums: dict[str, int] = {}
    for funnel in run.funnels:
        counts = {"input_rows": funnel.input_rows, "duplicates": funnel.duplicates, "valid_rows": funnel.valid_rows}
        for name, label in funnel.labels.items():
            counts |= {f"{name}_positives": label.positives, f"{name}_negatives": label.negatives}
            counts |= {f"{name}_kept_positives": label.kept_positives or 0}
            counts |= {f"{name}_kept_negatives": label.kept_negatives or 0}
        for name, count in counts.items():
            sums[name] = sums.get(name, 0) + count
    yield from ((f"funnel.{name}", float(count), 0) for name, count in sums.items())


def _changed(config: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the settings that are not the defaults."""
    defaults = dict(_flat(Settings().as_record()))
    yield from ((key, value) for key, value in _flat(config) if key not in defaults or defaults[key] != value)


def _flat(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def _name(text: str) -> str:
    """Return the name as MLflow allows it: precision@10 is precision_at_10."""
    return _NOT_IN_NAMES.sub("_", text.replace("@", "_at_"))[:250]


def _chunks(items: list[_One]) -> Iterator[list[_One]]:
    yield from (items[place : place + _AT_ONCE] for place in range(0, len(items), _AT_ONCE))


def _millis(moment: Any) -> int:
    return int(moment.timestamp() * 1000)
