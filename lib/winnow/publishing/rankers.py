"""Rankers in the store of models: one version holds one of each label, and is opened only for what it was made for."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from winnow import schema
from winnow.config import Settings
from winnow.errors import ModelError, SettingsError
from winnow.publishing.featured import ranked_by, reads_features
from winnow.ranking import LEARNERS, Ranker
from winnow.run import Run
from winnow.store import Card, ModelStore, Stored, at_least

#: The file that tells everything about the rankers but their models.
_RANKERS = "rankers.json"
#: Under which key of it the settings stand that columns were made by.
_MADE_WITH = "made_with"


def store_rankers(run: Run, rankers: Sequence[Ranker], metrics: Mapping[str, float]) -> None:
    """Save the rankers as a version of the model, named by the run, and let it serve where the settings say so.

    Raises GuardError where a label's AUC is below ``ranking.least_auc``: what served before serves on.
    """
    if run.is_dry:
        return
    settings, record = run.settings.ranking, run.record()
    ending = LEARNERS[settings.model].ending
    parts = {f"{ranker.label}{ending}": ranker.model.native for ranker in rankers}
    told = json.dumps({_MADE_WITH: _made_with(run.settings), "rankers": [ranker.as_record() for ranker in rankers]})
    card = Card(
        kind=settings.model,
        code_version=record[schema.CODE_VERSION],
        config_hash=record[schema.CONFIG_HASH],
        input_versions=dict(run.tables.pinned),
        label=",".join(settings.labels),
        features=tuple(ranked_by(run.settings)),
        correction=settings.correction,
        metrics=metrics,
    )
    store = ModelStore(run.tables.root)
    store.save(settings.called, run.run_id, {**parts, _RANKERS: told.encode()}, card)
    run.say(f"models/{settings.called}/{run.run_id} saved")
    if settings.serve:
        gates = [at_least(f"auc_{label}", settings.least_auc) for label in settings.labels]
        store.promote(settings.called, run.run_id, gates if metrics else ())
        run.say(f"models/{settings.called}/{run.run_id} serves")


def stored_rankers(run: Run, version: str | None = None) -> tuple[str, list[Ranker]]:
    """Return a version, by default the one that serves, and its rankers, in the order of the settings' labels.

    Raises InputNotReadyError where there is none, ModelError naming what it was made for otherwise than the settings ask:
    learner, labels, columns, correction, or settings by which features mean something else.
    """
    settings = run.settings.ranking
    stored = ModelStore(run.tables.root).open(settings.called, version)
    stored.check(
        kind=settings.model,
        label=",".join(settings.labels),
        features=tuple(ranked_by(run.settings)),
        correction=settings.correction,
    )
    told = json.loads(stored.read(_RANKERS))
    if isinstance(told, list):  # of earlier versions, which tell no settings
        told = {_MADE_WITH: {}, "rankers": told}
    _check_made_with(run, stored, told[_MADE_WITH])
    return stored.manifest.version, [_revived(stored, record) for record in told["rankers"]]


def _made_with(settings: Settings) -> dict[str, Any]:
    """Return the settings by which a column of the same name means something else, by their keys; none without features.

    What only adds columns that are named after it (flags, keywords, crosses) is told by the columns.
    """
    if not reads_features(settings):
        return {}
    record = settings.as_record()
    own = {name: value for name, value in record["features"].items() if name not in ("flags", "keywords", "crosses")}
    sections = {
        "features": own,
        f"labels.{settings.features.label}": record["labels"].get(settings.features.label, {}),
        "splitting": {"utc_offset_h": settings.splitting.utc_offset_h},
        "labelling": {"maturity_hours": settings.labelling.maturity_hours},
    }
    told = {f"{section}.{name}": value for section, values in sections.items() for name, value in values.items()}
    plain: dict[str, Any] = json.loads(json.dumps(told))
    return plain


def _check_made_with(run: Run, stored: Stored, trained: Mapping[str, Any]) -> None:
    """Raise ModelError naming each setting of features that is another one now than in training."""
    now = _made_with(run.settings)
    keys = sorted(trained.keys() & now.keys())
    changed = [f"{key} {trained[key]!r}, found {now[key]!r}" for key in keys if trained[key] != now[key]]
    if changed:
        raise ModelError(
            f"models/{stored.manifest.name}/{stored.manifest.version}: expected the settings by which its columns were made in "
            f"training: {'; '.join(changed)}. Set them so, or train a version with those of now."
        )


def _revived(stored: Stored, record: Mapping[str, object]) -> Ranker:
    name = str(record["learner"])
    if name not in LEARNERS:
        raise SettingsError(f"ranking.model: expected one of {', '.join(LEARNERS)}, found {name}")
    learner, part = LEARNERS[name], str(record[schema.LABEL])
    native = stored.read(f"{part}{learner.ending}") if learner.ending else stored.spark_model(part)
    return Ranker.from_record(record, learner.revive(native))
