"""The funnel of a day: where each input row went, told so that it sums."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from winnow.errors import JobError


@dataclass(frozen=True)
class LabelFunnel:
    """What became of a day's valid rows for one label."""

    positives: int
    negatives: int
    middle: int
    #: Rows without a label, by reason.
    unlabelled: Mapping[str, int]
    kept_positives: int | None = None
    kept_negatives: int | None = None

    @property
    def rows(self) -> int:
        """Rows with any outcome."""
        return self.positives + self.negatives + self.middle + sum(self.unlabelled.values())

    def with_kept(self, positives: int, negatives: int) -> LabelFunnel:
        """Return the funnel with what was stored."""
        return replace(self, kept_positives=positives, kept_negatives=negatives)


@dataclass(frozen=True)
class Funnel:
    """A day: input rows -> duplicates -> quarantined by reason -> unlabelled -> middle -> positives, negatives -> kept."""

    day: dt.date | None
    input_rows: int
    duplicates: int
    #: Refused rows by their first reason.
    quarantined: Mapping[str, int]
    #: Valid rows that were watched beyond the duration; they are among the positives and capped in the weight.
    rewatched: int = 0
    labels: Mapping[str, LabelFunnel] = field(default_factory=dict)

    @property
    def valid_rows(self) -> int:
        """Rows that are neither duplicates nor refused."""
        return self.input_rows - self.duplicates - sum(self.quarantined.values())

    def check_sums(self) -> None:
        """Raise JobError unless every input row is accounted for, once, for every label."""
        for name, label in self.labels.items():
            if label.rows != self.valid_rows:
                raise JobError(f"funnel of {self.day}, {name}: {label.rows} outcomes of {self.valid_rows} valid rows")
            for kept, there in ((label.kept_positives, label.positives), (label.kept_negatives, label.negatives)):
                if kept is not None and not 0 <= kept <= there:
                    raise JobError(f"funnel of {self.day}, {name}: {kept} rows kept of {there}")

    def as_record(self) -> dict[str, Any]:
        """Return the funnel as plain values for the run's record."""
        return {**asdict(self), "day": None if self.day is None else self.day.isoformat()}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Funnel:
        """Return the funnel that ``as_record`` told of."""
        labels = {name: LabelFunnel(**label) for name, label in record["labels"].items()}
        day = record["day"]
        return cls(**{**record, "labels": labels, "day": None if day is None else dt.date.fromisoformat(day)})


def screen(funnels: Sequence[Funnel]) -> str:
    """Return the funnels as one table of text: a column a day, a row a step, and the sum of all days."""
    steps = [_steps(funnel) for funnel in funnels]
    lines: dict[str, list[int | None]] = {name: [one.get(name) for one in steps] for name in _in_order(steps)}
    heads = [str(funnel.day or "all days") for funnel in funnels]
    if len(funnels) > 1:
        heads.append("sum")
        lines = {name: [*counts, _sum(counts)] for name, counts in lines.items()}
    name_width = max(map(len, lines))
    widths = [max(len(head), *(len(_text(counts[i])) for counts in lines.values())) for i, head in enumerate(heads)]
    out = [" " * name_width + "  " + "  ".join(head.rjust(width) for head, width in zip(heads, widths, strict=True))]
    for name, counts in lines.items():
        cells = (_text(count).rjust(width) for count, width in zip(counts, widths, strict=True))
        out.append(name.ljust(name_width) + "  " + "  ".join(cells))
    return "\n".join(out)


def _steps(funnel: Funnel) -> dict[str, int | None]:
    steps: dict[str, int | None] = {"input rows": funnel.input_rows, "- duplicates": funnel.duplicates}
    steps |= {f"- quarantined: {reason}": count for reason, count in funnel.quarantined.items() if count}
    steps["= valid rows"] = funnel.valid_rows
    if funnel.rewatched:
        steps["  (watched beyond the duration)"] = funnel.rewatched
    for name, label in funnel.labels.items():
        steps |= {f"{name}: {reason}": count for reason, count in label.unlabelled.items() if count}
        if label.middle:
            steps[f"{name}: middle"] = label.middle
        steps[f"{name}: positives"] = label.positives
        steps[f"{name}: negatives"] = label.negatives
        steps[f"{name}: kept positives"] = label.kept_positives
        steps[f"{name}: kept negatives"] = label.kept_negatives
    return steps


def _in_order(steps: Sequence[Mapping[str, int | None]]) -> list[str]:
    """Return the names of all steps: one that only some of the days have stands where those have it."""
    names: list[str] = []
    for one in steps:
        place = 0
        for name in one:
            if name not in names:
                names.insert(place, name)
            place = names.index(name) + 1
    return names


def _sum(counts: Sequence[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def _text(count: int | None) -> str:
    return "-" if count is None else f"{count:,}"
