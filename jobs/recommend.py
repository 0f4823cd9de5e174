"""Rank the candidates of each day as of that day and write every user's list; with --explain, say why one list is as it is."""

import sys

from winnow.job import Option, main
from winnow.publishing import explain_list, publish_recommendations
from winnow.run import Run

EXPLAIN = Option(
    "--explain", "say what makes the stored list of this user; nothing is written", metavar="USER_ID", is_personal=True
)


def work(run: Run) -> None:
    """Make the lists of the days one after the other, or explain one user's."""
    for day in run.days:
        if run.arguments.explain is not None:
            explain_list(run, day, run.arguments.explain)
        else:
            publish_recommendations(run, day)


if __name__ == "__main__":
    sys.exit(main("recommend", work, doc=str(__doc__), options=[EXPLAIN]))
