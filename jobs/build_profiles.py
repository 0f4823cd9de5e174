"""Sum each day of impressions to tiles of users, media and what they have in common: what features are made of."""

import sys

from winnow.job import main
from winnow.publishing import publish_tiles
from winnow.run import Run


def work(run: Run) -> None:
    """Build the days one after the other; each is replaced whole."""
    for day in run.days:
        publish_tiles(run, day)


if __name__ == "__main__":
    sys.exit(main("build_profiles", work, doc=str(__doc__)))
