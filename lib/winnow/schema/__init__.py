"""Every column and table of Winnow, each defined once: its name, its types and its meaning."""

from __future__ import annotations

from winnow.schema.examples import *
from winnow.schema.features import *
from winnow.schema.kinds import *
from winnow.schema.logs import *
from winnow.schema.models import *
from winnow.schema.records import *

#: Every table, in the order of the line.
TABLES = (
    IMPRESSIONS,
    MEDIA,
    USERS,
    SEARCHES,
    RATINGS,
    ONBOARDING,
    EXAMPLES,
    QUARANTINE,
    LEDGER,
    RUNS,
    *TILES,
    CANDIDATES,
    CANDIDATE_PARTS,
    USER_IDS,
    MEDIA_IDS,
    RECOMMENDATIONS,
    SERVED_COLUMNS,
    SCORES,
    METRICS,
    RELIABILITY,
    TRIALS,
)
