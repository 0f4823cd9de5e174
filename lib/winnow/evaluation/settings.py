"""``[evaluation]``: what is measured, at which places of the lists, with which intervals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from winnow.settings import check, check_between, check_columns


@dataclass(frozen=True)
class EvaluationSettings:
    """``[evaluation]``: what is measured, at which places of the lists, with which intervals."""

    #: Lengths N of the lists' heads that count: precision@N, ndcg@N, ...
    at: tuple[int, ...] = (5, 10, 20)
    #: Label -> grade of a media that is positive for it; of several, the highest counts. NDCG gains 2 ** grade - 1.
    relevance: Mapping[str, int] = field(default_factory=lambda: {"watched": 1})
    #: Columns of the examples (device, country, ...) by whose values metrics are told apart; also is_new_user, is_new_media
    #: and activity, which are worked out.
    slices: tuple[str, ...] = ()
    #: Leave out what the user had engaged with before the period; not set = where lists never hold it (retrieval.skip_seen).
    skip_seen: bool | None = None
    #: Days that a user is new (slice is_new_user), since they joined, or else since they were first seen.
    new_user_days: int = 30
    #: Days that a media is new (slice is_new_media), since it was added, or else since it was first seen.
    new_media_days: int = 14
    #: Positives of a user before the period from which on the next band of activity begins (slice activity).
    activity_bands: tuple[int, ...] = (1, 5, 20)
    #: What the other models are compared with; not set = nothing.
    baseline: str | None = None
    #: Column of the examples that is a score itself -> the label that it is a score of.
    score_columns: Mapping[str, str] = field(default_factory=dict)
    #: Last interactions of each user that are asked for (--protocol leave_last_out).
    last_out: int = 1
    #: Share of the pairs of a user and a media that is asked for (--protocol masked_at_random).
    masked_share: float = 0.25
    #: Bins of a reliability curve, of equally many rows.
    bins: int = 20
    #: Share of intervals that hold the truth.
    confidence: float = 0.95
    #: Resamples of the bootstrap.
    resamples: int = 1_000
    #: Groups of users, by a hash of their id, that are resampled: with fewer users, nearly each is a group.
    groups: int = 2_000
    #: Seed of the groups and of the resamples.
    seed: int = 20260105

    def __post_init__(self) -> None:
        """Check the ranges."""
        check(len(self.at) > 0 and len(set(self.at)) == len(self.at), "at", "different lengths of lists", self.at)
        for length in self.at:
            check_between("at", length, 1, 10_000)
        check(len(self.relevance) > 0, "relevance", "a grade for at least one label", self.relevance)
        for label, grade in self.relevance.items():
            check_between(f"relevance.{label}", grade, 1, 30)
        check_columns("slices", self.slices)
        check_columns("score_columns", self.score_columns)
        check_between("new_user_days", self.new_user_days, 1, 3650)
        check_between("new_media_days", self.new_media_days, 1, 3650)
        bands = self.activity_bands
        check(
            len(bands) > 0 and bands[0] >= 1 and list(bands) == sorted(set(bands)),
            "activity_bands",
            "rising whole numbers from 1 on",
            bands,
        )
        check_between("last_out", self.last_out, 1, 10_000)
        check_between("masked_share", self.masked_share, 1e-6, 1 - 1e-6)
        check_between("bins", self.bins, 2, 1_000)
        check_between("confidence", self.confidence, 0.5, 0.9999)
        check_between("resamples", self.resamples, 100, 100_000)
        check_between("groups", self.groups, 10, 100_000)

    @property
    def longest(self) -> int:
        """The most places of a list that count."""
        return max(self.at)
