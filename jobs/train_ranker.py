"""Fit a ranker for each label to the examples of the days given, and store its scores of those held out."""

import sys

from winnow.job import main
from winnow.publishing import publish_ranker
from winnow.run import Run


def work(run: Run) -> None:
    """Fit, calibrate, score; which day is for what says [splitting]."""
    publish_ranker(run)


if __name__ == "__main__":
    sys.exit(main("train_ranker", work, doc=str(__doc__)))
