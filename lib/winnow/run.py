"""One run of a job: what it was asked, what it works with, what it did, and the record that it leaves."""

from __future__ import annotations

import argparse
import datetime as dt
import functools
import json
import logging
import math
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import winnow
from winnow import schema
from winnow.config import Settings
from winnow.errors import SettingsError
from winnow.funnel import Funnel
from winnow.guards import Finding, stop_if_blocked
from winnow.masking import masked, without_secrets
from winnow.settings import check
from winnow.tables import Tables

_LOG = logging.getLogger("winnow")
_HOUSE = Path(__file__).resolve().parents[2]


@dataclass
class Run:
    """One run of a job: what it was asked, what it works with, and what it did."""

    job: str
    arguments: argparse.Namespace
    settings: Settings
    tables: Tables
    run_id: str
    started: dt.datetime
    command: Sequence[str]
    funnels: list[Funnel] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    #: What was measured: name, value and, of several in a row, which.
    measured: list[tuple[str, float, int]] = field(default_factory=list)
    #: Files that the run wrote beside its tables.
    files: list[Path] = field(default_factory=list)

    @property
    def days(self) -> list[dt.date]:
        """The days that were asked for, in order."""
        first, last = self.arguments.start, self.arguments.end
        return [first + dt.timedelta(days=count) for count in range((last - first).days + 1)] if first else []

    @property
    def days_before(self) -> list[dt.date]:
        """Those of the days that only --lookback asks for."""
        return self.days[: self.arguments.lookback]

    @property
    def needed_days(self) -> list[dt.date]:
        """The days that were asked for; raises SettingsError without any, for a job that can do something else without."""
        check(bool(self.days), "--date", "a day, or --start and --end", None)
        return self.days

    @property
    def is_dry(self) -> bool:
        """Whether nothing is to be written."""
        return bool(self.arguments.dry_run)

    def warn(self, message: str) -> None:
        """Tell what looks odd, on screen and in the run's record; the exit code stays."""
        _LOG.warning(masked(message))
        self.warnings.append(masked(message))

    def heed(self, findings: Sequence[Finding]) -> None:
        """Tell what the guards found, and keep it for the record; raise GuardError where it must not be published."""
        self.findings += findings
        for finding in findings:
            told = f"{finding.message} ({finding.rule})"
            if finding.severity == "warn":
                self.warn(told)
            elif finding.severity == "note":
                self.say(told)
        stop_if_blocked(findings)

    def write_file(self, name: str, text: str) -> Path:
        """Write a file of the run, at --out or else under its name in the root, whole or not at all; return where.

        Raises SettingsError where the root is no folder of this machine and --out is not given.
        """
        named = self.arguments.out
        if named is None and ":/" in self.tables.root:
            raise SettingsError(
                f"--out: expected a file, since {self.tables.root} is no folder of this machine, found None"
            )
        target = Path(named or f"{self.tables.root}/{name}")
        if not self.is_dry:
            target.parent.mkdir(parents=True, exist_ok=True)
            unfinished = target.with_name(f".{target.name}.{self.run_id}")
            unfinished.write_text(text, encoding="utf-8")
            unfinished.replace(target)  # whoever reads it meanwhile sees the former file or this one
            self.files.append(target)
        return target

    def tell(self, funnel: Funnel) -> None:
        """Keep the funnel of a day, in place of one that knew less."""
        self.funnels = [known for known in self.funnels if known.day != funnel.day] + [funnel]

    def measure(self, name: str, value: float | None, step: int = 0) -> None:
        """Keep a number that the run found, for whoever tracks runs; nothing is kept of one that is not known."""
        if value is not None and math.isfinite(value):
            self.measured.append((name, float(value), step))

    def say(self, message: str) -> None:
        """Tell how far the work is."""
        _LOG.info(masked(message))

    def record(self, status: str = "running", error: str | None = None) -> dict[str, Any]:
        """Return the run as the table ``runs`` has it; tables explain themselves by the same record (userMetadata)."""
        config = masked(self.settings.as_record())
        return {
            schema.RUN_ID: self.run_id,
            schema.JOB: self.job,
            schema.ARGUMENTS: json.dumps(without_secrets(self.command)),
            schema.CONFIG_HASH: self.settings.hash(),
            schema.CONFIG: json.dumps(config, sort_keys=True),
            schema.SEED: self.settings.sampling.seed,
            schema.CODE_VERSION: _code_version(),
            schema.INPUT_VERSIONS: json.dumps(self.tables.pinned),
            schema.OUTPUT_VERSIONS: json.dumps(self.tables.written),
            schema.FUNNEL: json.dumps([funnel.as_record() for funnel in self.funnels]),
            schema.STATUS: status,
            schema.ERROR: masked(error),
            schema.STARTED_TS: self.started,
            schema.FINISHED_TS: dt.datetime.now(dt.UTC),
            schema.FINDINGS: json.dumps([finding.as_record() for finding in self.findings]),
        }

    def metadata(self) -> str:
        """Return the record as the JSON text that a commit carries."""
        return json.dumps({str(key): value for key, value in self.record().items()}, default=str)


@functools.cache
def _code_version() -> str:
    try:
        commit = subprocess.run(  # noqa: S603 - fixed words, no shell
            ["git", "-C", str(_HOUSE), "rev-parse", "--short", "HEAD"],  # noqa: S607 - git is where PATH says
            capture_output=True,
            text=True,
            check=True,
            timeout=5,
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return winnow.__version__
    return f"{winnow.__version__}+{commit}"
