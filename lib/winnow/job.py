"""The one door of every job: arguments -> settings -> session -> work -> run record -> exit code."""

from __future__ import annotations

import argparse
import datetime as dt
import json
import logging
import sys
import traceback
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NoReturn, TextIO

from pyspark.sql import SparkSession

from winnow import schema
from winnow.config import check_location, load
from winnow.engines import ENGINES, start_session
from winnow.errors import WinnowError, exit_code_of, told_of
from winnow.funnel import screen
from winnow.masking import masked, without_secrets
from winnow.run import Run
from winnow.settings import check, check_between, parse_date
from winnow.tables import Tables
from winnow.tracking import check_tracking, track

_LOG = logging.getLogger("winnow")
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
#: Spark's loggers that print a trace of the JVM for a fault that the job tells in one line.
_TRACE_LOGGERS = (
    "org.apache.spark.executor.Executor",
    "org.apache.spark.scheduler.TaskSetManager",
    "org.apache.spark.sql.delta.files.DeltaFileFormatWriter",
    "org.apache.spark.sql.execution.datasources.FileFormatWriter",
    "org.apache.spark.sql.execution.datasources.v2",
    "org.apache.spark.util.Utils",
)


@dataclass(frozen=True)
class Option:
    """An argument that only some jobs take; ``run.arguments`` has it under its name, as argparse makes it of the flag."""

    flag: str
    help: str
    #: What stands for its value on the help page; None = a switch, without a value.
    metavar: str | None = None
    #: Takes several values.
    is_list: bool = False
    is_required: bool = False
    #: Its value is the id of a user, which no record keeps.
    is_personal: bool = False


FORCE = Option("--force", "take days whose labels are not settled yet")
INPUT = Option("--input", "files of one log", metavar="FILE", is_list=True, is_required=True)
OUT = Option("--out", "file that is written, in place of the one in the root", metavar="FILE")


def main(
    job: str,
    work: Callable[[Run], None],
    *,
    doc: str,
    days: Literal["needed", "optional", "none"] = "needed",
    options: Sequence[Option] = (),
    argv: Sequence[str] | None = None,
) -> int:
    """Run the job and return its exit code: 0 done, 1 failed, 2 wrong arguments or conf, 3 data refused, 4 not yet, 5 lost.

    ``days``: whether it takes --date or --start and --end, and needs them; ``options``: what it takes beside the arguments
    of every job. ``argv``: the arguments, by default the process's own.
    """
    command = list(sys.argv[1:] if argv is None else argv)
    arguments = _parser(job, doc, has_days=days != "none", options=options).parse_args(command)
    screen_log = logging.StreamHandler(sys.stderr)
    screen_log.setFormatter(_Masking("%(asctime)s %(message)s", datefmt="%H:%M:%S"))
    logging.basicConfig(handlers=[screen_log], level=arguments.log_level, force=True)
    logging.getLogger("py4j").setLevel(logging.WARNING)
    try:
        settings = load([Path(path) for path in arguments.conf], [*arguments.set, *_engine_of(arguments)])
        _check_arguments(arguments, needs_days=days == "needed")
        check_tracking(settings)
        spark = start_session(f"winnow {job}", settings.engine)
    except WinnowError as wrong:
        return _told(wrong, arguments)
    if arguments.log_level != "DEBUG":
        _leave_out_traces(spark)
    tables = Tables(spark, settings, arguments.root, is_dry=arguments.dry_run)
    now = dt.datetime.now(dt.UTC)
    run_id = f"{now:%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:8]}"
    run = Run(job, arguments, settings, tables, run_id, now, _recorded(command, options))
    fault: Exception | None = None
    try:
        work(run)
    except Exception as found:
        fault = found
    return _end(run, fault)


def _recorded(command: Sequence[str], options: Sequence[Option]) -> list[str]:
    """Return the words of the command line without the ids of users."""
    flags = {option.flag for option in options if option.is_personal}
    told = []
    for before, word in zip(["", *command], command, strict=False):
        flag, equals, _ = word.partition("=")
        told.append("***" if before in flags else f"{flag}=***" if equals and flag in flags else word)
    return told


class _Masking(logging.Formatter):
    """Lines of the log, whoever writes them, without secrets."""

    def format(self, record: logging.LogRecord) -> str:
        return str(masked(super().format(record)))


class _Parser(argparse.ArgumentParser):
    """A parser whose errors, which quote what they found, show no secret."""

    def parse_args(self, args: Sequence[str]) -> argparse.Namespace:  # type: ignore[override]
        arguments, unknown = self.parse_known_args(args)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(without_secrets(unknown))}")
        return arguments

    def error(self, message: str) -> NoReturn:
        super().error(masked(message))


def _leave_out_traces(spark: SparkSession) -> None:
    """Keep the JVM's traces off the screen: they are a hundred lines around the one that tells the fault."""
    try:
        log4j = spark.sparkContext._jvm.org.apache.logging.log4j  # type: ignore[union-attr]
        for name in _TRACE_LOGGERS:
            log4j.core.config.Configurator.setLevel(name, log4j.Level.OFF)
    except Exception:  # a session over Connect has no JVM here, and prints none of its lines
        return


