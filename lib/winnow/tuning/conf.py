"""What was found best, as a conf file that every job takes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from winnow.tuning.trials import Tried, as_plain


def conf_text(tried: Tried, told: Mapping[str, str]) -> str:
    """Return the settings as TOML, a section each; ``told``: lines of comment on where they come from."""
    sections: dict[str, dict[str, Any]] = {}
    for key, value in sorted(as_plain(tried).items()):
        section, _, name = key.rpartition(".")
        sections.setdefault(section, {})[name] = value
    lines = [f"# {name}: {' '.join(text.split())}" for name, text in told.items()]
    for section, values in sections.items():
        # A value of ours as JSON has it is TOML too: numbers, true and false, strings in double quotes, lists of them.
        lines += ["", f"[{section}]", *(f"{name} = {json.dumps(value)}" for name, value in values.items())]
    return "\n".join([*lines, ""])
