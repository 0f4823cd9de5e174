"""The page: its sections laid out by a template as one HTML file that asks nothing of a network."""

from __future__ import annotations

import base64
import hashlib
from importlib import resources
from typing import TYPE_CHECKING

from winnow.errors import SettingsError
from winnow.reporting.contents import Contents
from winnow.reporting.parts import Section
from winnow.reporting.sections.data import balance_section, funnel_section, ledger_section, weights_section
from winnow.reporting.sections.models import (
    balance_sweep_section,
    metrics_section,
    reliability_section,
    tuning_section,
)
from winnow.reporting.sections.records import glance_section, lineage_section, users_section
from winnow.reporting.settings import ReportingSettings

if TYPE_CHECKING:
    from jinja2 import Environment

_TEMPLATES = "templates"


def sections(contents: Contents, settings: ReportingSettings) -> list[Section]:
    """Return every section in the order of the page; one whose tables are not there says so."""
    return [
        glance_section(contents),
        funnel_section(contents),
        balance_section(contents, settings.strata),
        weights_section(contents),
        ledger_section(contents),
        metrics_section(contents),
        reliability_section(contents),
        balance_sweep_section(contents),
        tuning_section(contents),
        users_section(contents),
        lineage_section(contents),
    ]


def page(contents: Contents, settings: ReportingSettings) -> str:
    """Return the page as HTML. Every text of the tables is escaped; only our own script may run (Content-Security-Policy).

    Raises SettingsError where jinja2 is not installed.
    """
    style, script = _file("style.css"), _file("script.js")
    policy = f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'"
    html: str = (
        _environment()
        .get_template("page.html")
        .render(contents=contents, sections=sections(contents, settings), style=style, script=script, policy=policy)
    )
    return html


def _environment() -> Environment:
    try:
        from jinja2 import Environment, FunctionLoader, StrictUndefined  # an extra: only the report needs it
    except ImportError as missing:
        raise SettingsError(
            f"report: expected the package jinja2, found: {missing}. Install winnow[report]."
        ) from missing
    # Read by importlib, which finds them in a folder and in the zip of --py-files alike.
    return Environment(
        loader=FunctionLoader(_file), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )


def _file(name: str) -> str:
    return (resources.files("winnow.reporting") / _TEMPLATES / name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
