"""Fit every source of candidates to what was known before a day, and let it serve when it passes its gates."""

import sys

from winnow.job import Option, main
from winnow.publishing import roll_back, train_models
from winnow.run import Run

ROLLBACK = Option(
    "--rollback", "let the models serve again that served before; nothing is fitted, and no day is needed"
)


def work(run: Run) -> None:
    """Train as of the days one after the other, or roll back."""
    if run.arguments.rollback:
        roll_back(run)
        return
    for day in run.needed_days:
        train_models(run, day)


if __name__ == "__main__":
    sys.exit(main("train_retrieval", work, doc=str(__doc__), days="optional", options=[ROLLBACK]))
