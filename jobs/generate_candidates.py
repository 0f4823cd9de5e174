"""Fit every source of candidates to what was known before a day, and write each user's lists as of that day."""

import sys

from winnow.job import main
from winnow.publishing import publish_candidates
from winnow.run import Run


def work(run: Run) -> None:
    """Make the lists of the days one after the other."""
    for day in run.days:
        publish_candidates(run, day)


if __name__ == "__main__":
    sys.exit(main("generate_candidates", work, doc=str(__doc__)))
