"""Re-ranking: from scored candidates to the lists that users are shown."""

from __future__ import annotations

from winnow.reranking.choosing import choose, chosen
from winnow.reranking.rules import AGE_DAYS, ALIKE, may_be_shown, seen_before
from winnow.reranking.settings import RerankingSettings

__all__ = ["AGE_DAYS", "ALIKE", "RerankingSettings", "choose", "chosen", "may_be_shown", "seen_before"]
