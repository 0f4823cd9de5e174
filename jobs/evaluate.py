"""Measure lists as of the first day, and scores, against what users went on to do; or, online, the arms of an experiment."""

import sys

from winnow.job import Option, main
from winnow.publishing import publish_metrics, publish_online_metrics, publish_protocol
from winnow.run import Run

ONLINE = Option("--online", "measure the arms of an experiment ([online]) on the log of these days instead")
PROTOCOL = Option(
    "--protocol",
    "fit models and measure them by folds_by_time, leave_last_out, masked_at_random or held_out_ratings instead of what is stored",
    metavar="NAME",
)


def work(run: Run) -> None:
    """Measure what was asked for."""
    protocol = run.arguments.protocol or "by_time"
    if run.arguments.online:
        publish_online_metrics(run)
    elif protocol == "by_time":
        publish_metrics(run)
    else:
        publish_protocol(run, protocol)


if __name__ == "__main__":
    sys.exit(main("evaluate", work, doc=str(__doc__), options=[ONLINE, PROTOCOL]))
