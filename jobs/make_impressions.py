"""Make a synthetic log with a known truth, and the catalogue of its media and users."""

import sys
from functools import reduce

from pyspark.sql import DataFrame

from winnow import schema, synthetic
from winnow.job import main
from winnow.run import Run


def work(run: Run) -> None:
    """Make the catalogue as of the last day, and each day of the log and of the searches."""
    tables, settings = run.tables, run.settings.synthetic
    last = run.days[-1]
    tables.replace(schema.MEDIA, synthetic.media(tables.spark, settings, last), {}, record=run.metadata(), files=1)
    tables.replace(schema.USERS, synthetic.users(tables.spark, settings), {}, record=run.metadata(), files=1)
    for day in run.days:
        tables.describe(f"{day}: write the impressions")
        run.say(f"{day}: {settings.rows_per_day:,} impressions")
        log = synthetic.impressions(tables.spark, settings, day)
        tables.replace(schema.IMPRESSIONS, log, {schema.EVENT_DATE: day}, record=run.metadata())
    tables.describe("write the searches")
    searched = reduce(DataFrame.unionByName, (synthetic.searches(tables.spark, settings, day) for day in run.days))
    tables.replace(schema.SEARCHES, searched, {schema.EVENT_DATE: run.days}, record=run.metadata())


if __name__ == "__main__":
    sys.exit(main("make_impressions", work, doc=str(__doc__)))
