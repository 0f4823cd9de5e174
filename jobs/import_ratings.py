"""Bring what users said of media (Parquet, CSV, JSON or Delta) into the table ratings, by the column map in conf."""

import hashlib
import sys

from winnow import schema
from winnow.importing import map_columns
from winnow.job import INPUT, main
from winnow.publishing import publish_ratings
from winnow.run import Run


def work(run: Run) -> None:
    """Read the files, map their columns, put the ratings beside those that are there."""
    settings, files = run.settings.importing, sorted(run.arguments.input)
    rows = run.tables.read_files(files, settings.format, settings.options)
    source = hashlib.sha256("\n".join(files).encode()).hexdigest()[:16]
    publish_ratings(run, rows.transform(map_columns(settings, schema.RATINGS)), source)


if __name__ == "__main__":
    sys.exit(main("import_ratings", work, doc=str(__doc__), days="none", options=[INPUT]))
