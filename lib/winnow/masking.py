"""Secrets in texts: where they are known by what they are called, they are shown nowhere."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

_MASK = "***"
_NAME = r"(?:secret|password|passwd|token|credential|api.?key|account.?key|access.?key)"
_NAMED = rf"{_NAME}[\w.-]*\s*[=:]\s*"
_NAMED_OR_QUOTED = rf"{_NAME}[\w.-]*\\*['\"]?\s*[=:]\s*"
_IS_NAMED = re.compile(_NAME, re.IGNORECASE)
#: In a text that is a value itself, all that follows the name belongs to the secret.
_TO_THE_END = re.compile(rf"({_NAMED_OR_QUOTED})\S.*", re.IGNORECASE | re.DOTALL)
#: In a message a secret ends where its quotes do, those around it or around it and its name, and without any at a space.
_IN_A_MESSAGE = re.compile(
    rf"(?P<both>(?P<outer>['\"])[^'\"\n]*?{_NAMED})(?![\s'\"\\])(?:\\.|(?!(?P=outer)).)+"
    rf"|(?P<value>{_NAMED_OR_QUOTED}\\*(?P<inner>['\"]))(?:\\.|(?!(?P=inner)).)*"
    rf"|(?P<bare>{_NAMED_OR_QUOTED})[^\s'\"]\S*"
    rf"|(?P<flag>--[\w-]*{_NAME}[\w-]*\s+)\S+",
    re.IGNORECASE,
)
#: The password of a URL's user, who may have no name; digits before a slash are a port.
_LOGIN = re.compile(r"(//[^/:@\s]*:)(?!\d{1,5}(?:[^\w@]|$))\S+@")


def masked(value: Any) -> Any:
    """Return a plain value with its secrets masked: a message, or the values of a dict or list, each of them whole."""
    if isinstance(value, str):
        return _without_login(_IN_A_MESSAGE.sub(_kept, value))
    return _masked_values(value)


def has_secret(text: str) -> bool:
    """Return whether there is something in the text to mask."""
    return bool(masked(text) != text)


def without_secrets(command: Sequence[str]) -> list[str]:
    """Return the words of a command line, those that name a secret masked from its name on, as is the value of such a flag."""
    return [
        _MASK if _is_secret_flag(before) else _without_login(_cut(word))
        for before, word in zip(["", *command], command, strict=False)
    ]


def _masked_values(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: _MASK if isinstance(item, str) and _IS_NAMED.search(str(key)) else _masked_values(item)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_masked_values(item) for item in value]
    return _without_login(_TO_THE_END.sub(rf"\1{_MASK}", value)) if isinstance(value, str) else value


def _without_login(text: str) -> str:
    return _LOGIN.sub(rf"\1{_MASK}@", text)


def _kept(found: re.Match[str]) -> str:
    return f"{next(filter(None, found.group('both', 'value', 'bare', 'flag')))}{_MASK}"


def _is_secret_flag(word: str) -> bool:
    return word.startswith("--") and "=" not in word and _IS_NAMED.search(word) is not None


def _cut(word: str) -> str:
    named = _IS_NAMED.search(word)
    return word if named is None else word[: named.start()] + _MASK
