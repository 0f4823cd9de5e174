"""Write the data dictionary of README.md from lib/winnow/schema, so that it is defined once."""

from pathlib import Path

from winnow import schema

README = Path(__file__).resolve().parents[1] / "README.md"
START, END = "<!-- tables -->\n", "<!-- /tables -->"


def dictionary() -> str:
    """Return the tables as Markdown: a heading and a table of columns each."""
    parts = [_section(table) for table in schema.TABLES]
    return "\n".join(parts)


def in_readme(text: str) -> str:
    """Return the README's text with the dictionary as it is now."""
    before, after = text.partition(START)[0], text.partition(END)[2]
    return f"{before}{START}{dictionary()}{END}{after}"


def _section(table: schema.Table) -> str:
    columns: tuple[schema.Column, ...] = table.columns
    if table is schema.IMPRESSIONS:
        columns += schema.OPTIONAL_CONTEXT
    if table is schema.EXAMPLES:
        columns += (schema.label_column("L"), schema.rate_column("L"), schema.weight_column("L"))
    lines = [f"**{table}**: {table.doc}.", "", "| column | type | |", "| --- | --- | --- |"]
    for column in columns:
        optional = " (optional)" if table is schema.IMPRESSIONS and not column.is_required else ""
        lines.append(f"| `{column}` | `{' or '.join(column.types)}` | {column.doc}{optional} |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    README.write_text(in_readme(README.read_text(encoding="utf-8")), encoding="utf-8")
