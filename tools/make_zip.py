"""Pack the package winnow as dist/winnow.zip for ``spark-submit --py-files``: the same bytes for the same sources."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "dist" / "winnow.zip"


def main() -> None:
    """Write the zip anew and name it."""
    TARGET.parent.mkdir(exist_ok=True)
    package = ROOT / "lib" / "winnow"
    files = sorted([*package.rglob("*.py"), *package.rglob("py.typed"), *package.glob("reporting/templates/*")])
    # Stored, not deflated: compressed bytes differ between versions of zlib, and the package is small.
    beside = TARGET.with_suffix(f".{os.getpid()}")  # whoever reads the zip meanwhile has the former one, whole
    with zipfile.ZipFile(beside, "w", zipfile.ZIP_STORED) as packed:
        for file in files:
            entry = zipfile.ZipInfo(file.relative_to(package.parent).as_posix(), date_time=(1980, 1, 1, 0, 0, 0))
            entry.create_system = 3  # Unix, wherever it is packed
            entry.external_attr = 0o644 << 16
            packed.writestr(entry, file.read_bytes())
    beside.replace(TARGET)
    print(f"{TARGET.relative_to(ROOT)}: {len(files)} files")


if __name__ == "__main__":
    main()
