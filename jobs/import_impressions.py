"""Bring a log of others (Parquet, CSV, JSON or Delta) into the table impressions, by the column map in conf."""

import hashlib
import sys

from winnow.importing import map_columns
from winnow.job import INPUT, main
from winnow.publishing import publish_impressions
from winnow.run import Run


def work(run: Run) -> None:
    """Read the files, map their columns, replace the days that they hold."""
    settings, files = run.settings.importing, sorted(run.arguments.input)
    log = run.tables.read_files(files, settings.format, settings.options)
    source = hashlib.sha256("\n".join(files).encode()).hexdigest()[:16]
    publish_impressions(run, log.transform(map_columns(settings)), source)


if __name__ == "__main__":
    sys.exit(main("import_impressions", work, doc=str(__doc__), days="optional", options=[INPUT]))
