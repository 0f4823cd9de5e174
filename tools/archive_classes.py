"""Leave Spark's classes in .jars as the JVM maps them, read and checked (once): each later start on this machine is shorter.

A start loads and checks some 25,000 classes, a sixth of what a short run costs. The archive is of this Java, this Spark and
this place; another Java ignores it, and without it all is the same but slower. Some 200 MB.
"""

from __future__ import annotations

import contextlib
import io
import runpy
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

HOUSE = Path(__file__).resolve().parents[1]
#: What the archive is of; written last, so that a half-made archive is made again.
STAMP = HOUSE / ".jars" / "spark-classes.key"


def main(java: str) -> None:
    """Make the archive unless there is one of this Java (what it says that it is), Spark and place; none is no fault."""
    key = "\n".join([java, version("pyspark"), version("delta-spark"), str(HOUSE)])
    if STAMP.exists() and STAMP.read_text(encoding="utf-8") == key:
        return
    from winnow.engines.sessions import CLASS_ARCHIVE  # which loads Spark: not before every command

    print("Archiving Spark's classes for shorter starts (once) ...", flush=True)
    STAMP.unlink(missing_ok=True)
    CLASS_ARCHIVE.unlink(missing_ok=True)
    told = subprocess.run(
        [sys.executable, __file__, "--work"], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    if told.returncode or not CLASS_ARCHIVE.exists():
        print("It could not be made; starts take some seconds longer, and nothing else is lost.", file=sys.stderr)
        print(told.stderr[-2000:], file=sys.stderr)
        return
    STAMP.write_text(key, encoding="utf-8")


def work() -> None:
    """Do what short runs do, in a session that leaves its classes behind when it ends."""
    from winnow.engines.sessions import CLASS_ARCHIVE, local_spark

    session = local_spark("winnow class archive", f'"-XX:ArchiveClassesAtExit={CLASS_ARCHIVE}" -Xlog:cds=warning')
    with tempfile.TemporaryDirectory() as root, contextlib.redirect_stderr(io.StringIO()):
        for job, *words in (
            ("make_impressions", "--set", "synthetic.rows_per_day=1000", "--set", "synthetic.users=100"),
            ("prepare_examples",),
            ("prepare_examples",),
        ):
            sys.argv = [job, "--root", root, "--date", "2026-01-05", *words]
            with contextlib.suppress(SystemExit):
                runpy.run_path(str(HOUSE / "jobs" / f"{job}.py"), run_name="__main__")
    session.stop()


if __name__ == "__main__":
    if sys.argv[1:] == ["--work"]:
        work()
    else:
        main(sys.argv[1])
