"""A synthetic log with a known truth: impressions, the catalogue tables media and users, and what users searched for.

``true_probability`` is the probability with which a row is watched to ``positive_at_least`` of its duration, given
that it does not end in the middle. Whatever is trained on the log can be held against it.
"""

from __future__ import annotations

from winnow.synthetic.catalogue import media, users
from winnow.synthetic.dirt import bot_user_id
from winnow.synthetic.impressions import impressions
from winnow.synthetic.searching import searches
from winnow.synthetic.settings import DirtSettings, SyntheticSettings

__all__ = ["DirtSettings", "SyntheticSettings", "bot_user_id", "impressions", "media", "searches", "users"]
