"""What is known of a stored model: its card, its files, and the gates that a model must pass before it serves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from winnow.calibration import Correction


@dataclass(frozen=True)
class Card:
    """A model beside its files: what it is, what it was made of, how good it is."""

    #: What it is: als, two_tower, gbt, ...
    kind: str
    code_version: str
    config_hash: str
    #: Table -> version of it that the model was made of.
    input_versions: Mapping[str, int] = field(default_factory=dict)
    #: Version of the table of ids in whose numbers the model speaks, where it does.
    id_map_version: int | None = None
    label: str | None = None
    #: The features in the order of the vector.
    features: tuple[str, ...] = ()
    #: How the model has undone the sampling.
    correction: Correction = "none"
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class StoredFile:
    """A file as it was written."""

    size: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """A version of a model, told whole."""

    name: str
    version: str
    #: When it was saved: ISO 8601, UTC.
    created_ts: str
    card: Card
    #: Path below the version's folder -> the file.
    files: Mapping[str, StoredFile]


@dataclass(frozen=True)
class Pointer:
    """The versions of a model that have served, each once; the last of them serves."""

    versions: tuple[str, ...] = ()

    def without(self, version: str) -> Pointer:
        """Return the pointer as if the version had never served."""
        return Pointer(tuple(other for other in self.versions if other != version))


@dataclass(frozen=True)
class Gate:
    """What a metric of a model must be before the model may serve."""

    metric: str
    passes: Callable[[float], bool]
    #: The same in words, such as "at least 0.84".
    expected: str


def at_least(metric: str, value: float) -> Gate:
    """Return the gate that lets through ``value`` and more."""
    return Gate(metric, lambda found: found >= value, f"at least {value:g}")


def at_most(metric: str, value: float) -> Gate:
    """Return the gate that lets through ``value`` and less."""
    return Gate(metric, lambda found: found <= value, f"at most {value:g}")
