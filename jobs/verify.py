"""Make published days again from their records alone, and hold them against what is stored."""

import sys

from winnow.job import main
from winnow.publishing import verify_examples
from winnow.run import Run


def work(run: Run) -> None:
    """Verify the days one after the other."""
    for day in run.days:
        verify_examples(run, day)


if __name__ == "__main__":
    sys.exit(main("verify", work, doc=str(__doc__)))
