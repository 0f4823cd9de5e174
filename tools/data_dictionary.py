"""Write docs/data-dictionary.md from lib/winnow/schema and the declared features, so that each is defined once."""

from pathlib import Path

from winnow import features, schema
from winnow.features.settings import MEDIA_ASPECT

PAGE = Path(__file__).resolve().parents[1] / "docs" / "data-dictionary.md"
INTRODUCTION = """# Data dictionary

Every stored table, in the order of the line: its columns, their types and their meaning. Made from `lib/winnow/schema/` by
`.venv/bin/python tools/data_dictionary.py`; a test keeps it true. Each table lies at ROOT/name, or where `[tables]` says; what
is made a day at a time is partitioned by its day. The features come last.
"""
FEATURES = """## Features

What rankers learn from: columns that `features.featured` adds to rows, each as of the day before which all was known. Made
from the declarations in `lib/winnow/features/`, with the settings of `conf/base.toml`; `[features.flags]` and `keywords` add a
flag for each value that they name. A tile serves the days that begin at its `known_at` or later. That moment follows from the
tile's day and the settings (`splitting.utc_offset_h`, `labelling.maturity_hours`) and not from when the tile was built, so rows
that come later than that, and are summed when a day is built again, count as known with their day. A feature is its default where its source is missing, null, NaN or infinite: rows without a
user or media row, values never seen. Categories are for models that embed them, and so are lists (`ranking.deep.lists`); all others train trees and linear models.
`user_media` is there where `features.crosses` has media.

| feature | kind | source | window, days | default | |
| --- | --- | --- | --- | --- | --- |
"""


def dictionary() -> str:
    """Return the page: a heading and a table of columns for each table, and a table of the features, as Markdown."""
    return "\n".join([INTRODUCTION, *(_section(table) for table in schema.TABLES), _features()])


def _features() -> str:
    lines = [
        f"| `{feature.name}` | {feature.kind} | {feature.source} | {feature.window_days or ''} | {feature.default:g} | {feature.doc} |"
        for feature in features.declared(features.FeatureSettings())
    ]
    lines += [
        f"| `{one.name}` | list | {one.source} | {one.window_days} | [] | {one.doc} |"
        for one in features.declared_lists(features.FeatureSettings(crosses=(MEDIA_ASPECT,)))
    ]
    return FEATURES + "\n".join([*lines, ""])


def _section(table: schema.Table) -> str:
    columns: tuple[schema.Column, ...] = table.columns
    if table is schema.IMPRESSIONS:
        columns += schema.OPTIONAL_CONTEXT
    if table is schema.EXAMPLES:
        columns += (schema.label_column("L"), schema.rate_column("L"), schema.weight_column("L"))
    lines = [
        f"## {table}",
        "",
        f"{table.doc[0].upper()}{table.doc[1:]}.",
        "",
        "| column | type | |",
        "| --- | --- | --- |",
    ]
    for column in columns:
        optional = " (optional)" if table is schema.IMPRESSIONS and not column.is_required else ""
        lines.append(f"| `{column}` | `{' or '.join(column.types)}` | {column.doc}{optional} |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    PAGE.write_text(dictionary(), encoding="utf-8")
