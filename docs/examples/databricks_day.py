"""Tell the other tasks of databricks.yml which day they are about: the one before yesterday, whose labels are settled.

Databricks gives a job the date of its run and no arithmetic. ``--run-date``: that date (YYYY-MM-DD), or another one to backfill.
"""

from __future__ import annotations

import argparse
import datetime as dt

from databricks.sdk.runtime import dbutils

parser = argparse.ArgumentParser()
parser.add_argument("--run-date", type=dt.date.fromisoformat, required=True)
dbutils.jobs.taskValues.set("day", str(parser.parse_args().run_date - dt.timedelta(days=2)))
