"""Turn each day of impressions into labelled, balanced, weighted examples."""

import sys

from winnow.job import FORCE, main
from winnow.publishing import publish_examples
from winnow.run import Run


def work(run: Run) -> None:
    """Prepare the days one after the other; each is replaced whole."""
    for day in run.days:
        publish_examples(run, day, force=run.arguments.force)


if __name__ == "__main__":
    sys.exit(main("prepare_examples", work, doc=str(__doc__), options=[FORCE]))
