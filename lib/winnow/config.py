"""The settings of the whole line, made of the stages' own, read from TOML files and ``--set``."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import json
import re
import tomllib
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from winnow import schema
from winnow.contracts import ContractSettings
from winnow.engines.settings import EngineSettings
from winnow.errors import SettingsError
from winnow.evaluation.online_settings import OnlineSettings
from winnow.evaluation.settings import EvaluationSettings
from winnow.features.settings import FeatureSettings
from winnow.guards import GuardSettings
from winnow.importing import ImportingSettings
from winnow.labelling import Label, LabellingSettings, WatchedFraction, action_columns, check_labels
from winnow.maintenance import MaintenanceSettings
from winnow.masking import has_secret, masked, without_secrets
from winnow.ranking.settings import RankingSettings
from winnow.reporting.settings import ReportingSettings
from winnow.reranking.settings import RerankingSettings
from winnow.retrieval.settings import RetrievalSettings
from winnow.sampling import SamplingSettings
from winnow.settings import build, check, check_between, check_columns, nearest
from winnow.splitting import SplittingSettings
from winnow.synthetic import SyntheticSettings
from winnow.tuning.settings import TuningSettings
from winnow.weighting import WeightingSettings

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,127}(\.[A-Za-z_][A-Za-z0-9_-]{0,127}){0,2}")
_PATH = re.compile(r"[^`;'\"\\\x00-\x1f\x7f*?\[\]{}$<>|&\u2028\u2029]{1,1024}")


@dataclass(frozen=True)
class TableSettings:
    """``[tables]``: where each table is, as catalog.schema.table or a path; a table not named is ROOT/<name>."""

    locations: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_conf(cls, values: object, where: str) -> TableSettings:
        """Read ``NAME = "location"`` lines."""
        if not isinstance(values, Mapping):
            raise SettingsError(f"{where}: expected a table of names, found {values!r}")
        known = [table.name for table in schema.TABLES]
        for name, location in values.items():
            if name not in known:
                raise SettingsError(
                    f"{where}.{name}: no such table{nearest(str(name), known) or '.'} Known: {', '.join(known)}"
                )
            check_location(f"{where}.{name}", location)
        return cls(dict(values))


@dataclass(frozen=True)
class WritingSettings:
    """``[writing]``: the files that are written."""

    #: Rows in a file of examples, as many as make some 100 MB; a file is never split over days.
    rows_per_file: int = 3_000_000
    #: Input rows that one task may read where that leaves fewer tasks than cores.
    rows_per_task: int = 500_000

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_between("rows_per_file", self.rows_per_file, 1, 10**12)
        check_between("rows_per_task", self.rows_per_task, 1, 10**12)


@dataclass(frozen=True)
class TrackingSettings:
    """``[tracking]``: where runs are told of beside the table ``runs``."""

    #: Tracking server of MLflow; not set = none. Needs the extra mlflow.
    uri: str | None = None
    #: Experiment there that the runs belong to; it is made if it is not there.
    experiment: str = "winnow"

    def __post_init__(self) -> None:
        """Check that there is a name, and no word that ends a line in a log."""
        for key in ("uri", "experiment"):
            value = getattr(self, key)
            is_text = value is None or (isinstance(value, str) and value.isprintable() and bool(value.strip()))
            check(is_text, key, "a text on one line", value)


@dataclass(frozen=True)
class Settings:
    """Every section of the configuration, with its defaults."""

    columns: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, Label] = field(default_factory=lambda: {"watched": WatchedFraction()})
    labelling: LabellingSettings = field(default_factory=LabellingSettings)
    contracts: ContractSettings = field(default_factory=ContractSettings)
    sampling: SamplingSettings = field(default_factory=SamplingSettings)
    weighting: WeightingSettings = field(default_factory=WeightingSettings)
    splitting: SplittingSettings = field(default_factory=SplittingSettings)
    guards: GuardSettings = field(default_factory=GuardSettings)
    tables: TableSettings = field(default_factory=TableSettings)
    writing: WritingSettings = field(default_factory=WritingSettings)
    importing: ImportingSettings = field(default_factory=ImportingSettings)
    synthetic: SyntheticSettings = field(default_factory=SyntheticSettings)
    features: FeatureSettings = field(default_factory=FeatureSettings)
    retrieval: RetrievalSettings = field(default_factory=RetrievalSettings)
    ranking: RankingSettings = field(default_factory=RankingSettings)
    reranking: RerankingSettings = field(default_factory=RerankingSettings)
    evaluation: EvaluationSettings = field(default_factory=EvaluationSettings)
    online: OnlineSettings = field(default_factory=OnlineSettings)
    tuning: TuningSettings = field(default_factory=TuningSettings)
    reporting: ReportingSettings = field(default_factory=ReportingSettings)
    maintenance: MaintenanceSettings = field(default_factory=MaintenanceSettings)
    engine: EngineSettings = field(default_factory=EngineSettings)
    tracking: TrackingSettings = field(default_factory=TrackingSettings)

    def __post_init__(self) -> None:
        """Check what one section must know of another."""
        check_labels(self.labels)
        for ours, theirs in self.columns.items():
            check_columns(f"columns.{ours}", [ours])
            check_columns(f"columns.{ours}", [theirs])
        outcome = {schema.IMPRESSION_ID, schema.WATCH_S, schema.IMPRESSION_TS, schema.MEDIA_DURATION_S}
        for name in self.sampling.strata:
            is_outcome = name in outcome or any(name in label.actions_of(own) for own, label in self.labels.items())
            check(not is_outcome, "sampling.strata", "columns known before the outcome, and not the id", name)
        for name in self.guards.null_columns:
            told = f"a column that the census reads: {', '.join(sorted(self.census_columns))}"
            check(name in self.census_columns, "guards.null_columns", told, name)
        outcome = {schema.IMPRESSION_ID, schema.WATCH_S, schema.IMPRESSION_TS, schema.TRUE_PROBABILITY}
        for label in self.labels:
            outcome |= {schema.label_column(label), schema.rate_column(label), schema.weight_column(label)}
        for name in self.ranking.columns:
            is_outcome = name in outcome or any(name in label.actions_of(own) for own, label in self.labels.items())
            check(not is_outcome, "ranking.columns", "columns known before the outcome, and not the id", name)

    @property
    def census_columns(self) -> set[str]:
        """The columns of the impressions that the first pass reads: what rates, weights, guards and funnel need."""
        columns = {str(column) for column in schema.IMPRESSIONS.columns} | set(self.sampling.strata)
        columns |= set(action_columns(self.labels))
        return columns | ({str(schema.SESSION_ID)} if self.weighting.needs_sessions else set())

    def as_record(self) -> dict[str, Any]:
        """Return the settings as plain values, in the form of conf: ``build`` makes the same settings of them."""
        record: dict[str, Any] = _plain(self)
        for name, label in self.labels.items():
            record["labels"][name] = {"kind": label.kind, **record["labels"][name]}
        record["tables"] = record["tables"]["locations"]
        for source in record["importing"]["columns"].values():
            source["from"] = source.pop("columns")
        return record

    def changed(self, values: Mapping[str, Any]) -> Settings:
        """Return the settings with some of them changed: values by their dotted keys, in the form of conf.

        Raises SettingsError for a key that there is not, or a value that it cannot have.
        """
        record = self.as_record()
        for key, value in values.items():
            *sections, name = key.split(".")
            place: Any = record
            for section in sections:
                place = place.setdefault(section, {}) if isinstance(place, dict) else None
            if not isinstance(place, dict):
                raise SettingsError(f"{key}: no such setting. conf/base.toml lists all of them")
            place[name] = value
        made: Settings = build(Settings, record, "")
        return made

    def hash(self) -> str:
        """Return the SHA-256 of the settings: equal settings, equal hash."""
        return hashlib.sha256(json.dumps(self.as_record(), sort_keys=True).encode()).hexdigest()


def load(files: Sequence[Path] = (), sets: Sequence[str] = ()) -> Settings:
    """Return the settings of the files, later ones over earlier ones, and of ``section.key=value`` texts over all.

    Raises SettingsError naming the file (or --set), the key, what is allowed and what was found.
    """
    merged: dict[str, Any] = {}
    for path in files:
        _merge(merged, _read(path))
        _made(merged, _shown(str(path)))
    for text in sets:
        _merge(merged, _parse_set(text))
        _made(merged, f"--set {_shown(text)}")
    return _made(merged, "settings")


def check_location(key: str, location: object) -> None:
    """Raise SettingsError unless ``location`` is a table name or a path without tricks: no ``..``, quotes, wildcards.

    Nor with a secret in it: Spark shows places in its plans, faults and event log, where nobody masks them.
    """
    check(isinstance(location, str), key, "catalog.schema.table or a path", location)
    is_path = "/" in str(location)
    unseen = "a place without a password or key in it, which Spark would show in its event log: let the storage's provider have it"
    check(not has_secret(str(location)), key, unseen, masked(str(location)))
    expected = "catalog.schema.table, or a path without .., quotes, wildcards or control characters"
    fits = _PATH.fullmatch(str(location)) if is_path else _IDENTIFIER.fullmatch(str(location))
    # Neither control characters nor those that change how the rest is read, such as right-to-left marks.
    is_plain = all(unicodedata.category(letter) not in ("Cc", "Cf", "Cs", "Co", "Cn") for letter in str(location))
    check(fits is not None and is_plain and ".." not in re.split(r"[/\s]", str(location)), key, expected, location)


def _made(merged: dict[str, Any], source: str) -> Settings:
    labels = merged.get("labels")
    for name, label in Settings().labels.items():  # a default label may be set key by key, as any other default
        if isinstance(labels, dict) and isinstance(labels.get(name), dict):
            labels[name].setdefault("kind", label.kind)
    try:
        return build(Settings, merged, "")
    except SettingsError as fault:
        raise SettingsError(f"{source}: {fault}") from None


def _shown(word: str) -> str:
    """Return a word of the command line as it may be shown."""
    return without_secrets([word])[0]


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingsError(f"{_shown(str(path))}: no such file. Give --conf the path of a TOML file.") from None
    except (ValueError, RecursionError, OSError) as fault:  # a fault of TOML or UTF-8, endless digits, endless brackets
        raise SettingsError(f"{_shown(str(path))}: expected a TOML file, found a fault: {fault}") from None


def _parse_set(text: str) -> dict[str, Any]:
    key, equals, value = text.partition("=")
    path = [part.strip() for part in key.split(".")]
    if not equals or len(path) < 2 or not all(re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", part) for part in path):
        raise SettingsError(f"--set {text!r}: expected section.key=value, such as sampling.exact=true")
    parsed = _parse_value(text, value.strip())
    for part in reversed(path):
        parsed = {part: parsed}
    made: dict[str, Any] = parsed
    return made


def _parse_value(text: str, value: str) -> Any:
    """Return the TOML value; a bare word, date or path stands for the string that it is."""
    try:
        return tomllib.loads(f"value = {value}")["value"] if "\n" not in value and "\r" not in value else None
    except (ValueError, RecursionError):  # a fault of TOML, endless digits, endless brackets
        if re.fullmatch(r"[\w./:@ -]+", value):
            return value
        raise SettingsError(
            f'--set {text!r}: expected a TOML value after =, such as true, 0.5, "word" or ["a", "b"]'
        ) from None


def _merge(base: dict[str, Any], over: Mapping[str, Any], *, is_labels: bool = False) -> None:
    for key, value in over.items():
        below = base.get(key)
        if isinstance(value, Mapping) and isinstance(below, dict) and not (is_labels and _is_other_kind(value, below)):
            _merge(below, value, is_labels=key == "labels" and not is_labels)
        else:  # a plain value, or a label of another kind, whose former keys mean nothing
            base[key] = dict(value) if isinstance(value, Mapping) else value


def _is_other_kind(over: Mapping[str, Any], below: Mapping[str, Any]) -> bool:
    return "kind" in over and over["kind"] != below.get("kind")


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {item.name: _plain(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value.isoformat() if isinstance(value, dt.date) else value