def _parser(job: str, doc: str, *, has_days: bool, options: Sequence[Option]) -> _Parser:
    parser = _Parser(prog=f"{job}.py", description=doc, allow_abbrev=False)
    parser.add_argument(
        "--conf", action="append", default=[], metavar="FILE", help="settings (TOML); a later file wins"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help="one setting; wins over files"
    )
    parser.add_argument("--engine", choices=ENGINES, help="what runs the line; as --set engine.name=NAME")
    parser.add_argument(
        "--remote", metavar="sc://HOST:PORT", help="server of --engine connect; as --set engine.remote=..."
    )
    parser.add_argument("--root", default="data", metavar="DIR", help="where tables are that conf does not name")
    if has_days:
        parser.add_argument("--date", metavar="YYYY-MM-DD", help="one day")
        parser.add_argument("--start", metavar="YYYY-MM-DD", help="first day")
        parser.add_argument("--end", metavar="YYYY-MM-DD", help="last day, included")
        parser.add_argument(
            "--lookback", metavar="N", type=int, default=0, help="as many days before the first one too"
        )
    else:
        parser.set_defaults(date=None, start=None, end=None)
    for option in options:
        if option.metavar is None:
            parser.add_argument(option.flag, action="store_true", help=option.help)
        else:
            many, needed = "+" if option.is_list else None, option.is_required
            parser.add_argument(option.flag, nargs=many, required=needed, metavar=option.metavar, help=option.help)
    parser.add_argument("--dry-run", action="store_true", help="plan, show and write nothing")
    parser.add_argument("--json", action="store_true", help="print the run's record as one line on stdout")
    parser.add_argument(
        "--log-level", default="INFO", choices=_LEVELS, help="DEBUG also shows where an error came from"
    )
    return parser


def _engine_of(arguments: argparse.Namespace) -> list[str]:
    """Return the settings that --engine and --remote stand for."""
    name = arguments.engine or ("connect" if arguments.remote else None)
    named = {"engine.remote": arguments.remote, "engine.name": name}
    return [f"{key}={json.dumps(value)}" for key, value in named.items() if value is not None]


def _check_arguments(arguments: argparse.Namespace, *, needs_days: bool) -> None:
    check_location("--root", _as_path(arguments.root))
    for path in getattr(arguments, "input", None) or []:
        check_location("--input", _as_path(path))
    if getattr(arguments, "out", None) is not None:
        check_location("--out", _as_path(arguments.out))
    if arguments.date is not None:
        check(
            arguments.start is None and arguments.end is None, "--date", "one day, or --start and --end", arguments.date
        )
        arguments.start = arguments.end = arguments.date
    check((arguments.start is None) == (arguments.end is None), "--start", "--end beside it", arguments.start)
    if needs_days:
        check(arguments.start is not None, "--date", "a day, or --start and --end", None)
    if arguments.start is not None:
        arguments.start, arguments.end = parse_date("--start", arguments.start), parse_date("--end", arguments.end)
        check(arguments.start <= arguments.end, "--end", f"a day from {arguments.start} on", str(arguments.end))
        check_between("--lookback", arguments.lookback, 0, 3660)
        arguments.start -= dt.timedelta(days=arguments.lookback)


def _as_path(text: str) -> str:
    return text if "/" in text else f"./{text}"


def _end(run: Run, fault: Exception | None) -> int:
    """Write the run's record, show the funnel, and return the exit code."""
    code = 0 if fault is None else exit_code_of(fault)
    status = "done" if fault is None else "refused" if code > 2 else "failed"
    record = run.record(status, None if fault is None else told_of(fault))
    if not run.is_dry:
        try:
            run.tables.append(schema.RUNS, run.tables.local(schema.RUNS, [record]))
        except Exception as lost:
            _LOG.error("runs: the record of this run could not be written: %s", told_of(lost))
            code = code or 1
    track(run, record)
    if run.is_dry and not run.arguments.json:
        _write(_resolved(record), sys.stdout)
    if run.funnels:
        _write(screen(run.funnels), sys.stderr if run.arguments.json else sys.stdout)
    if run.arguments.json:
        told = {**{str(key): value for key, value in record.items()}, "warnings": run.warnings}
        _write(json.dumps(told, default=str), sys.stdout)
    if fault is not None:
        _told(fault, run.arguments)
    return code


def _resolved(record: Mapping[str, Any]) -> str:
    """Return what a dry run worked with: every setting as it was resolved, a section a line, and the input's versions."""
    sections = json.loads(record[schema.CONFIG])
    lines = [f"[{name}] {json.dumps(values)}" for name, values in sections.items()]
    return "\n".join(["settings:", *lines, f"input versions: {record[schema.INPUT_VERSIONS]}"])


def _write(text: str, stream: TextIO) -> None:
    stream.write(f"{text}\n")
    stream.flush()


def _told(fault: Exception, arguments: argparse.Namespace) -> int:
    """Print the fault as one message; where it came from only when asked."""
    _write(f"error: {masked(told_of(fault))}", sys.stderr)
    if arguments.log_level == "DEBUG":
        _write(masked("".join(traceback.format_exception(fault))), sys.stderr)
    return exit_code_of(fault)
