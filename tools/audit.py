"""Hold the locked packages against the known vulnerabilities, by pip-audit: 0 none known, 1 some found, 2 could not be asked."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

HOUSE = Path(__file__).resolve().parents[1]
#: A venv of its own: what audits is no part of what is audited.
TOOLS = HOUSE / "build" / "audit"
LOCKS = tuple(HOUSE / "tools" / "requirements" / name for name in ("build.txt", "dev.txt"))
PIP_AUDIT = "pip-audit>=2.10,<2.11"
UNASKED = """audit: NOT DONE: the service of known vulnerabilities, or the index that pip-audit comes from, could not be asked:
{why}
This says nothing about the packages. Run make audit where there is a network, such as in your CI."""


def main() -> int:
    """Ask about every package of the locks, tell what is found, and return the exit code."""
    program = TOOLS / "bin" / "pip-audit"
    commands = [
        [sys.executable, "-m", "venv", str(TOOLS)],
        [str(TOOLS / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", PIP_AUDIT],
    ]
    for command in [] if program.exists() else commands:
        made = subprocess.run(command, capture_output=True, text=True, check=False)
        if made.returncode:
            return unasked(made.stderr)
    asked = [str(program), "--format", "json", "--progress-spinner", "off", "--require-hashes", "--disable-pip"]
    lists = [word for lock in LOCKS for word in ("--requirement", str(lock))]
    answer = subprocess.run([*asked, *lists], capture_output=True, text=True, check=False)
    try:
        packages = json.loads(answer.stdout)["dependencies"]
    except (ValueError, KeyError, TypeError):  # no answer: pip-audit ends with 1 then too
        return unasked(answer.stderr)
    left_out = [package for package in packages if "skip_reason" in package]
    if left_out:
        return unasked(f"of {len(left_out)} of {len(packages)} packages, such as: {left_out[0]['skip_reason']}")
    return told(packages)


def told(packages: Sequence[Mapping[str, Any]]) -> int:
    """Print what is known of the packages, and return 1 where that is anything."""
    found = [(package, fault) for package in packages for fault in package["vulns"]]
    for package, fault in found:
        fixed = ", ".join(fault["fix_versions"]) or "no version yet"
        print(f"{package['name']} {package['version']}: {fault['id']}, mended by {fixed}")
    print(f"audit: {len(packages)} packages, {len(found)} known vulnerabilities. Delta's jars are not looked at.")
    return 1 if found else 0


def unasked(why: str) -> int:
    """Say that nothing is known, by the last lines of why, and return 2."""
    print(UNASKED.format(why="\n".join(why.strip().splitlines()[-3:]) or "(no message)"), file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
