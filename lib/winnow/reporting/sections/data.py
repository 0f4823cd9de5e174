"""Sections on the data: the funnel, the balance before and after, the weights, and the ledger over days."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from winnow import schema
from winnow.funnel import Funnel
from winnow.reporting import charts, words
from winnow.reporting.contents import Contents
from winnow.reporting.parts import Cell, Figure, Figures, Note, Part, Section, grid
from winnow.reporting.svg import COLOURS

_MAIN_JOB = "python jobs/prepare_examples.py --root ROOT --date DAY"
#: What the ledger counts, and what is summed of it.
_COUNTS = (
    schema.IMPRESSION_ROWS, schema.POSITIVES, schema.NEGATIVES, schema.MIDDLE, schema.UNLABELLED,
    schema.KEPT_POSITIVES, schema.KEPT_NEGATIVES,
)  # fmt: skip
#: Widths of a histogram's bins: the first of them with which it has few enough.
_WIDTHS = (0.05, 0.1, 0.2, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0)
_MOST_BINS = 40


def funnel_section(contents: Contents) -> Section:
    """Return where each impression went, from the log to the examples of each label."""
    lead = "Where every impression went: from the log, through duplicates and refusals, to what was kept of each label."
    section = Section("flow", "Funnel", lead)
    if not contents.funnels:
        return _missing(section, "runs", "a finished run of the main job", _MAIN_JOB)
    funnels = sorted(contents.funnels, key=lambda one: str(one.day))
    colours = _colours(contents)
    figures = [_label_figure(label, funnels, colours[label]) for label in _labels(funnels)]
    reasons = sorted({reason for one in funnels for reason, rows in one.quarantined.items() if rows})
    heads = ["day", "impressions", "duplicates", *map(words.spaced, reasons), "valid", "beyond the duration"]
    rows = [
        [
            Cell(str(one.day)),
            *map(_counted, (one.input_rows, one.duplicates)),
            *(_counted(one.quarantined.get(reason, 0)) for reason in reasons),
            *map(_counted, (one.valid_rows, one.rewatched)),
        ]
        for one in funnels
    ]
    return _with(section, Figures(figures), grid("Rows of each day", heads, rows))


def balance_section(contents: Contents, most: int) -> Section:
    """Return the share of positives before and after the downsampling, of each label and of its largest strata."""
    lead = "Share of positives among labelled rows: as the log had it, and as the trainer gets it."
    section = Section("balance", "Labels and strata, before and after", lead)
    rows = [row for row in contents.ledger or () if row[schema.EVENT_DATE] not in contents.natural_days]
    if not rows:
        return _missing(section, "ledger", "days of training", _MAIN_JOB)
    by_label = _summed(rows, (schema.LABEL,))
    colours = _colours(contents)
    labels = sorted((label for (label,) in by_label), key=lambda label: colours[label])
    whole = [(words.spaced(label), *_before_after(by_label[label,]), colours[label]) for label in labels]
    title = "Every label"
    figures = [Figure(title, charts.before_and_after(title, whole), "All days of training and all strata together.")]
    table, left_out = [], 0
    for label in labels:
        strata = _summed((row for row in rows if row[schema.LABEL] == label), (schema.STRATUM,))
        ranked = sorted(strata.items(), key=lambda item: -item[1][schema.IMPRESSION_ROWS])
        left_out = max(left_out, len(ranked) - most)
        shown = [(words.stratum(stratum), *_before_after(sums), colours[label]) for (stratum,), sums in ranked[:most]]
        if len(strata) > 1:
            title = f"Strata of {words.spaced(label)}"
            figures.append(Figure(title, charts.before_and_after(title, shown)))
        table += [_stratum_row(label, stratum, sums) for (stratum,), sums in ranked]
    heads = [schema.LABEL, schema.STRATUM, *map(words.spaced, _COUNTS), "before", "after"]
    parts: list[Part] = [Figures(figures)]
    if left_out > 0:
        parts.append(Note(f"The charts show the {most} largest strata of each label; the table has all of them."))
    if contents.natural_days:
        parts.append(
            Note(
                f"Left out: {words.many(len(contents.natural_days), 'day')} of validation and test, which keep the log's own balance."
            )
        )
    return _with(section, *parts, grid("Every stratum", heads, table, is_folded=True))


def weights_section(contents: Contents) -> Section:
    """Return how the weights of positives are distributed, label by label."""
    lead = "How much a positive counts by its watch time. Negatives count 1, and positives 1 in the mean."
    section = Section("weights", "Weights", lead)
    if not contents.weights:
        return _missing(section, "examples", "weighted positives", _MAIN_JOB)
    figures, same = [], []
    colours = _colours(contents)
    for label in sorted({row[schema.LABEL] for row in contents.weights}, key=lambda label: colours[label]):
        bins = {row[schema.BIN]: row[schema.ROWS] for row in contents.weights if row[schema.LABEL] == label}
        title = f"Positives of {words.spaced(label)} by weight"
        if len(bins) == 1:
            same.append(words.spaced(label))
            continue
        width, merged = _merged(bins)
        figures.append(Figure(title, charts.histogram(title, merged, width, words.compact, colours[label])))
    parts: list[Part] = [Figures(figures)] if figures else []
    if same:
        parts.append(
            Note(f"All positives of {', '.join(same)} weigh the same: weighting.balance = 0 leaves watch time out.")
        )
    return _with(section, *parts)


def ledger_section(contents: Contents) -> Section:
    """Return what each day had and kept, and the days that the guards find odd beside the days before them."""
    lead = "What each day had and kept. A marked day breaks a rule of the guards when held against the days before it."
    section = Section("ledger", "Ledger and drift", lead)
    if not contents.ledger:
        return _missing(section, "ledger", "days", _MAIN_JOB)
    by_day = _summed(contents.ledger, (schema.LABEL, schema.EVENT_DATE))
    colours = _colours(contents)
    labels = sorted({label for label, _ in by_day}, key=lambda label: colours[label])
    alarms = [(alarm.day, alarm.message, alarm.severity == "block") for alarm in contents.alarms]
    figures = []
    for title, told, value in (
        ("Valid impressions", words.compact, _valid),
        ("Share of positives in the log", words.axis_share, _positives_before),
        ("Share of negatives kept", words.axis_share, _negatives_kept),
    ):
        if value is _valid:  # the same for every label
            lines = [charts.Line("rows", _points(by_day, labels[0], value), COLOURS - 1)]
        else:
            lines = [charts.Line(words.spaced(one), _points(by_day, one, value), colours[one]) for one in labels]
        figures.append(Figure(title, charts.days(title, lines, told, alarms=alarms)))
    heads = ["day", schema.LABEL, *map(words.spaced, _COUNTS)]
    rows = [
        [Cell(str(day)), Cell(words.spaced(label)), *(_counted(sums[name]) for name in _COUNTS)]
        for (label, day), sums in sorted(by_day.items(), key=lambda item: (item[0][1], item[0][0]))
    ]
    return _with(section, *_alarms(contents), Figures(figures), grid("Days of the ledger", heads, rows, is_folded=True))


def _alarms(contents: Contents) -> list[Part]:
    days = len({row[schema.EVENT_DATE] for row in contents.ledger or ()})
    if not contents.alarms:
        return [Note(f"No alarm: the guards find nothing odd in {words.many(days, 'day')}.", "good")]
    found = [
        [Cell(str(alarm.day)), Cell(alarm.severity), Cell(words.spaced(alarm.rule)), Cell(alarm.message)]
        for alarm in contents.alarms
    ]
    odd = len({alarm.day for alarm in contents.alarms})
    told = f"{words.many(len(found), 'alarm')} on {odd} of {words.many(days, 'day')}."
    is_grave = any(alarm.severity == "block" for alarm in contents.alarms)
    return [
        Note(told, "alarm" if is_grave else "warn"),
        grid("Alarms", ["day", "severity", "rule", "what was expected and found"], found),
    ]


def _label_figure(label: str, funnels: list[Funnel], colour: int) -> Figure:
    mine = [one.labels[label] for one in funnels if label in one.labels]
    positives, negatives = sum(one.positives for one in mine), sum(one.negatives for one in mine)
    kept = [sum(one.kept_positives or 0 for one in mine), sum(one.kept_negatives or 0 for one in mine)]
    logged, valid = sum(one.input_rows for one in funnels), sum(one.valid_rows for one in funnels)
    rows = [
        ("impressions", logged, [(logged, "quiet")]),
        ("valid", valid, [(valid, "quiet")]),
        ("with the label", positives + negatives, [(positives, f"f{colour}"), (negatives, "quiet")]),
        ("kept", sum(kept), [(kept[0], f"f{colour}"), (kept[1], "quiet")]),
    ]
    title = words.spaced(label).capitalize()
    told = f"{positives:,} positives, in colour, and {negatives:,} negatives; kept {kept[0]:,} and {kept[1]:,}."
    return Figure(title, charts.shares(title, rows), told)


def _stratum_row(label: str, stratum: str, sums: Mapping[str, int]) -> list[Cell]:
    shares = [Cell(words.share(share), share) for share in _before_after(sums)]
    return [
        Cell(words.spaced(label)),
        Cell(words.stratum(stratum)),
        *(_counted(sums[name]) for name in _COUNTS),
        *shares,
    ]


def _before_after(sums: Mapping[str, int]) -> tuple[float, float]:
    positives, kept = sums[schema.POSITIVES], sums[schema.KEPT_POSITIVES]
    return _ratio(positives, positives + sums[schema.NEGATIVES]), _ratio(kept, kept + sums[schema.KEPT_NEGATIVES])


def _valid(sums: Mapping[str, int]) -> float:
    return sums[schema.IMPRESSION_ROWS]


def _positives_before(sums: Mapping[str, int]) -> float:
    return _before_after(sums)[0]


def _negatives_kept(sums: Mapping[str, int]) -> float:
    return _ratio(sums[schema.KEPT_NEGATIVES], sums[schema.NEGATIVES])


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def _points(
    by_day: Mapping[tuple[Any, ...], Mapping[str, int]], label: str, value: Callable[[Mapping[str, int]], float]
) -> list[tuple[dt.date, float]]:
    return [(day, value(sums)) for (of, day), sums in by_day.items() if of == label and sums[schema.IMPRESSION_ROWS]]


def _summed(rows: Iterable[Mapping[str, Any]], by: tuple[str, ...]) -> dict[tuple[Any, ...], dict[str, int]]:
    """Return the counts of ledger rows, summed by some of their columns."""
    sums: dict[tuple[Any, ...], dict[str, int]] = defaultdict(lambda: dict.fromkeys(map(str, _COUNTS), 0))
    for row in rows:
        own = sums[tuple(row[name] for name in by)]
        for name in _COUNTS:
            own[name] += row[name]
    return dict(sums)


def _merged(bins: Mapping[float, int]) -> tuple[float, list[tuple[float, int]]]:
    """Return bins of the least width that makes them few, none left out between the first and the last."""
    first, last = min(bins), max(bins)
    width = next((width for width in _WIDTHS if (last - first) / width < _MOST_BINS), (last - first) / _MOST_BINS)
    rows: dict[int, int] = defaultdict(int)
    for begins, count in bins.items():
        rows[int(begins / width + 1e-9)] += count
    return width, [(place * width, rows[place]) for place in range(min(rows), max(rows) + 1)]


def _colours(contents: Contents) -> dict[str, int]:
    """Return the colour of each label, the same in all sections: in the order in which conf names them."""
    told = [row[schema.LABEL] for rows in (contents.ledger, contents.weights) for row in rows or ()]
    labels = dict.fromkeys([*_labels(contents.funnels or ()), *sorted(told)])
    return {label: place % (COLOURS - 1) for place, label in enumerate(labels)}


def _labels(funnels: Iterable[Funnel]) -> list[str]:
    return list(dict.fromkeys(label for one in funnels for label in one.labels))


def _counted(value: int) -> Cell:
    return Cell(words.count(value), value)


def _missing(section: Section, table: str, what: str, command: str) -> Section:
    return Section(
        section.name,
        section.title,
        section.lead,
        missing=f"The table {table} has no {what}. Made by: {command}",
    )


def _with(section: Section, *parts: Part) -> Section:
    return Section(section.name, section.title, section.lead, parts)
