"""The settings of retrieval: what counts as an interaction, and those of each source of candidates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from winnow import schema
from winnow.retrieval.tower_settings import TwoTowerSettings
from winnow.settings import check, check_between, check_columns, check_name

#: Every source of candidates by name; ``sources.LEARNERS`` has their code.
SOURCES = ("popularity", "als", "item_item", "content", "svd", "als_explicit", "two_tower")
#: Those of them that Spark ML fits, or torch by Spark ML's distributor.
OF_SPARK_ML = ("als", "als_explicit", "two_tower")
#: Those of them whose lists are the largest inner products of vectors: ``[retrieval.scoring]`` is about them.
OF_VECTORS = ("als", "svd", "als_explicit", "content", "two_tower")


@dataclass(frozen=True)
class PopularitySettings:
    """``[retrieval.popularity]``: what most users engaged with of late."""

    #: Days before the as-of day whose positives count.
    window_days: int = 7
    #: A list for each country, where the accounts or the log tell it.
    by_country: bool = True
    #: Users of everywhere that each country is given: a small country's list is near that of all.
    smoothing: float = 100.0

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_between("window_days", self.window_days, 1, 3650)
        check_between("smoothing", self.smoothing, 0, 1e9)


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
class SvdSettings:
    """``[retrieval.svd]``: truncated singular value decomposition."""

    #: Numbers that describe a user or a media.
    rank: int = 32
    #: Passes over all pairs, each of which makes the basis of the media better.
    iterations: int = 4
    #: Blocks of users, by a hash: a task holds the cells of one. Other numbers give the same but for the last digits.
    blocks: int = 16
    #: Seed of the first basis.
    seed: int = 7

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_between("rank", self.rank, 1, 1024)
        check_between("iterations", self.iterations, 1, 100)
        check_between("blocks", self.blocks, 1, 100_000)


@dataclass(frozen=True)
class ItemItemSettings:
    """``[retrieval.item_item]``: media that the same users watched."""

    #: Nearest media that are kept of each media.
    neighbours: int = 50
    #: Users in common at which a similarity is halved.
    shrinkage: float = 10.0
    #: Users in common below which two media are not near.
    least_users: int = 1
    #: Pairs of a user that count, the most confident: the cost grows with their square.
    most_per_user: int = 500

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_between("neighbours", self.neighbours, 1, 10_000)
        check_between("shrinkage", self.shrinkage, 0, 1e6)
        check_between("least_users", self.least_users, 1, 1_000_000)
        check_between("most_per_user", self.most_per_user, 1, 100_000)


def _fields() -> dict[str, float]:
    weights = {
        schema.GENRES: 1.0,
        schema.TAGS: 1.0,
        schema.DIRECTOR: 0.7,
        schema.CAST: 0.5,
        schema.LANGUAGE: 0.5,
        schema.SYNOPSIS: 0.3,
    }
    return {str(name): weight for name, weight in weights.items()}


@dataclass(frozen=True)
class ContentSettings:
    """``[retrieval.content]``: media that are like what a user watched or chose."""

    #: Slots that terms are hashed to: the length of a vector.
    dimensions: int = 256
    #: Columns of the table media whose values are terms, and what they weigh; those that it lacks are left out.
    fields: Mapping[str, float] = field(default_factory=_fields)
    #: Those of the fields that are texts: their words are the terms.
    texts: tuple[str, ...] = (str(schema.SYNOPSIS),)
    #: Pairs of a user that make the profile, the most confident.
    most_per_user: int = 500
    #: What the genres chosen at the start weigh, beside one view watched to its end.
    onboarding_weight: float = 1.0

    def __post_init__(self) -> None:
        """Check names and ranges."""
        check_between("dimensions", self.dimensions, 8, 65_536)
        check_columns("fields", self.fields)
        check(any(weight > 0 for weight in self.fields.values()), "fields", "a weight above 0", dict(self.fields))
        for name, weight in self.fields.items():
            check_between(f"fields.{name}", weight, 0, 1e6)
        check_columns("texts", self.texts)
        check_between("most_per_user", self.most_per_user, 1, 100_000)
        check_between("onboarding_weight", self.onboarding_weight, 0, 1e6)


@dataclass(frozen=True)
class RatingsSettings:
    """``[retrieval.ratings]``: the bias model of ratings, and the factors of what it leaves."""

    #: Ratings of the mean that a media, and a user, is given: the fewer of its own, the nearer to the mean.
    media_shrinkage: float = 10.0
    #: See media_shrinkage.
    user_shrinkage: float = 5.0
    #: Numbers that describe a user or a media, beside their biases.
    rank: int = 16
    #: Pull of the factors towards zero, for each rating.
    regularisation: float = 0.1
    #: Passes over all ratings.
    iterations: int = 12

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_between("media_shrinkage", self.media_shrinkage, 0, 1e6)
        check_between("user_shrinkage", self.user_shrinkage, 0, 1e6)
        check_between("rank", self.rank, 1, 1024)
        check_between("regularisation", self.regularisation, 0, 1e6)
        check_between("iterations", self.iterations, 1, 100)


@dataclass(frozen=True)
class ScoringSettings:
    """``[retrieval.scoring]``: how the best media are found among all, and in which portions."""

    #: exact: every media is looked at; hnsw: a graph of near ones, for catalogues of millions (extra ``ann``).
    index: Literal["exact", "hnsw"] = "exact"
    #: Links of a media in the graph: more find more and take more memory.
    links: int = 32
    #: Candidates that are kept in sight while the graph is built.
    explored_to_build: int = 200
    #: Candidates that are kept in sight while a user's list is looked for.
    explored: int = 256
    #: Users of which a task holds the vectors at a time.
    users_per_block: int = 8_192
    #: Parts of the users that are written one after the other: a run that was stopped goes on with the first that is missing.
    parts: int = 1

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_between("links", self.links, 2, 1024)
        check_between("explored_to_build", self.explored_to_build, 1, 100_000)
        check_between("explored", self.explored, 1, 100_000)
        check_between("users_per_block", self.users_per_block, 1, 10_000_000)
        check_between("parts", self.parts, 1, 10_000)


@dataclass(frozen=True)
class MergingSettings:
    """``[retrieval.merging]``: how the lists of all sources become one."""

    #: The k of reciprocal rank fusion: the larger, the less the first places count.
    k: int = 60
    #: Source -> its first places that count; a source not named = as many as ``candidates``.
    quotas: Mapping[str, int] = field(default_factory=dict)
    #: Source -> its first places that are in the merged list whatever others found: what only it knows, such as new media.
    reserved: Mapping[str, int] = field(default_factory=dict)
    #: Source -> its weight, one not named = 1; none = by the square of the recall that training has
    #: measured of each, else all alike.
    weights: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check the names and the ranges."""
        check_between("k", self.k, 0, 1e6)
        places = {"quotas": self.quotas, "reserved": self.reserved}
        for key, values in (*places.items(), ("weights", self.weights)):
            check(set(values) <= set(SOURCES), key, f"some of {', '.join(SOURCES)}", dict(values))
        for key, firsts in places.items():
            for name, first in firsts.items():
                check_between(f"{key}.{name}", first, 0, 100_000)
        for name, weight in self.weights.items():
            check_between(f"weights.{name}", weight, 0, 1e6)

    def weighed(self, recalls: Mapping[str, float]) -> MergingSettings:
        """Return the same with weights in proportion to the squared recall of each source, where no weights are set.

        A source that finds little does not push down what a good one found; nor do several that find the same little. By the
        recall itself they do: docs/retrieval.md has both on two logs.
        """
        most = max(recalls.values(), default=0.0)
        if self.weights or not most:
            return self
        return replace(self, weights={source: (recall / most) ** 2 for source, recall in recalls.items()})


