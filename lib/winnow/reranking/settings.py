"""The settings of re-ranking: what may be shown, what is favoured, and how lists are made various."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from winnow import schema
from winnow.settings import check, check_between, check_columns


@dataclass(frozen=True)
class RerankingSettings:
    """``[reranking]``: what may be shown, what is favoured, and how lists are made various."""

    #: Length of a user's list.
    length: int = 10
    #: Candidates of a user, the best by score, that a list is chosen from.
    pool: int = 50
    #: What a user is not shown again: what they engaged with, all that they were shown, or nothing.
    seen: Literal["engaged", "shown", "nothing"] = "engaged"
    #: Days after which it may be shown again.
    seen_days: int = 90
    #: How lists are made various: a trade of score and likeness, a limit to what is alike, or not at all.
    diversity: Literal["mmr", "cap", "none"] = "mmr"
    #: Columns of the catalogue by which media are alike.
    alike_by: tuple[str, ...] = (str(schema.GENRES), str(schema.CREATOR))
    #: mmr: part of the score, against that of likeness to what is in the list already.
    score_part: float = 0.7
    #: cap: media of a list that share a value (a genre, a creator), at most.
    most_alike: int = 3
    #: A medium that came today scores more by this share; less as it ages.
    freshness: float = 0.1
    #: Days after which a medium is no longer new.
    fresh_days: int = 14
    #: Age band -> the highest maturity rating, in years, that it is shown; a band that is not named is shown all.
    maturity: Mapping[str, int] = field(default_factory=dict)
    #: Country -> distributors whose media are not licensed there.
    unlicensed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check the names and the ranges."""
        check_between("length", self.length, 1, 10_000)
        check_between("pool", self.pool, self.length, 100_000)
        check_between("seen_days", self.seen_days, 1, 36_500)
        check_columns("alike_by", self.alike_by)
        check_between("score_part", self.score_part, 0, 1)
        check_between("most_alike", self.most_alike, 1, 10_000)
        check_between("freshness", self.freshness, 0, 100)
        check_between("fresh_days", self.fresh_days, 1, 3650)
        for band, years in self.maturity.items():
            check_between(f"maturity.{band}", years, 0, 100)
        for country, distributors in self.unlicensed.items():
            check(len(distributors) > 0, f"unlicensed.{country}", "a distributor at least", distributors)

    def days_before(self, as_of: dt.date) -> list[dt.date]:
        """Return the days whose impressions count as seen, the first of them first."""
        return [as_of - dt.timedelta(days=days) for days in range(self.seen_days, 0, -1)]
