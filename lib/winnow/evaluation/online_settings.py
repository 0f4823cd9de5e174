"""``[online]``: which experiment is measured, and how users came into its arms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from winnow.settings import check, check_between, check_columns, check_name


@dataclass(frozen=True)
class OnlineSettings:
    """``[online]``: which experiment is measured, and how users came into its arms."""

    #: Column of the impressions that names the user's arm, null = not in the experiment; not set = by a hash of user_id.
    arm: str | None = None
    #: Name of the experiment: the hash by which users come into arms, where no column says it.
    experiment: str = "experiment"
    #: Arm -> share of the users that it was meant to get.
    shares: Mapping[str, float] = field(default_factory=lambda: {"control": 0.5, "treatment": 0.5})
    #: The arm that the others are compared with.
    control: str = "control"
    #: Label whose positives are engagement.
    label: str = "watched"
    #: A video watched for longer than so many minutes is a long one.
    long_minutes: float = 10.0
    #: Days before the first one whose behaviour of the same users is taken out of the difference (CUPED); 0 = none.
    days_before: int = 7
    #: The numbers of users in the arms are told to be wrong when chance alone makes such ones more rarely than this.
    mismatch_p_value: float = 0.001

    def __post_init__(self) -> None:
        """Check names and ranges."""
        if self.arm is not None:
            check_columns("arm", [self.arm])
        check_name("label", self.label)
        check(len(self.shares) >= 2, "shares", "two arms or more", self.shares)
        for name, share in self.shares.items():
            check_between(f"shares.{name}", share, 1e-6, 1e6)
        check(self.control in self.shares, "control", f"one of {', '.join(self.shares)}", self.control)
        check_between("long_minutes", self.long_minutes, 0, 100_000)
        check_between("days_before", self.days_before, 0, 365)
        check_between("mismatch_p_value", self.mismatch_p_value, 1e-12, 0.5)