@dataclass(frozen=True)
class GateSettings:
    """``[retrieval.gates]``: what a trained model must show before it serves."""

    #: Days before the as-of day that models are measured on, fitted without them; 0 = nothing is measured, and no gate set.
    validation_days: int = 1
    #: Share of the serving model's recall that a new one must reach; days differ, so less than 1.
    least_of_former: float = 0.8

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_between("validation_days", self.validation_days, 0, 365)
        check_between("least_of_former", self.least_of_former, 0, 10)


@dataclass(frozen=True)
class RetrievalSettings:
    """``[retrieval]``: what is learnt from, by which sources, and how long the lists are."""

    #: Label whose positives are interactions.
    label: str = "watched"
    #: Sources of candidates that are fitted.
    sources: tuple[str, ...] = ("popularity", "als", "item_item")
    #: Length of a user's list from each source, and of the merged one.
    candidates: int = 100
    #: A view counts at most so many times its duration.
    cap: float = 2.0
    #: Leave out what the user has engaged with before.
    skip_seen: bool = True
    popularity: PopularitySettings = field(default_factory=PopularitySettings)
    als: AlsSettings = field(default_factory=AlsSettings)
    svd: SvdSettings = field(default_factory=SvdSettings)
    item_item: ItemItemSettings = field(default_factory=ItemItemSettings)
    content: ContentSettings = field(default_factory=ContentSettings)
    two_tower: TwoTowerSettings = field(default_factory=TwoTowerSettings)
    ratings: RatingsSettings = field(default_factory=RatingsSettings)
    scoring: ScoringSettings = field(default_factory=ScoringSettings)
    merging: MergingSettings = field(default_factory=MergingSettings)
    gates: GateSettings = field(default_factory=GateSettings)

    def __post_init__(self) -> None:
        """Check the names and the ranges."""
        check_name("label", self.label)
        known = ", ".join(SOURCES)
        check(len(self.sources) > 0, "sources", f"some of {known}", self.sources)
        check(set(self.sources) <= set(SOURCES), "sources", f"some of {known}", self.sources)
        check(len(set(self.sources)) == len(self.sources), "sources", "each source once", self.sources)
        check_between("candidates", self.candidates, 1, 100_000)
        check(0 < self.cap <= 1000, "cap", "a number above 0, at most 1000", self.cap)
