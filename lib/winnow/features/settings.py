"""``[features]``: which days are looked back on, what is crossed with what, and which values have a flag of their own."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from winnow import schema
from winnow.settings import check, check_between, check_name

#: What a media is told by, from the catalogue.
CONTENT = (
    "genre",
    "actor",
    str(schema.DIRECTOR),
    str(schema.CREATOR),
    str(schema.COMPOSER),
    str(schema.LANGUAGE),
    str(schema.DISTRIBUTOR),
    "tag",
)
#: What an impression is told by.
CONTEXT = (str(schema.DEVICE), str(schema.SURFACE), "daypart", "length")
_CROSSES = ("genre", "actor", str(schema.DIRECTOR), str(schema.LANGUAGE), *CONTEXT)
#: The media itself: what the user did with this very one, shown again.
MEDIA_ASPECT = "media"
#: What users have a history of beside these: what they searched for.
TERM_ASPECT = str(schema.TERM)
#: Columns whose values may have flags of their own.
FLAGGED = (
    "genre",
    str(schema.AGE_BAND),
    str(schema.GENDER),
    str(schema.DEVICE),
    str(schema.SURFACE),
    str(schema.MEDIA_TYPE),
    str(schema.COUNTRY),
)


#: Sources of candidates whose models are a vector a user and a vector a media.
OF_VECTORS = ("als", "svd", "als_explicit")


@dataclass(frozen=True)
class FeatureSettings:
    """``[features]``: what features are made of."""

    #: Label whose positives are engagement.
    label: str = "watched"
    #: Days of each window before the as-of day.
    windows_days: tuple[int, ...] = (1, 7, 28)
    #: Last hours of the day before, that a media's newest popularity is counted in.
    last_hours: int = 6
    #: Days after which what a user did counts half.
    half_life_days: int = 7
    #: Half-lives that are looked back on; what is older is forgotten.
    half_lives: int = 4
    #: What a user's history is told by: a table of what was engaged with for each.
    crosses: tuple[str, ...] = _CROSSES
    #: Values of each (actors, terms, ...) that are remembered of a user, those of most engagement.
    most_values: int = 200
    #: Values that a list of a user has (media engaged with, terms searched), those of most engagement.
    most_listed: int = 50
    #: Categories and ids are hashed to so many numbers.
    buckets: int = 100_000
    #: Distributors of the most impressions, that have a flag.
    top_distributors: int = 3
    #: Words of a synopsis that have a flag each.
    keywords: tuple[str, ...] = ()
    #: Countries (ISO 3166-1 alpha-2) whose holidays are known; needs the extra "features".
    holiday_countries: tuple[str, ...] = ()
    #: Hours ahead of UTC by country, where users' own clocks are wanted; elsewhere the log's clock holds.
    country_utc_offset_h: Mapping[str, float] = field(default_factory=dict)
    #: Source of candidates (als, svd or als_explicit) whose stored model's vectors of user and media are multiplied, as the
    #: feature vector_similarity; not set = none.
    vectors: str | None = None
    #: Values that have a flag each, by what they are values of.
    flags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check names and ranges."""
        check_name("label", self.label)
        check(len(self.windows_days) > 0, "windows_days", "a window at least", self.windows_days)
        for days in self.windows_days:
            check_between("windows_days", days, 1, 3650)
        is_sorted = list(self.windows_days) == sorted(set(self.windows_days))
        check(is_sorted, "windows_days", "each window once, the shortest first", self.windows_days)
        check_between("last_hours", self.last_hours, 1, 24)
        check_between("half_life_days", self.half_life_days, 1, 365)
        check_between("half_lives", self.half_lives, 1, 20)
        known = (*CONTENT, *CONTEXT, MEDIA_ASPECT)
        check(set(self.crosses) <= set(known), "crosses", f"some of {', '.join(known)}", self.crosses)
        check(len(set(self.crosses)) == len(self.crosses), "crosses", "each once", self.crosses)
        check_between("most_values", self.most_values, 1, 100_000)
        check_between("most_listed", self.most_listed, 1, 100_000)
        check_between("buckets", self.buckets, 2, 2**31 - 1)
        check_between("top_distributors", self.top_distributors, 0, 1000)
        check(self.vectors in (None, *OF_VECTORS), "vectors", f"one of {', '.join(OF_VECTORS)}", self.vectors)
        check(set(self.flags) <= set(FLAGGED), "flags", f"some of {', '.join(FLAGGED)}", sorted(self.flags))
        for country, hours in self.country_utc_offset_h.items():
            check_between(f"country_utc_offset_h.{country}", hours, -14, 14)

    @property
    def longest_days(self) -> int:
        """The longest window."""
        return self.windows_days[-1]

    @property
    def memory_days(self) -> int:
        """Days that a user's history by genre, actor, ... reaches back."""
        return self.half_life_days * self.half_lives


@dataclass(frozen=True)
class Clock:
    """When a day of the log begins, and when what happened on it is known."""

    #: Hours by which the log's days begin before midnight UTC.
    utc_offset_h: float = 0.0
    #: Hours after the end of a day until its labels are settled.
    maturity_hours: float = 0.0

    @property
    def lag_days(self) -> int:
        """Whole days before the as-of day that are not settled yet."""
        return math.ceil(self.maturity_hours / 24)
