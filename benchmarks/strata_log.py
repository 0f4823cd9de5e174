"""Write a log once more with columns of 10 to 100,000 strata, so that only their number differs between the runs on it.

python benchmarks/strata_log.py --input LOG/impressions --output FOLDER
"""

from __future__ import annotations

import argparse

from pyspark.sql import functions as F

from logs import NUMBERS_OF_STRATA, strata_column
from winnow.engines import EngineSettings, start_session


def main() -> None:
    """Give every row the remainders of its user's hash: a user's rows are of one stratum, as with real ones."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--input", required=True, help="the Delta table of a day's impressions")
    parser.add_argument("--output", required=True, help="place of the other Delta table")
    arguments = parser.parse_args()
    spark = start_session("strata log", EngineSettings())
    rows = spark.read.format("delta").load(arguments.input)
    user = F.xxhash64("user_id")
    numbered = rows.withColumns({strata_column(strata): F.pmod(user, F.lit(strata)) for strata in NUMBERS_OF_STRATA})
    numbered.write.format("delta").partitionBy("event_date").save(arguments.output)


if __name__ == "__main__":
    main()
