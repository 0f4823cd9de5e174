"""Which engine runs the line."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, get_args

from winnow.settings import check

Name = Literal["spark", "sail", "connect"]
ENGINES: tuple[str, ...] = get_args(Name)
_REMOTE = re.compile(r"sc://[A-Za-z0-9_.\[\]:-]+(/;[^\s'\"]*)?")


@dataclass(frozen=True)
class EngineSettings:
    """``[engine]``: what runs the line where neither a session nor spark-submit is there already."""

    #: spark = a local Spark as conf/spark-local.conf says; sail = Sail in this process, without Java; connect = a server
    #: that speaks Spark Connect, at ``remote``.
    name: Name = "spark"
    #: Where the server is, as sc://HOST:PORT; only for connect.
    remote: str | None = None

    def __post_init__(self) -> None:
        """Check the address."""
        if self.remote is not None:
            check(_REMOTE.fullmatch(self.remote) is not None, "remote", "an address as sc://HOST:PORT", "another text")
        check(
            self.name != "connect" or self.remote is not None,
            "remote",
            "the server's address, as --remote sc://HOST:PORT",
            None,
        )
