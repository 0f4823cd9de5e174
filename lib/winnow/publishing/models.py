"""Models of retrieval from fitted to serving: measured on days held out, stored, and promoted when they pass their gates."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from winnow import retrieval, schema
from winnow.errors import DataError, InputNotReadyError, LeakError
from winnow.publishing.known import check_sources, known_as_of, with_numbers
from winnow.publishing.measuring import RECALL, fitted_and_held, measure_index, measure_sources
from winnow.run import Run
from winnow.store import Card, Gate, ModelStore, at_least


@dataclass(frozen=True)
class Fitted:
    """A model, and the version that it is stored under; None = it is not stored."""

    model: retrieval.Model
    version: str | None = None
    #: Recall of its lists on days that were held out, where it was measured.
    recall: float | None = None


def train_models(run: Run, as_of: dt.date) -> None:
    """Fit every source to what was known before the day, store it, and let it serve when it passes its gates.

    The gate: recall on the last ``retrieval.gates.validation_days`` before the day, by models that were fitted to the days
    before those, is at least ``least_of_former`` of what the serving model's card tells. The models that then serve know the
    held-out days too. Nothing serves before all are stored and have passed; what fails on the way leaves all former models serving.

    Raises InputNotReadyError without examples before the day, GuardError naming the gates that stay shut.
    """
    check_sources(run)
    sources = run.settings.retrieval.sources
    metrics = measure_sources(run, as_of)
    known = with_numbers(run, known_as_of(run, as_of))
    if run.is_dry:
        return
    store, version = _store(run), f"{as_of:%Y%m%d}-{run.run_id}"
    gates = {source: _gates(run, store, source, metrics.get(source, {})) for source in sources}
    for source in sources:
        with fitted_and_held(run, known, [source]) as models:
            told = {**metrics.get(source, {}), **measure_index(run, known, source, models[source])}
            store.save(source, version, models[source].parts(), _card(run, source, told))
        run.say(f"{as_of}: {source} stored as {version}")
    for source in sources:
        store.prove(source, version, gates[source])
    for source in sources:
        store.promote(source, version)
    run.say(f"{as_of}: {', '.join(sources)} serve")


def roll_back(run: Run) -> None:
    """Let the models serve that served before: those of all sources, or where one cannot, of none.

    Raises InputNotReadyError where there was none, ModelError for one that was changed.
    """
    store, sources = _store(run), run.settings.retrieval.sources
    for source in sources:
        store.open(source, store.former(source))
    for source in sources:
        run.say(f"{source}: {store.rollback(source)} serves again")


@contextlib.contextmanager
def serving_or_fitted(
    run: Run, as_of: dt.date, known: retrieval.Interactions, *, is_fitted_anew: bool
) -> Iterator[dict[str, Fitted]]:
    """Give a model of each source: the one that serves, or where there is none one that is fitted now, and kept meanwhile.

    Raises ModelError for a stored model that was changed, LeakError for one that knows the day or later ones.
    """
    stored = (
        {} if is_fitted_anew else {source: _serving(run, as_of, source) for source in run.settings.retrieval.sources}
    )
    lacking = [source for source in run.settings.retrieval.sources if stored.get(source) is None]
    if lacking:
        check_sources(run)
        why = "" if is_fitted_anew else ": none serves"
        run.say(f"{as_of}: {', '.join(lacking)} {'is' if len(lacking) == 1 else 'are'} fitted for this day only{why}")
    with fitted_and_held(run, known, lacking) as models:
        new = {source: Fitted(model) for source, model in models.items()}
        yield {source: stored.get(source) or new[source] for source in run.settings.retrieval.sources}


def stored_before(run: Run, source: str, day: dt.date) -> tuple[retrieval.Model, dt.date]:
    """Return the newest stored model of a source that knows nothing from the day on, and the day before which it was fitted.

    Raises InputNotReadyError where there is none, ModelError for one that was changed.
    """
    fitted = [one.version for one in _store(run).versions(source) if one.version[:8] <= f"{day:%Y%m%d}"]
    if not fitted:
        raise InputNotReadyError(
            f"models/{source}: expected one that knows nothing from {day} on, found none. Run train_retrieval.py --date {day}."
        )
    newest = max(fitted)
    return _loaded(run, source, newest).model, dt.date.fromisoformat(newest[:8])


def merging_weights(models: Mapping[str, Fitted], settings: retrieval.RetrievalSettings) -> retrieval.MergingSettings:
    """Return how the lists are merged: by the weights that are set, else by what each source's recall was found to be."""
    recalls = {source: fitted.recall for source, fitted in models.items() if fitted.recall is not None}
    return settings.merging.weighed(recalls if len(recalls) == len(models) else {})


def _serving(run: Run, as_of: dt.date, source: str) -> Fitted | None:
    store = _store(run)
    try:
        version = store.serving(source)
    except InputNotReadyError:
        return None
    if version[:8] > f"{as_of:%Y%m%d}":
        raise LeakError(
            f"{as_of}: expected a model of {source} that knows nothing from this day on, found {version} serving. Use --fit, "
            "or train and roll back."
        )
    run.say(f"{as_of}: {source} is that of {version}")
    return _loaded(run, source, version)


def _loaded(run: Run, source: str, version: str) -> Fitted:
    stored = _store(run).open(source, version)
    stored.check(kind=source, label=run.settings.retrieval.label)
    names = sorted({file.partition("/")[0] for file in stored.manifest.files})
    parts = {name: stored.read(name) if "." in name else stored.rows(run.tables.spark, name) for name in names}
    model = retrieval.LEARNERS[source].load(parts, run.settings.retrieval)
    return Fitted(model, version, stored.manifest.card.metrics.get(RECALL))


def _store(run: Run) -> ModelStore:
    return ModelStore(run.tables.root)


def _gates(run: Run, store: ModelStore, source: str, metrics: Mapping[str, float]) -> list[Gate]:
    try:
        former = store.open(source).manifest.card.metrics
    except (InputNotReadyError, DataError):  # none, or one that was changed: nothing to be as good as
        return []
    if RECALL not in former or RECALL not in metrics:
        return []
    return [at_least(RECALL, run.settings.retrieval.gates.least_of_former * former[RECALL])]


def _card(run: Run, source: str, metrics: Mapping[str, float]) -> Card:
    record = run.record()
    return Card(
        kind=source,
        code_version=record[schema.CODE_VERSION],
        config_hash=record[schema.CONFIG_HASH],
        input_versions=dict(run.tables.pinned),
        id_map_version=run.tables.written.get(schema.USER_IDS.name),
        label=run.settings.retrieval.label,
        metrics=metrics,
    )
