"""Secrets in texts: where they are known by what they are called, they are shown nowhere."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

_NAMES = "(secret|password|passwd|token|credential|api.?key|account.?key|access.?key)"
_SECRET = re.compile(_NAMES, re.IGNORECASE)
#: A secret inside a longer text, such as a path: what follows its name, and the password of a URL's user.
_SECRET_VALUE = re.compile(rf"({_NAMES}[\w.-]*\s*[=:]\s*)[^\s\"'/,]+", re.IGNORECASE)
_LOGIN = re.compile(r"(?<=/)([^/:@\s\"]+:)[^/@\s\"]+@")


def masked(value: Any) -> Any:
    """Return a plain value with the secrets in its texts masked."""
    if isinstance(value, dict):
        return {key: masked(item) for key, item in value.items()}
    if isinstance(value, list):
        return [masked(item) for item in value]
    return _LOGIN.sub(r"\1***@", _SECRET_VALUE.sub(r"\1***", value)) if isinstance(value, str) else value


def has_secret(text: str) -> bool:
    """Return whether there is something in the text to mask."""
    return bool(masked(text) != text)


def without_secrets(command: Sequence[str]) -> list[str]:
    """Return the words of a command line, the values of those that name a secret masked whole."""
    named = [_SECRET.sub("***", word.partition("=")[0]) + "=***" if _SECRET.search(word) else word for word in command]
    return [_LOGIN.sub(r"\1***@", word) for word in named]
