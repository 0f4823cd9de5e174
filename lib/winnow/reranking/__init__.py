"""Re-ranking: from scored candidates to the lists that users are shown."""

from __future__ import annotations

from winnow.reranking.choosing import choose, chosen
from winnow.reranking.rules import AGE_DAYS, ALIKE, KIND, may_be_shown, seen_before, treated_alike
from winnow.reranking.settings import RerankingSettings

__all__ = [
    "AGE_DAYS",
    "ALIKE",
    "KIND",
    "RerankingSettings",
    "choose",
    "chosen",
    "may_be_shown",
    "seen_before",
    "treated_alike",
]
