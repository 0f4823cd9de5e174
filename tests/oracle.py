"""What the main job must publish of a day, worked out a second time, apart: plain Python on lists of rows.

Nothing of winnow is imported, so that no mistake can stand on both sides. Times are whole microseconds, shares are
fractions of whole numbers, the draw is XXH64 of the package ``xxhash``. A row is a dict by column; impression_ts is in
microseconds since 1970 (UTC), event_date a date.
"""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from functools import total_ordering

import xxhash

CONTRACT = ("impression_id", "user_id", "media_id", "impression_ts", "event_date", "watch_s", "media_duration_s")
REQUIRED = CONTRACT[:5]
SEED = 20_260_105
DAY_S = 86_400
WEEK_S = 604_800


@dataclass(frozen=True)
class Rules:
    """What a run was asked for, in the words of its settings."""

    labels: dict = field(default_factory=lambda: {"watched": {"kind": "watched_fraction"}})
    strata: tuple = ()
    ratio: int = 1
    exact: bool = False
    seed: int = SEED
    balance: float = 0.5
    cap_s: int = 7_200
    basis: str = "watch_time"
    max_ahead_h: int = 24


@dataclass
class Outcome:
    """A day as it must come out."""

    input_rows: int
    duplicates: int
    #: Refused rows with all their reasons, in the order in which reasons are told.
    refused: list
    #: label -> outcome -> rows.
    outcomes: dict
    #: label -> stratum -> [positives, negatives].
    strata: dict
    #: impression_id -> the row with L_label, L_rate, L_weight.
    kept: dict

    @property
    def valid_rows(self):
        return self.input_rows - self.duplicates - len(self.refused)

    @property
    def first_reasons(self):
        return Counter(reasons[0] for _, reasons in self.refused)


def prepare(rows, rules):
    """Return what must become of the rows of one day."""
    settled = settle(rows, rules)
    refused = [(row, reasons) for row in settled if (reasons := refusals(row, rules))]
    valid = [dict(row) for row in settled if not refusals(row, rules)]
    outcomes, strata, kept = {}, {}, {}
    samples = {}
    for label in sorted(rules.labels, key=lambda name: bool(leaned_on(name, rules))):
        samples[label] = found = outcomes_of(valid, label, rules, samples)
        outcomes[label] = Counter(found)
        strata[label] = defaultdict(lambda: [0, 0])
        for row, outcome in zip(valid, found, strict=True):
            if outcome in ("positive", "negative"):
                strata[label][stratum_of(row, rules)][outcome == "negative"] += 1
    for label, found in samples.items():
        sample(valid, found, label, rules, strata[label], kept)
    for row in kept.values():
        for label in rules.labels:
            for what in ("label", "rate", "weight"):
                row.setdefault(f"{label}_{what}")
    return Outcome(len(rows), len(rows) - len(settled), refused, outcomes, strata, kept)


# ---- duplicates and refusals ---------------------------------------------------------------------------------------


def settle(rows, rules):
    """Keep of the copies of an id the good one with the largest watch_s; ties by the full row, larger values first.

    The columns that labels, strata and contract read come first in that order, then all others, by name.
    """
    copies, settled = defaultdict(list), []
    for row in rows:
        if row["impression_id"] is None:
            settled.append(row)
        else:
            copies[row["impression_id"]].append(row)
    first = set(CONTRACT) | set(rules.strata)
    for label in rules.labels:
        first |= set(actions_of(label, rules)) - set(leaned_on(label, rules))
    if rules.basis == "session_share":
        first.add("session_id")

    def place(row):
        is_refused = bool(refusals(row, rules))
        rest = sorted(set(row) - first)
        watch = None if is_refused else row["watch_s"]
        return (is_refused, Descending(watch), *(Descending(row[name]) for name in [*sorted(first), *rest]))

    for lines in copies.values():
        settled.append(lines[0] if len(lines) == 1 else min(lines, key=place))
    return settled


