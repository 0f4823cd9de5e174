"""Turn each day of impressions into labelled, balanced, weighted examples."""

import sys

from winnow.job import FORCE, Option, main
from winnow.publishing import publish_changes, publish_examples
from winnow.run import Run

CHANGED = Option(
    "--changed", "of the days only those that are new, or whose impressions changed since they were prepared"
)


def work(run: Run) -> None:
    """Prepare the days one after the other; each is replaced whole."""
    if run.arguments.changed:
        publish_changes(run, force=run.arguments.force)
        return
    for day in run.days:
        publish_examples(run, day, force=run.arguments.force)


if __name__ == "__main__":
    sys.exit(main("prepare_examples", work, doc=str(__doc__), options=[FORCE, CHANGED]))
