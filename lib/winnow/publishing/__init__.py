"""From counted to published: inspected before readers see it, replaced whole, and told."""

from winnow.publishing.candidates import publish_candidates
from winnow.publishing.changes import publish_changes
from winnow.publishing.contributions import explain_list
from winnow.publishing.erasure import erase_user
from winnow.publishing.examples import publish_examples
from winnow.publishing.explanation import explain_impression
from winnow.publishing.impressions import publish_impressions
from winnow.publishing.maintenance import (
    compact_files,
    migrate_tables,
    remove_history,
    remove_old_days,
    report_files,
)
from winnow.publishing.metrics import publish_metrics
from winnow.publishing.models import roll_back, train_models
from winnow.publishing.online_metrics import publish_online_metrics
from winnow.publishing.profiles import publish_tiles, read_profiles
from winnow.publishing.protocols import publish_protocol
from winnow.publishing.ranking import publish_ranker
from winnow.publishing.ratings import publish_ratings
from winnow.publishing.recommendations import publish_recommendations
from winnow.publishing.report import publish_report
from winnow.publishing.tuning import publish_trials
from winnow.publishing.verification import verify_examples

__all__ = [
    "compact_files",
    "erase_user",
    "explain_impression",
    "explain_list",
    "migrate_tables",
    "publish_candidates",
    "publish_changes",
    "publish_examples",
    "publish_impressions",
    "publish_metrics",
    "publish_online_metrics",
    "publish_protocol",
    "publish_ranker",
    "publish_ratings",
    "publish_recommendations",
    "publish_report",
    "publish_tiles",
    "publish_trials",
    "read_profiles",
    "remove_history",
    "remove_old_days",
    "report_files",
    "roll_back",
    "train_models",
    "verify_examples",
]
