"""Write what the tables of a root told as one HTML page: no network, light and dark, for a phone too."""

import sys

from winnow.job import OUT, main
from winnow.publishing import publish_report
from winnow.run import Run


def work(run: Run) -> None:
    """Write the page of all that is there."""
    publish_report(run)


if __name__ == "__main__":
    sys.exit(main("report", work, doc=str(__doc__), days="none", options=[OUT]))
