"""Write docs/data-dictionary.md from lib/winnow/schema, so that it is defined once."""

from pathlib import Path

from winnow import schema

PAGE = Path(__file__).resolve().parents[1] / "docs" / "data-dictionary.md"
INTRODUCTION = """# Data dictionary

Every stored table, in the order of the line: its columns, their types and their meaning. Made from `lib/winnow/schema/` by
`.venv/bin/python tools/data_dictionary.py`; a test keeps it true. Each table lies at ROOT/name, or where `[tables]` says; what
is made a day at a time is partitioned by its day.
"""


def dictionary() -> str:
    """Return the page: a heading and a table of columns for each table, as Markdown."""
    return "\n".join([INTRODUCTION, *(_section(table) for table in schema.TABLES)])


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
