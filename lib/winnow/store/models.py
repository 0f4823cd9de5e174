"""Models saved, checked, promoted and rolled back."""

from __future__ import annotations

import datetime as dt
import importlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from pyspark.sql import DataFrame, SparkSession

from winnow.errors import GuardError, InputNotReadyError, ModelError, SettingsError
from winnow.settings import build, check
from winnow.store import native
from winnow.store.files import Files
from winnow.store.manifest import Card, Gate, Manifest, Pointer, StoredFile

if TYPE_CHECKING:
    from pyspark.ml.util import MLWritable

T = TypeVar("T")

_MANIFEST, _SERVING = "manifest.json", "serving.json"
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")


class ModelStore:
    """The models below a root: a path, or a URI that both Arrow and the session's Spark reach."""

    def __init__(self, root: str) -> None:
        """Keep the place; nothing is read."""
        self._place = f"{root.rstrip('/')}/models"
        self._files = Files(self._place)

    def save(
        self, name: str, version: str, parts: Mapping[str, bytes | DataFrame | MLWritable], card: Card
    ) -> Manifest:
        """Write a new version of a model, which does not serve yet, and return its manifest.

        ``parts``: by name; bytes are a file of the format that its name ends in (json, onnx, ubj), rows become Parquet, a
        model of Spark ML saves itself.

        Raises SettingsError for a name that is no plain word, ModelError where the version is there already, where it
        could not be loaded again, or where Spark wrote to another file system than Arrow looks at.
        """
        folder = _folder(name, version)
        for part, what in parts.items():
            if isinstance(what, bytes):
                check(bool(native.FILE.fullmatch(part)), f"models/{folder}", "a file of json, onnx or ubj", part)
            else:
                _check_word(part)
        with self._files.alone(name):
            if self._files.has(folder):
                raise ModelError(
                    f"models/{folder}: expected a new version, found one, or what is left of a save that died. A version "
                    "never changes: save another."
                )
            self._files.make_folder(folder)
        for part, what in parts.items():
            self._write(f"{folder}/{part}", what)
        sizes = self._files.sizes(folder)
        if lost := [part for part in parts if not _of_part(part, sizes)]:
            raise ModelError(
                f"models/{folder}: expected {', '.join(lost)} in {self._place}, found nothing: Spark wrote to another file "
                "system. Give the root as a URI, such as hdfs://... or file:///..."
            )
        files = {file: StoredFile(size, self._files.sha256(f"{folder}/{file}")) for file, size in sizes.items()}
        self._check_native(folder, files)
        manifest = Manifest(name, version, dt.datetime.now(dt.UTC).isoformat(), card, files)
        self._swap(f"{folder}/{_MANIFEST}", manifest)
        return manifest

    def open(self, name: str, version: str | None = None) -> Stored:
        """Return a version, by default the one that serves, after every file was held against the manifest.

        Raises InputNotReadyError where there is none, ModelError for files that are not as they were written, or that
        could run code when they are loaded.
        """
        version = self.serving(name) if version is None else version
        folder, manifest = _folder(name, version), self._manifest(name, version)
        sizes = {file: size for file, size in self._files.sizes(folder).items() if file != _MANIFEST}
        faults = [f"missing {file}" for file in sorted(manifest.files.keys() - sizes.keys())]
        faults += [f"extra {file}" for file in sorted(sizes.keys() - manifest.files.keys())]
        for file in sorted(sizes.keys() & manifest.files.keys()):
            if StoredFile(sizes[file], self._files.sha256(f"{folder}/{file}")) != manifest.files[file]:
                faults.append(f"changed {file}")
        if faults:
            raise ModelError(
                f"models/{folder}: expected the {len(manifest.files)} files of its manifest as they were written, found: "
                f"{'; '.join(faults)}. Restore them, or roll back to another version."
            )
        self._check_native(folder, manifest.files)
        return Stored(manifest, f"{self._place}/{folder}", lambda file: self._files.read(f"{folder}/{file}"))

    def prove(self, name: str, version: str, gates: Sequence[Gate]) -> None:
        """Raise what ``open`` raises, and GuardError naming each gate that stays shut.

        A metric that the card does not have opens none.
        """
        metrics = self.open(name, version).manifest.card.metrics
        shut = [gate for gate in gates if gate.metric not in metrics or not gate.passes(metrics[gate.metric])]
        if shut:
            told = [
                f"{gate.metric} {gate.expected}, found {metrics.get(gate.metric, 'no such metric')}" for gate in shut
            ]
            raise GuardError(f"models/{name}/{version}: expected {'; '.join(told)}. What served before serves on.")

    def promote(self, name: str, version: str, gates: Sequence[Gate] = ()) -> None:
        """Let a version serve; the former one serves until then. Raises what ``prove`` raises."""
        self.prove(name, version, gates)
        with self._files.alone(name):
            others = self._pointer(name).without(version)
            self._swap(f"{name}/{_SERVING}", Pointer((*others.versions, version)))

    def rollback(self, name: str) -> str:
        """Let the version serve that served before this one, and return it; raises what ``open`` raises of it."""
        with self._files.alone(name):
            former = self.former(name)
            self.open(name, former)
            self._swap(f"{name}/{_SERVING}", Pointer(self._pointer(name).versions[:-1]))
        return former

    def former(self, name: str) -> str:
        """Return the version that served before the one that does; raises InputNotReadyError where none did."""
        versions = self._pointer(name).versions
        if len(versions) < 2:
            raise InputNotReadyError(f"models/{name}: expected a version that served before, found none.")
        return versions[-2]

    def remove(self, name: str, version: str) -> None:
        """Remove a version and all its files; raises ModelError for the one that serves."""
        folder = _folder(name, version)
        with self._files.alone(name):
            pointer = self._pointer(name)
            if pointer.versions[-1:] == (version,):
                raise ModelError(f"models/{folder}: expected one that does not serve. Promote another one first.")
            if version in pointer.versions:
                self._swap(f"{name}/{_SERVING}", pointer.without(version))
            if self._files.has(f"{folder}/{_MANIFEST}"):
                self._files.remove_file(f"{folder}/{_MANIFEST}")  # from here on it is no version
            if self._files.has(folder):
                self._files.remove_folder(folder)

    def serving(self, name: str) -> str:
        """Return the version that serves; raises InputNotReadyError where none does."""
        versions = self._pointer(name).versions
        if not versions:
            raise InputNotReadyError(f"models/{name}: expected one that serves in {self._place}, found none.")
        return versions[-1]

    def names(self) -> list[str]:
        """Return the names of the models."""
        return self._files.folders("")

    def versions(self, name: str) -> list[Manifest]:
        """Return the manifests of all versions, the oldest first; their files are not looked at."""
        whole = [v for v in self._files.folders(_folder(name)) if self._files.has(f"{name}/{v}/{_MANIFEST}")]
        return sorted((self._manifest(name, v) for v in whole), key=lambda one: (one.created_ts, one.version))

    def _write(self, path: str, what: bytes | DataFrame | MLWritable) -> None:
        if isinstance(what, bytes):
            self._files.write(path, what)
        elif isinstance(what, DataFrame):
            what.write.parquet(f"{self._place}/{path}")
        else:
            what.write().save(f"{self._place}/{path}")

    def _check_native(self, folder: str, files: Mapping[str, StoredFile]) -> None:
        if faults := list(native.foreign(files, lambda file: self._files.read(f"{folder}/{file}"))):
            raise ModelError(
                f"models/{folder}: expected native files (JSON, ONNX, UBJ, Parquet) and models of Spark ML that only "
                f"compute, found {'; '.join(faults)}. Save it in its own format, without pickle."
            )

    def _manifest(self, name: str, version: str) -> Manifest:
        folder = _folder(name, version)
        if not self._files.has(f"{folder}/{_MANIFEST}"):
            raise InputNotReadyError(f"models/{folder}: expected a version in {self._place}, found none.")
        manifest = self._read(f"{folder}/{_MANIFEST}", Manifest)
        if _folder(manifest.name, manifest.version) != folder:
            raise ModelError(
                f"models/{folder}: expected its own manifest, found that of {manifest.name}/{manifest.version}. "
                "A version is not copied to another name: save it there."
            )
        return manifest

    def _pointer(self, name: str) -> Pointer:
        path = f"{_folder(name)}/{_SERVING}"
        return self._read(path, Pointer) if self._files.has(path) else Pointer()

    def _read(self, path: str, kind: type[T]) -> T:
        try:
            return build(kind, json.loads(self._files.read(path)), "")
        except (ValueError, SettingsError) as fault:
            raise ModelError(
                f"models/{path}: expected what the store wrote, found a fault: {fault}. Restore it."
            ) from None

    def _swap(self, path: str, values: Manifest | Pointer) -> None:
        plain = json.loads(json.dumps(asdict(values)))
        build(type(values), plain, f"models/{path}")  # what is written can be read: a metric that is NaN ends here
        self._files.swap(path, json.dumps(plain, indent=1).encode())


