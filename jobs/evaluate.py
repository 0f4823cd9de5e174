"""Measure lists as of the first day against what users went on to engage with, from that day to the last."""

import sys

from winnow.job import main
from winnow.publishing import publish_metrics
from winnow.run import Run


def work(run: Run) -> None:
    """Measure every model that has lists as of the first day."""
    publish_metrics(run)


if __name__ == "__main__":
    sys.exit(main("evaluate", work, doc=str(__doc__)))
