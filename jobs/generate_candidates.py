"""Write each user's lists as of a day: those of every source, by the models that serve, and the merged ones."""

import sys

from winnow.job import Option, main
from winnow.publishing import publish_candidates
from winnow.run import Run

FIT = Option("--fit", "fit the models for each day instead, even where some serve; they are not stored")


def work(run: Run) -> None:
    """Make the lists of the days one after the other."""
    for day in run.days:
        publish_candidates(run, day, is_fitted_anew=run.arguments.fit)


if __name__ == "__main__":
    sys.exit(main("generate_candidates", work, doc=str(__doc__), options=[FIT]))
