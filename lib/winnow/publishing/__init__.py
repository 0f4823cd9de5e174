"""From counted to published: inspected before readers see it, replaced whole, and told."""

from winnow.publishing.candidates import publish_candidates
from winnow.publishing.examples import publish_examples
from winnow.publishing.impressions import publish_impressions
from winnow.publishing.metrics import publish_metrics

__all__ = ["publish_candidates", "publish_examples", "publish_impressions", "publish_metrics"]