@total_ordering
class Descending:
    """A value that sorts before smaller ones; NaN is the largest, null comes last."""

    def __init__(self, value):
        is_nan = isinstance(value, float) and math.isnan(value)
        value = value.encode() if isinstance(value, str) else value
        self.key = (0,) if value is None else (2, 0) if is_nan else (1, value)

    def __eq__(self, other):
        return self.key == other.key

    def __lt__(self, other):
        return self.key > other.key


def refusals(row, rules):
    """Return every reason to refuse the row."""
    reasons = [f"{name}_missing" for name in REQUIRED if row[name] is None]
    watch = row["watch_s"]
    if watch is not None:
        if not math.isfinite(watch):
            reasons.append("watch_s_not_finite")
        elif watch < 0:
            reasons.append("watch_s_negative")
        elif watch > WEEK_S:
            reasons.append("watch_s_implausible")
    if row["impression_ts"] is not None and row["event_date"] is not None:
        end_of_day_s = ((row["event_date"] - dt.date(1970, 1, 1)).days + 1) * DAY_S
        if row["impression_ts"] // 1_000_000 > end_of_day_s + rules.max_ahead_h * 3_600:
            reasons.append("impression_ts_ahead")
    return reasons


# ---- labels --------------------------------------------------------------------------------------------------------


def actions_of(label, rules):
    conf = rules.labels[label]
    return conf.get("actions", [label] if conf["kind"] == "action" else [])


def leaned_on(label, rules):
    return [action for action in actions_of(label, rules) if action in rules.labels and action != label]


def outcomes_of(rows, label, rules, made):
    """Return the outcome of each row, in their order. ``made``: the outcomes of the labels that this one leans on."""
    conf = rules.labels[label]
    if conf["kind"] == "watched_fraction":
        return [watched_fraction(row, conf) for row in rows]
    if conf["kind"] == "duration_quantile":
        return duration_quantile(rows, conf)
    actions, others = actions_of(label, rules), leaned_on(label, rules)
    happened = [
        any(made[action][i] == "positive" if action in others else row[action] is True for action in actions)
        for i, row in enumerate(rows)
    ]
    return ["positive" if did else "negative" for did in happened]


def micros(seconds):
    """Return the whole microseconds of a time as it is written, ties to even."""
    return int((Decimal(repr(seconds)) * 1_000_000).to_integral_value("ROUND_HALF_EVEN"))


def has_duration(row):
    duration = row["media_duration_s"]
    return duration is not None and 0 < duration <= WEEK_S


def watched_fraction(row, conf):
    high, low = (
        Fraction(str(conf.get(key, default)))
        for key, default in (("positive_at_least", 0.8), ("negative_at_most", 0.1))
    )
    if not has_duration(row):
        return "no_duration"
    if row["watch_s"] is None:
        return "negative" if conf.get("not_played") == "negative" else "not_played"
    watch, duration = micros(row["watch_s"]), micros(row["media_duration_s"])
    if watch >= high * duration:
        return "positive"
    return "negative" if watch <= low * duration else "middle"


def duration_quantile(rows, conf):
    """Compare each watch time with those of media about as long: by counting, row for row."""
    groups, high, low = conf.get("groups", 10), conf.get("positive_at_least", 0.8), conf.get("negative_at_most", 0.2)
    played = [row for row in rows if has_duration(row) and row["watch_s"] is not None]
    durations = sorted(row["media_duration_s"] for row in played)
    shorter, group_of = {}, {}
    for count, duration in enumerate(durations):
        shorter.setdefault(duration, count)
    for duration, count in shorter.items():
        group_of[duration] = count * groups // len(durations)
    watches = defaultdict(list)
    for row in played:
        watches[group_of[row["media_duration_s"]]].append(row["watch_s"])
    spans = {}
    for group, times in watches.items():
        times.sort()
        counts, below = Counter(times), 0
        for time in sorted(counts):
            spans[group, time] = (below, below + counts[time], len(times))
            below += counts[time]

    def outcome(row):
        if not has_duration(row):
            return "no_duration"
        if row["watch_s"] is None:
            return "not_played"
        below, to, total = spans[group_of[row["media_duration_s"]], row["watch_s"]]
        is_positive, is_negative = to >= high * total, below <= low * total
        return "middle" if is_positive == is_negative else "positive" if is_positive else "negative"

    return [outcome(row) for row in rows]


