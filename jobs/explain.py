"""Say why one impression is or is not in the examples of its day."""

import sys

from winnow.job import Option, main
from winnow.publishing import explain_impression
from winnow.run import Run

IMPRESSION = Option("--impression", "the impression_id that is asked about", metavar="ID", is_required=True)


def work(run: Run) -> None:
    """Look for the impression on each day that was asked for."""
    for day in run.days:
        explain_impression(run, day, run.arguments.impression)


if __name__ == "__main__":
    sys.exit(main("explain", work, doc=str(__doc__), options=[IMPRESSION]))
