"""From counted to published: inspected before readers see it, replaced whole, and told."""

from winnow.publishing.examples import publish_examples
from winnow.publishing.impressions import publish_impressions

__all__ = ["publish_examples", "publish_impressions"]