@dataclass(frozen=True)
class Stored:
    """A version whose files are as they were written."""

    manifest: Manifest
    #: Its folder, as Spark names it.
    place: str
    _content: Callable[[str], bytes]

    def check(self, **expected: object) -> None:
        """Raise ModelError naming each field of the card (kind, label, features, ...) that is not what the caller expects."""
        card = self.manifest.card
        wrong = [
            f"{key} {value!r}, found {getattr(card, key)!r}"
            for key, value in expected.items()
            if getattr(card, key) != value
        ]
        if wrong:
            raise ModelError(
                f"models/{self.manifest.name}/{self.manifest.version}: expected {'; '.join(wrong)}. Train a version for it."
            )

    def read(self, part: str) -> bytes:
        """Return a part that is a file."""
        return self._content(self._known(part))

    def rows(self, spark: SparkSession, part: str) -> DataFrame:
        """Return a part that is rows."""
        return spark.read.parquet(f"{self.place}/{self._known(part)}")

    def spark_model(self, part: str) -> Any:
        """Return a part that is a model of Spark ML, by the session that is active."""
        metadata = next(file for file in self.manifest.files if file.startswith(f"{self._known(part)}/metadata/part-"))
        module, name = native.python_class(self._content(metadata))
        return getattr(importlib.import_module(module), name).load(f"{self.place}/{part}")

    def _known(self, part: str) -> str:
        if not _of_part(part, self.manifest.files):
            known = ", ".join(sorted({file.partition("/")[0] for file in self.manifest.files}))
            raise ModelError(
                f"models/{self.manifest.name}/{self.manifest.version}: expected the part {part}, found {known}."
            )
        return part


def _of_part(part: str, files: Mapping[str, object]) -> list[str]:
    return [file for file in files if file == part or file.startswith(f"{part}/")]


def _folder(*words: str) -> str:
    for word in words:
        _check_word(word)
    return "/".join(words)


def _check_word(word: str) -> None:
    check(_WORD.fullmatch(word) is not None, "models", "a plain name of letters, digits, _ and -", word)
