"""Search for better settings on time-ordered folds of the days, and write the best as a conf file that every job takes."""

import sys

from winnow.job import OUT, main
from winnow.publishing import publish_trials
from winnow.run import Run


def work(run: Run) -> None:
    """Run the study, or go on with it."""
    publish_trials(run)


if __name__ == "__main__":
    sys.exit(main("tune", work, doc=str(__doc__), options=[OUT]))
