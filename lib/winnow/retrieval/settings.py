"""The settings of retrieval: what counts as an interaction, and those of each source of candidates."""

from __future__ import annotations

from dataclasses import dataclass, field

from winnow.settings import check, check_between, check_name

#: Every source of candidates by name; ``sources.LEARNERS`` has their code.
SOURCES = ("popularity", "als")


@dataclass(frozen=True)
class PopularitySettings:
    """``[retrieval.popularity]``: what most users engaged with of late."""

    #: Days before the as-of day whose positives count.
    window_days: int = 7

    def __post_init__(self) -> None:
        """Check the range."""
        check_between("window_days", self.window_days, 1, 3650)


@dataclass(frozen=True)
class AlsSettings:
    """``[retrieval.als]``: implicit matrix factorisation."""

    #: Numbers that describe a user or a media: the cost of a fit grows faster than this.
    rank: int = 32
    #: Pull of the factors towards zero.
    regularisation: float = 0.1
    #: Confidence of a pair is 1 + alpha * r.
    alpha: float = 10.0
    #: Passes over all pairs.
    iterations: int = 10
    #: Blocks of users and of media: other numbers begin from other factors and give other lists, so they are pinned.
    user_blocks: int = 8
    #: See user_blocks.
    item_blocks: int = 8
    #: Seed of the first factors.
    seed: int = 7

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_between("rank", self.rank, 1, 1024)
        check_between("regularisation", self.regularisation, 0, 1e6)
        check_between("alpha", self.alpha, 0, 1e6)
        check_between("iterations", self.iterations, 1, 1000)
        check_between("user_blocks", self.user_blocks, 1, 10_000)
        check_between("item_blocks", self.item_blocks, 1, 10_000)


@dataclass(frozen=True)
class RetrievalSettings:
    """``[retrieval]``: what is learnt from, by which sources, and how long the lists are."""

    #: Label whose positives are interactions.
    label: str = "watched"
    #: Sources of candidates that are fitted.
    sources: tuple[str, ...] = SOURCES
    #: Length of a user's list from each source.
    candidates: int = 100
    #: A view counts at most so many times its duration.
    cap: float = 2.0
    #: Leave out what the user has engaged with before.
    skip_seen: bool = True
    popularity: PopularitySettings = field(default_factory=PopularitySettings)
    als: AlsSettings = field(default_factory=AlsSettings)

    def __post_init__(self) -> None:
        """Check the names and the ranges."""
        check_name("label", self.label)
        known = ", ".join(SOURCES)
        check(len(self.sources) > 0, "sources", f"some of {known}", self.sources)
        check(set(self.sources) <= set(SOURCES), "sources", f"some of {known}", self.sources)
        check(len(set(self.sources)) == len(self.sources), "sources", "each source once", self.sources)
        check_between("candidates", self.candidates, 1, 100_000)
        check(0 < self.cap <= 1000, "cap", "a number above 0, at most 1000", self.cap)
