"""Sections on models: metrics with their intervals, reliability curves, searches for settings, the sweep of the balance."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from typing import Any

from winnow import schema
from winnow.reporting import charts, words
from winnow.reporting.contents import Contents, Rows
from winnow.reporting.parts import Cell, Figure, Figures, Grid, Note, Part, Section, grid
from winnow.reporting.svg import COLOURS

#: Metrics that have a chart, where they were measured; every other one stands in the table.
_CHARTED = ("ndcg", "map", "precision", "recall", "hit_rate", "mrr", "auc", "pr_auc", "ne")
#: Places of a list that are charted where they were measured.
_USUAL_K = 10
_BALANCE = "weighting.balance"
_EVALUATE = "python jobs/evaluate.py --root ROOT --date DAY"
_ALL = "{}"


def metrics_section(contents: Contents) -> Section:
    """Return how good each source and ranker was in the last period of each protocol."""
    lead = "How good each source of candidates and each ranker was, with the interval that holds the truth."
    section = Section("metrics", "Metrics", lead)
    if not contents.metrics:
        return _missing(section, "The table metrics has no rows", _EVALUATE)
    colours = colours_of(contents)
    parts: list[Part] = []
    for protocol in sorted({row[schema.PROTOCOL] for row in contents.metrics}):
        rows = [row for row in contents.metrics if row[schema.PROTOCOL] == protocol]
        parts += _protocol(protocol, rows, colours)
    return _with(section, *parts)


def reliability_section(contents: Contents) -> Section:
    """Return what each ranker predicted beside what happened."""
    lead = "What was predicted beside what happened: on the dashed line a probability is what it says."
    section = Section("reliability", "Reliability", lead)
    rows = [row for row in contents.reliability or () if row[schema.SLICE] == _ALL]
    if not rows:
        return _missing(section, "The table reliability has no curve: no ranker's scores were measured", _EVALUATE)
    colours = colours_of(contents)
    figures, table = [], []
    for model, label in sorted({(row[schema.MODEL], row[schema.LABEL]) for row in rows}):
        mine = sorted((row for row in rows if (row[schema.MODEL], row[schema.LABEL]) == (model, label)), key=_bin)
        title = f"{words.spaced(model)} of {words.spaced(label)}"
        bins = [(row[schema.MEAN_SCORE], row[schema.POSITIVE_SHARE], row[schema.ROWS]) for row in mine]
        note = f"{words.period(mine[0][schema.START_DATE], mine[0][schema.END_DATE])}, {sum(rows for *_, rows in bins):,} rows"
        figures.append(Figure(title, charts.reliability(title, bins, colours[model]), note))
        table += [
            [
                Cell(words.spaced(model)), Cell(words.spaced(label)), *map(_whole, (row[schema.BIN], row[schema.ROWS])),
                Cell(words.share(row[schema.MEAN_SCORE]), row[schema.MEAN_SCORE]),
                Cell(words.share(row[schema.POSITIVE_SHARE]), row[schema.POSITIVE_SHARE]),
            ]
            for row in mine
        ]  # fmt: skip
    heads = [schema.MODEL, schema.LABEL, schema.BIN, schema.ROWS, "predicted", "observed"]
    return _with(section, Figures(figures), grid("Bins of the curves", heads, table, is_folded=True))


def balance_sweep_section(contents: Contents) -> Section:
    """Return the objective of searches by the balance of satisfaction and watch time that they tried."""
    lead = "What the knob between satisfaction (0) and time watched (1) does to the objective."
    section = Section("sweep", "Balance sweep", lead)
    swept = [row for row in _valued(contents.trials) if _BALANCE in _tried(row)]
    if not swept:
        space = f"""'tuning.space={{"{_BALANCE}" = {{low = 0.0, high = 1.0}}}}'"""
        command = f"python jobs/tune.py --root ROOT --start DAY --end DAY --set tuning.model=gbt --set {space}"
        return _missing(section, f"No search has tried {_BALANCE}", command)
    return _with(section, Figures([_by_setting(study, rows, _BALANCE) for study, rows in _studies(swept).items()]))


def tuning_section(contents: Contents) -> Section:
    """Return each search for settings: its trials in order, the objective by each setting, and all that was tried."""
    lead = "Searches for better settings: each trial's objective, and the best so far."
    section = Section("tuning", "Tuning", lead)
    if not contents.trials:
        return _missing(
            section, "The table trials has no rows", "python jobs/tune.py --root ROOT --start DAY --end DAY"
        )
    parts: list[Part] = []
    for study, rows in _studies(contents.trials).items():
        parts += _study(study, rows)
    return _with(section, *parts)


def best_of_lists(contents: Contents) -> Mapping[str, Any] | None:
    """Return the metric of the model whose lists have the largest ndcg, None where no lists were measured."""
    rows = [row for row in contents.metrics or () if row[schema.METRIC] == "ndcg" and _is_plain(row)]
    k = _charted_k(rows)
    return max((row for row in rows if row[schema.K] == k), key=lambda row: row[schema.VALUE], default=None)


def colours_of(contents: Contents) -> Mapping[str, int]:
    """Return the colour of each model, the same in all sections."""
    measured = {row[schema.MODEL] for table in (contents.metrics, contents.reliability) for row in table or ()}
    return {model: place % COLOURS for place, model in enumerate(sorted(measured))}


def _protocol(protocol: str, rows: Rows, colours: Mapping[str, int]) -> list[Part]:
    period = words.period(rows[0][schema.START_DATE], rows[0][schema.END_DATE])
    parts: list[Part] = [Note(f"Protocol: {words.spaced(protocol)}. Period: {period}.")]
    plain = [row for row in rows if _is_plain(row)]
    k = _charted_k(plain)
    names = {row[schema.METRIC] for row in plain}
    charted = [name for name in _CHARTED if name in names] or sorted(names)[: len(_CHARTED)]
    figures = []
    for name in charted:
        shown = [row for row in plain if row[schema.METRIC] == name and row[schema.K] in (None, k)]
        title = _named(shown[0])
        figures.append(Figure(title, charts.intervals(title, _estimates(shown, colours), words.metric)))
    parts.append(Figures(figures))
    compared = [row for row in rows if row[schema.BASELINE] and row[schema.SLICE] == _ALL]
    if compared:
        parts += _differences(compared, k, colours)
    parts.append(_table("Every metric", [row for row in rows if _is_whole(row)]))
    sliced = [row for row in rows if row[schema.SLICE] != _ALL and not row[schema.BASELINE]]
    if sliced:
        parts.append(_table("By slices", sliced))
    return parts


def _differences(rows: Rows, k: int | None, colours: Mapping[str, int]) -> list[Part]:
    figures = []
    for name in (name for name in _CHARTED if any(row[schema.METRIC] == name for row in rows)):
        shown = [row for row in rows if row[schema.METRIC] == name and row[schema.K] in (None, k)]
        if shown:
            title = f"{_named(shown[0])}, difference to {words.spaced(shown[0][schema.BASELINE])}"
            figures.append(Figure(title, charts.intervals(title, _estimates(shown, colours), _signed)))
    return [Figures(figures[:3])]


def _estimates(rows: Rows, colours: Mapping[str, int]) -> list[charts.Estimate]:
    known = sorted((row for row in rows if row[schema.VALUE] is not None), key=lambda row: -row[schema.VALUE])
    return [
        charts.Estimate(
            words.spaced(row[schema.MODEL]),
            row[schema.VALUE],
            row[schema.LOW],
            row[schema.HIGH],
            colours[row[schema.MODEL]],
        )
        for row in known
    ]


def _table(caption: str, rows: Rows) -> Grid:
    has_slices = any(row[schema.SLICE] != _ALL for row in rows)
    has_baseline = any(row[schema.BASELINE] for row in rows)
    heads: list[str] = [schema.MODEL, *([schema.SLICE] if has_slices else []), schema.METRIC]
    heads += [schema.VALUE, schema.LOW, schema.HIGH, *(["minus", "p-value"] if has_baseline else []), "users or rows"]
    table = []
    for row in sorted(
        rows, key=lambda row: (row[schema.METRIC], row[schema.K] or 0, row[schema.SLICE], row[schema.MODEL])
    ):
        value, low, high, p_value = (row[name] for name in (schema.VALUE, schema.LOW, schema.HIGH, schema.P_VALUE))
        cells = [
            Cell(words.spaced(row[schema.MODEL])),
            *([Cell(words.stratum(row[schema.SLICE]))] if has_slices else []),
        ]
        cells += [Cell(_named(row)), *(Cell(words.metric(end), end) for end in (value, low, high))]
        if has_baseline:
            cells += [Cell(words.spaced(row[schema.BASELINE] or "")), Cell(words.metric(p_value), p_value)]
        table.append([*cells, _whole(row[schema.UNITS])])
    return grid(caption, heads, table, is_folded=True)


def _study(study: str, rows: Rows) -> list[Part]:
    valued = _valued(rows)
    parts: list[Part] = []
    if valued:
        best = max(valued, key=lambda row: row[schema.VALUE])
        told = f"{study}: the best of {len(rows)} trials has {best[schema.OBJECTIVE]} {words.metric(best[schema.VALUE])}, with {_settings(best)}."
        title = f"{best[schema.OBJECTIVE]} by trial"
        points = [(row[schema.TRIAL], row[schema.VALUE], _settings(row)) for row in valued]
        figures = [Figure(title, charts.search(title, points, words.metric, best=True), "The line is the best so far.")]
        numeric = [
            key for key in sorted(_tried(best)) if len({_number(_tried(row).get(key)) for row in valued} - {None}) > 2
        ]
        figures += [_by_setting(study, valued, key) for key in numeric]
        parts += [Note(told), Figures(figures)]
    heads = [schema.TRIAL, schema.TRIED, schema.STATUS, schema.VALUE, "folds", "seconds", schema.ERROR]
    return [*parts, grid(f"Trials of {study}", heads, [_trial(row) for row in rows], is_folded=bool(valued))]


def _trial(row: Mapping[str, Any]) -> list[Cell]:
    folds = ", ".join(words.metric(value) for value in row[schema.FOLD_VALUES] or ())
    seconds = _seconds(row[schema.STARTED_TS], row[schema.FINISHED_TS])
    value = row[schema.VALUE]
    return [
        _whole(row[schema.TRIAL]), Cell(_settings(row)), Cell(row[schema.STATUS]), Cell(words.metric(value), value),
        Cell(folds), Cell(f"{seconds:.1f}", seconds), Cell(row[schema.ERROR] or ""),
    ]  # fmt: skip


def _by_setting(study: str, rows: Rows, key: str) -> Figure:
    points = [
        (number, row[schema.VALUE], _settings(row))
        for row in rows
        if (number := _number(_tried(row).get(key))) is not None
    ]
    title = f"{rows[0][schema.OBJECTIVE]} by {key}"
    return Figure(title, charts.search(title, points, words.metric, best=False), f"Trials of {study}.")


def _studies(rows: Rows) -> dict[str, list[Mapping[str, Any]]]:
    studies: dict[str, list[Mapping[str, Any]]] = {}
    for row in sorted(rows, key=lambda row: (row[schema.STUDY], row[schema.TRIAL])):
        studies.setdefault(row[schema.STUDY], []).append(row)
    return studies


def _valued(rows: Rows | None) -> list[Mapping[str, Any]]:
    return [row for row in rows or () if row[schema.VALUE] is not None and row[schema.STATUS] == "done"]


def _tried(row: Mapping[str, Any]) -> dict[str, Any]:
    tried: dict[str, Any] = json.loads(row[schema.TRIED])
    return tried


def _settings(row: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} = {_plain(value)}" for key, value in _tried(row).items())


def _plain(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else json.dumps(value) if isinstance(value, list) else str(value)


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _seconds(started: dt.datetime, finished: dt.datetime) -> float:
    return (finished - started).total_seconds()


def _charted_k(rows: Rows) -> int | None:
    """Return the usual number of places, or else the middle one of those that were measured."""
    found = sorted({row[schema.K] for row in rows if row[schema.K] is not None})
    return _USUAL_K if _USUAL_K in found else found[len(found) // 2] if found else None


def _is_plain(row: Mapping[str, Any]) -> bool:
    return _is_whole(row) and not row[schema.BASELINE] and row[schema.VALUE] is not None


def _is_whole(row: Mapping[str, Any]) -> bool:
    return bool(row[schema.SLICE] == _ALL)


def _named(row: Mapping[str, Any]) -> str:
    return words.metric_name(row[schema.METRIC], row[schema.K])


def _signed(value: float) -> str:
    return f"{value:+.4f}".replace("-", "−")


def _bin(row: Mapping[str, Any]) -> int:
    return int(row[schema.BIN])


def _whole(value: int) -> Cell:
    return Cell(words.count(value), value)


def _missing(section: Section, what: str, command: str) -> Section:
    return Section(section.name, section.title, section.lead, missing=f"{what}. Made by: {command}")


def _with(section: Section, *parts: Part) -> Section:
    return Section(section.name, section.title, section.lead, parts)