# ---- sample and weights --------------------------------------------------------------------------------------------


def stratum_of(row, rules):
    return tuple(row[name] for name in rules.strata)


def draw(impression_id, seed):
    """Return u in [0, 1): the upper 53 bits of XXH64 of the id under XXH64 of the seed under 42."""
    under = xxhash.xxh64_intdigest((seed % 2**64).to_bytes(8, "little"), seed=42)
    if isinstance(impression_id, str):
        text = impression_id.encode()
    else:
        text = (impression_id % 2**64).to_bytes(8, "little")
    return (xxhash.xxh64_intdigest(text, seed=under) >> 11) * 2.0**-53


def sample(rows, outcomes, label, rules, counts, kept):
    """Put the rows of the label's sample into ``kept``: every positive, negatives by their stratum's quota."""
    mine, negatives = [], defaultdict(list)
    for row, outcome in zip(rows, outcomes, strict=True):
        stratum = stratum_of(row, rules)
        if outcome == "positive":
            mine.append((row, 1, 1.0))
        elif outcome == "negative":
            negatives[stratum].append((draw(row["impression_id"], rules.seed), row))
    for stratum, drawn in negatives.items():
        positives, there = counts[stratum]
        target = min(there, rules.ratio * positives)
        rate = target / there
        if rules.exact:
            chosen = sorted(drawn, key=lambda pair: pair[0])[:target]
        else:
            chosen = [pair for pair in drawn if pair[0] < rate]
        mine += [(row, 0, rate) for _, row in chosen]
    values = basis_values(rows, rules)
    positive = [values[id(row)] for row, label_class, _ in mine if label_class == 1]
    mean = math.fsum(positive) / len(positive) if positive else 0.0
    for row, label_class, rate in mine:
        share = values[id(row)] / mean if mean else 1.0
        weight = 1 - rules.balance + rules.balance * share if label_class else 1.0
        into = kept.setdefault(row["impression_id"], row)
        into |= {f"{label}_label": label_class, f"{label}_rate": rate, f"{label}_weight": weight}


def basis_values(rows, rules):
    """Return g(T) of each row, by the row's identity."""
    capped = {id(row): min(row["watch_s"] or 0.0, rules.cap_s) for row in rows}
    if rules.basis == "watch_time":
        return capped
    if rules.basis == "log_watch_time":
        return {key: math.log1p(value) for key, value in capped.items()}
    sessions = defaultdict(float)
    for row in rows:
        sessions[row["user_id"], row["session_id"]] += capped[id(row)]

    def share(row):
        whole = capped[id(row)] if row["session_id"] is None else sessions[row["user_id"], row["session_id"]]
        return capped[id(row)] / whole if whole else 0.0

    return {id(row): share(row) for row in rows}


# ---- comparison ----------------------------------------------------------------------------------------------------


def differences(expected, found, labels, tolerance=1e-9):
    """Return, as text, every difference between the rows that must be kept and those of the table; none = equal.

    Weights are compared to ``tolerance`` (relative), everything else must be the same value.
    """
    told, seen = [], Counter(row["impression_id"] for row in found)
    told += [f"{key} stands {count} times" for key, count in seen.items() if count > 1]
    told += [f"{key} is missing" for key in expected if key not in seen]
    weights = {f"{label}_weight" for label in labels}
    for row in found:
        wanted = expected.get(row["impression_id"])
        if wanted is None:
            told.append(f"{row['impression_id']} should not be there")
            continue
        for name in sorted({*wanted, *row}):
            one, other = wanted.get(name), row.get(name)
            close = name in weights and one is not None and other is not None
            if not (math.isclose(one, other, rel_tol=tolerance) if close else same(one, other)):
                told.append(f"{row['impression_id']}: {name} is {other!r}, not {one!r}")
    return told


def same(one, other):
    are_nan = all(isinstance(value, float) and math.isnan(value) for value in (one, other))
    return are_nan or (one == other and type(one) is type(other))
