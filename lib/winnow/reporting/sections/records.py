"""Sections on the whole: the numbers at a glance, a sample of users, and the lineage of the tables."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from winnow import schema
from winnow.reporting import words
from winnow.reporting.contents import Contents, Media, User
from winnow.reporting.parts import Cell, Entry, Fact, Facts, Listing, Part, Person, Section, Source, grid
from winnow.reporting.sections.models import best_of_lists

_RECOMMEND = "python jobs/generate_candidates.py --root ROOT --date DAY"


def glance_section(contents: Contents) -> Section:
    """Return the few numbers that say most."""
    facts = [*_of_rows(contents), *_of_models(contents)]
    section = Section("glance", "At a glance", "")
    if not facts:
        return Section(
            "glance",
            "At a glance",
            "",
            missing="Nothing was made yet. Begin by: python jobs/prepare_examples.py --root ROOT --date DAY",
        )
    return Section(section.name, section.title, section.lead, [Facts(facts)])


def users_section(contents: Contents) -> Section:
    """Return some users: what they had watched, the lists that they were given, and what they went on to watch."""
    lead = "Some users, drawn by a hash of their id: what they had watched, what was found for them, what they watched next."
    section = Section("users", "Users and their lists", lead)
    if not contents.users:
        missing = "There are no lists of users with a positive since. Made by: " + _RECOMMEND
        return Section(section.name, section.title, section.lead, missing=missing)
    return Section(section.name, section.title, section.lead, [_person(user) for user in contents.users])


def lineage_section(contents: Contents) -> Section:
    """Return the runs that made the tables, the versions that the page read, and the settings of each job's last run."""
    lead = "Which run made what, of which versions, with which settings."
    section = Section("lineage", "Lineage", lead)
    if not contents.runs:
        missing = "The table runs has no rows. Made by: python jobs/prepare_examples.py --root ROOT --date DAY"
        return Section(section.name, section.title, section.lead, missing=missing)
    versions = [[Cell(name), Cell(str(version), version)] for name, version in sorted(contents.versions.items())]
    heads = ["run", schema.JOB, schema.STATUS, "started", "took", "code", "settings", "read", "wrote", schema.ERROR]
    parts: list[Part] = [
        grid("Tables that this page was made of", ["table", "version"], versions),
        grid("Runs, the newest first", heads, [_run(row) for row in contents.runs]),
    ]
    last: dict[str, Mapping[str, Any]] = {}
    for row in contents.runs:
        last.setdefault(row[schema.JOB], row)
    parts += [
        Source(f"Settings of {job} ({row[schema.RUN_ID]})", _conf(row[schema.CONFIG])) for job, row in last.items()
    ]
    return Section(section.name, section.title, section.lead, parts)


def _of_rows(contents: Contents) -> list[Fact]:
    facts = []
    if contents.funnels:
        days = [one.day for one in contents.funnels if one.day is not None]
        between = words.period(min(days), max(days)) if days else ""
        facts.append(Fact(words.count(sum(one.input_rows for one in contents.funnels)), "impressions", between))
        refused = sum(one.input_rows - one.valid_rows for one in contents.funnels)
        whole = sum(one.input_rows for one in contents.funnels)
        facts.append(Fact(words.share(refused / whole if whole else 0), "left out", "duplicates and refused rows"))
        label = next(iter(contents.funnels[0].labels), None)
        if label is not None:
            mine = [one.labels[label] for one in contents.funnels if label in one.labels]
            kept = sum((one.kept_positives or 0) + (one.kept_negatives or 0) for one in mine)
            facts.append(
                Fact(
                    words.count(kept),
                    f"examples of {words.spaced(label)}",
                    f"{sum(one.positives for one in mine):,} positives in the log",
                )
            )
    if contents.ledger:
        days_told = len({row[schema.EVENT_DATE] for row in contents.ledger})
        is_grave = any(alarm.severity == "block" for alarm in contents.alarms)
        facts.append(
            Fact(
                str(len(contents.alarms)),
                "alarms",
                f"of the guards, in {words.many(days_told, 'day')}",
                is_alarming=is_grave,
            )
        )
    return facts


def _of_models(contents: Contents) -> list[Fact]:
    facts = []
    best = best_of_lists(contents)
    if best is not None:
        told = f"{words.metric_name('ndcg', best[schema.K])} of {words.spaced(best[schema.MODEL])}"
        interval = f"{words.metric(best[schema.LOW])} to {words.metric(best[schema.HIGH])}"
        facts.append(Fact(words.metric(best[schema.VALUE]), told, f"the best lists; {interval}"))
    scored = [
        row for row in contents.metrics or ()
        if row[schema.METRIC] == "auc" and row[schema.SLICE] == "{}" and not row[schema.BASELINE] and row[schema.VALUE] is not None
    ]  # fmt: skip
    if scored:
        row = max(scored, key=lambda one: one[schema.VALUE])
        facts.append(
            Fact(
                words.metric(row[schema.VALUE]),
                f"AUC of {words.spaced(row[schema.MODEL])}",
                f"{row[schema.UNITS]:,} rows",
            )
        )
    return facts


def _person(user: User) -> Person:
    wanted = {media.media_id for media in user.after}
    found = {media.media_id for listed in user.lists.values() for media in listed}
    lists = [Listing("watched before", _entries(user.before), "nothing before that day", is_ranked=False)]
    lists += [Listing(words.spaced(name), _entries(listed, wanted)) for name, listed in user.lists.items()]
    lists.append(Listing("watched next", _entries(user.after, found), is_ranked=False))
    hits = len(wanted & found)
    told = f"As of {user.as_of}. Of {len(wanted)} media watched next, {hits} stood in a list."
    return Person(f"User {user.user_id}", told, lists)


def _entries(listed: Sequence[Media], hits: set[Any] | None = None) -> list[Entry]:
    return [
        Entry(media.title or f"media {media.media_id}", media.told, media.media_id in (hits or set()))
        for media in listed
    ]


def _run(row: Mapping[str, Any]) -> list[Cell]:
    seconds = (row[schema.FINISHED_TS] - row[schema.STARTED_TS]).total_seconds()
    return [
        Cell(row[schema.RUN_ID]), Cell(row[schema.JOB]), Cell(row[schema.STATUS]), Cell(words.moment(row[schema.STARTED_TS])),
        Cell(words.length(seconds), seconds), Cell(row[schema.CODE_VERSION]), Cell(row[schema.CONFIG_HASH][:8]),
        Cell(_versions(row[schema.INPUT_VERSIONS])), Cell(_versions(row[schema.OUTPUT_VERSIONS])), Cell(row[schema.ERROR] or ""),
    ]  # fmt: skip


def _versions(text: str) -> str:
    return ", ".join(f"{name} {version}" for name, version in json.loads(text).items())


def _conf(text: str) -> str:
    """Return the settings a line each, by their dotted keys."""
    lines: list[str] = []

    def tell(key: str, value: Any) -> None:
        if isinstance(value, dict) and value:
            for name, inner in value.items():
                tell(f"{key}.{name}" if key else str(name), inner)
        elif value is not None and value != {}:
            lines.append(f"{key} = {json.dumps(value)}")

    tell("", json.loads(text))
    return "\n".join(lines)
