"""Measure lists as of the first day, and scores, against what users went on to do; or, online, the arms of an experiment."""

import sys

from winnow.job import Option, main
from winnow.publishing import publish_metrics, publish_online_metrics
from winnow.run import Run

ONLINE = Option("--online", "measure the arms of an experiment ([online]) on the log of these days instead")


def work(run: Run) -> None:
    """Measure what was asked for."""
    if run.arguments.online:
        publish_online_metrics(run)
    else:
        publish_metrics(run)


if __name__ == "__main__":
    sys.exit(main("evaluate", work, doc=str(__doc__), options=[ONLINE]))
