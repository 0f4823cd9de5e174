"""The store's files, on a local disk or on whatever Arrow reaches by a URI."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import re
import uuid
from collections.abc import Iterator
from pathlib import Path

from pyarrow import fs

_LOCK = ".lock"


class Files:
    """Files below a place; paths are relative to it."""

    def __init__(self, place: str) -> None:
        """Keep the place, a path or a URI; nothing is read."""
        if "://" in place:
            # Hadoop says s3a, Arrow s3.
            self._arrow, self._top = fs.FileSystem.from_uri(re.sub("^s3[an]://", "s3://", place))
        else:
            self._arrow, self._top = fs.LocalFileSystem(), str(Path(place).absolute())

    def has(self, path: str) -> bool:
        """Return whether there is a file or a folder."""
        return bool(self._arrow.get_file_info(self._full(path)).type != fs.FileType.NotFound)

    def folders(self, path: str) -> list[str]:
        """Return the names of the folders in a folder, in order."""
        found = self._arrow.get_file_info(fs.FileSelector(self._full(path), allow_not_found=True))
        return sorted(info.base_name for info in found if info.type == fs.FileType.Directory)

    def sizes(self, path: str) -> dict[str, int]:
        """Return the size of each file below a folder, hidden ones too, by its path from there."""
        top = self._full(path)
        found = self._arrow.get_file_info(fs.FileSelector(top, recursive=True))
        return {info.path.removeprefix(f"{top}/"): info.size for info in found if info.type == fs.FileType.File}

    def sha256(self, path: str) -> str:
        """Return the hash of a file."""
        with self._arrow.open_input_stream(self._full(path)) as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()

    def read(self, path: str) -> bytes:
        """Return what is in a file."""
        with self._arrow.open_input_stream(self._full(path)) as stream:
            return bytes(stream.read())

    def write(self, path: str, content: bytes) -> None:
        """Write a file."""
        with self._arrow.open_output_stream(self._full(path)) as stream:
            stream.write(content)

    def swap(self, path: str, content: bytes) -> None:
        """Write a file whole or not at all, in place of a former one: beside it first, then moved."""
        beside = f"{path}.{uuid.uuid4().hex}"
        self.write(beside, content)
        self._arrow.move(self._full(beside), self._full(path))

    def make_folder(self, path: str) -> None:
        """Make a folder, and those above it."""
        self._arrow.create_dir(self._full(path), recursive=True)

    def remove_folder(self, path: str) -> None:
        """Remove a folder and all that is below it."""
        self._arrow.delete_dir(self._full(path))

    def remove_file(self, path: str) -> None:
        """Remove a file."""
        self._arrow.delete_file(self._full(path))

    @contextlib.contextmanager
    def alone(self, path: str) -> Iterator[None]:
        """Be the only one in a folder for a while, on a local disk; the lock ends with the process that holds it."""
        self.make_folder(path)
        if not isinstance(self._arrow, fs.LocalFileSystem):
            yield
            return
        with Path(self._full(path), _LOCK).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _full(self, path: str) -> str:
        return f"{self._top}/{path}" if path else self._top
