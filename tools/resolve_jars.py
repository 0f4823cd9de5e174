"""Bring the Delta jars into .jars (once) and link them into the venv's own Spark (whenever a link is missing).

Linked there, they are found by everything that starts this Spark: python, spark-submit from any folder, the
executors of a local-cluster and of a standalone cluster. No flag, no resolution at each start, no network.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

#: .jars beside .venv, .jars-4.0 beside .venv-4.0.
JARS = Path(sys.prefix).with_name(Path(sys.prefix).name.replace(".venv", ".jars"))
LOG = JARS / "resolve.log"
#: Spark brings all other jars that Delta names, in its own versions.
NEEDED = ("io.delta_*.jar", "io.unitycatalog_*.jar")


def main() -> int:
    """Resolve and link what is missing; return the exit code."""
    spark_line = ".".join(version("pyspark").split(".")[:2])
    # The artifacts have borne the line of their Spark since 4.1.
    of_line = "" if spark_line == "4.0" else f"{spark_line}_"
    artifact, delta = f"delta-spark_{of_line}2.13", version("delta-spark")
    if not (JARS / f"io.delta_{artifact}-{delta}.jar").exists():
        print("Resolving the Delta jars (once) ...", flush=True)
        if not resolve(f"io.delta:{artifact}:{delta}"):
            print(
                f"The Delta jars (io.delta:{artifact}:{delta}) could not be resolved: is the network there? "
                f"See {LOG}, then run make setup again.",
                file=sys.stderr,
            )
            return 1
    link()
    return 0


def resolve(package: str) -> bool:
    """Let Spark's own resolver fetch ``package`` and all it needs; return whether the jars are there."""
    # A cache left by a broken resolution may hold descriptions without jars, and breaks the next one as well.
    shutil.rmtree(JARS, ignore_errors=True)
    JARS.mkdir()
    ivy = JARS / "ivy"
    start_and_stop = (
        "import sys; from pyspark.sql import SparkSession as S; S.builder.master('local[1]')"
        ".config('spark.ui.enabled', 'false').config('spark.driver.host', '127.0.0.1')"
        ".config('spark.driver.bindAddress', '127.0.0.1')"
        ".config('spark.jars.packages', sys.argv[1]).config('spark.jars.ivy', sys.argv[2]).getOrCreate().stop()"
    )
    with LOG.open("w") as log:
        done = subprocess.run(
            [sys.executable, "-c", start_and_stop, package, str(ivy)],
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            cwd=JARS,
            env={key: value for key, value in os.environ.items() if key not in ("SPARK_HOME", "SPARK_CONF_DIR")},
            check=False,
        )
    jars = [jar for pattern in NEEDED for jar in (ivy / "jars").glob(pattern)]
    if done.returncode or not jars:
        return False
    # The jar that says "all there" by its name comes last, so that a half-done move is seen and done again.
    for jar in sorted(jars, key=lambda jar: "delta-spark_" in jar.name):
        jar.rename(JARS / jar.name)
    shutil.rmtree(ivy)
    return True


def link() -> None:
    """Make the links in pyspark's jars folder those of the jars in .jars, relative, so that a checkout can move."""
    spec = importlib.util.find_spec("pyspark")  # found, not imported: this runs before every command
    assert spec is not None
    assert spec.origin is not None
    folder = Path(spec.origin).parent / "jars"
    wanted = {jar.name: Path(os.path.relpath(jar, folder)) for pattern in NEEDED for jar in JARS.glob(pattern)}
    for found in (found for pattern in NEEDED for found in folder.glob(pattern)):
        if found.is_symlink() and wanted.get(found.name) != found.readlink():
            found.unlink()  # of another Delta version, or of a checkout that has moved
    for name, target in wanted.items():
        if not (folder / name).exists():
            (folder / name).symlink_to(target)


if __name__ == "__main__":
    sys.exit(main())
