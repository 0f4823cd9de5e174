"""The faults that Winnow tells its users about, each with its exit code.

A message says where, what was expected, what was found and what to do; the exit code says who has to act.
"""

from __future__ import annotations

import re
from typing import ClassVar

#: What Spark says of a file that it could not read, with its name.
_NAMES_A_FILE = "FAILED_READ_FILE"
#: A traceback of Python, and the line below it.
_TRACEBACK = re.compile(r"Traceback \(most recent call last\):\n(?: .*\n)*(\S.*)")


class WinnowError(Exception):
    """A fault with a clear message and the exit code of the job that meets it."""

    exit_code: ClassVar[int] = 1


class JobError(WinnowError):
    """The job failed for a reason of its own: the tables are as they were."""


class SettingsError(WinnowError):
    """An argument or a setting is wrong; nothing was started."""

    exit_code = 2


class DataError(WinnowError):
    """The rows, or what would be published of them, were refused; readers see the former version."""

    exit_code = 3


class ContractError(DataError):
    """A table does not have the columns that it must have; all faults are told at once."""


class GuardError(DataError):
    """The day's result looks like nonsense and was not published."""


class LeakError(DataError):
    """Training data knows what happens in the time of its validation or test."""


class CalibrationError(DataError):
    """A score would be corrected for the sampling twice, or not at all."""


class ModelError(DataError):
    """A stored model is not as it was saved, could run code when it is loaded, or is another than was asked for."""


class InputNotReadyError(WinnowError):
    """The input is not there yet, or too young; the same command will do later."""

    exit_code = 4


class ConcurrentRunError(WinnowError):
    """Another run replaced the same day at the same time and won; run again."""

    exit_code = 5


def exit_code_of(fault: Exception) -> int:
    """Return the exit code of a job that ends with the fault; of a group's the gravest, which is the smallest."""
    if isinstance(fault, ExceptionGroup):
        return min(map(exit_code_of, fault.exceptions))
    return fault.exit_code if isinstance(fault, WinnowError) else 1


def told_of(fault: Exception) -> str:
    """Return what is told of a fault: our own words, and of another's the line that says what is wrong; of a group, of each."""
    if isinstance(fault, ExceptionGroup):
        return "; ".join([fault.message, *map(told_of, fault.exceptions)])
    java = getattr(fault, "java_exception", None)
    if java is not None:  # Python's own text says only which call failed
        told = []
        while java is not None:
            told.append(f"{java.getClass().getSimpleName()}: {_telling_line(java.getMessage())}")
            java = java.getCause()
        # The innermost says what is wrong, and of a file that cannot be read only one further out says which it is.
        return " ".join([*[line for line in told[:-1] if _NAMES_A_FILE in line][-1:], told[-1]])
    return str(fault) if isinstance(fault, WinnowError) else f"{type(fault).__name__}: {_telling_line(fault)}"


def _telling_line(text: object) -> str:
    """Return the first line of a message; of what a Python worker says, that of the fault below its traceback."""
    of_workers = _TRACEBACK.findall(str(text))
    return of_workers[-1] if of_workers else str(text).strip().partition("\n")[0]
