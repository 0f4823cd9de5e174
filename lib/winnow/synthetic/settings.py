"""``[synthetic]`` and ``[synthetic.dirt]``: what the synthetic log is like, and at which rates it is soiled."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, fields

from winnow.errors import SettingsError
from winnow.settings import check, check_between

#: Rows that the packed ids have room for: a day's number and the row's number share the 53 bits that a double holds.
MAX_ROWS_PER_DAY = 2**36


@dataclass(frozen=True)
class DirtSettings:
    """``[synthetic.dirt]``: faults of real logs, each at a known share of the day's rows.

    Faults of the same column exclude each other on a row, so that each rate holds exactly; faults of different
    columns are independent.
    """

    #: Impressions with a second log line of the same id: at-least-once delivery, heartbeats of the player.
    duplicate_rate: float = 0.0
    #: watch_s is NaN: a player that divided by nothing.
    nan_watch_rate: float = 0.0
    #: watch_s is below zero: a clock set back while playing.
    negative_watch_rate: float = 0.0
    #: watch_s is null: shown, not played.
    null_watch_rate: float = 0.0
    #: watch_s is infinite.
    infinite_watch_rate: float = 0.0
    #: media_duration_s is 0: live, or not known to the player yet.
    zero_duration_rate: float = 0.0
    #: media_duration_s is null.
    null_duration_rate: float = 0.0
    #: impression_ts lies in the last ten minutes of the day before event_date: logged after midnight.
    late_rate: float = 0.0
    #: impression_ts lies 3 to 9 days after event_date: a device whose clock runs ahead.
    ahead_rate: float = 0.0
    #: surface is null: an old app that does not send it.
    null_surface_rate: float = 0.0
    #: Rows made by one bot, an account that the users table does not have: skew, and a user nobody should learn from.
    bot_rate: float = 0.0

    def __post_init__(self) -> None:
        """Check that each is a share, and that the faults of one column leave room for each other."""
        for field in fields(self):
            check_between(field.name, getattr(self, field.name), 0, 1)
        for faults in (
            ("nan_watch_rate", "negative_watch_rate", "null_watch_rate", "infinite_watch_rate"),
            ("zero_duration_rate", "null_duration_rate"),
            ("late_rate", "ahead_rate"),
        ):
            check_between(" + ".join(faults), sum(getattr(self, fault) for fault in faults), 0, 1)


@dataclass(frozen=True)
class SyntheticSettings:
    """``[synthetic]``: a media service whose users' true preferences are known."""

    #: Another seed is another world: other users, other media, other tastes.
    seed: int = 7
    #: First day of the service's log. Media arrive from this day on; a day before it cannot be made.
    start_date: dt.date = dt.date(2025, 1, 1)
    #: Impressions a day, duplicates not counted.
    rows_per_day: int = 200_000
    #: Searches a day.
    searches_per_day: int = 10_000
    #: Accounts; 20,000 see some ten impressions a day each at the default size.
    users: int = 20_000
    #: Media in the catalogue before the first day.
    media: int = 5_000
    #: Media that arrive on each day from start_date on: cold start. 0 = the catalogue stands still.
    new_media_per_day: int = 10
    #: Share of a day's impressions given to media that arrived since start_date, the youngest most.
    new_media_share: float = 0.1
    #: Popularity of the medium of rank r is r ** -zipf_exponent; 0.9 gives the top 1 % of 5,000 a third of the rows.
    zipf_exponent: float = 0.9
    #: The same for the activity of users; real accounts differ less than media do.
    activity_exponent: float = 0.5
    #: Mean of true_probability on each day: the share of positives among the rows that are not in the middle.
    engaged_rate: float = 0.05
    #: Share of rows that end between the two edges below, whatever the taste: labels drop them without bias.
    middle_rate: float = 0.1
    #: Share of the duration from which an engaged row is watched: the edge of the label that the truth is known for.
    positive_at_least: float = 0.8
    #: Share of the duration up to which a row that is neither engaged nor in the middle is watched.
    negative_at_most: float = 0.1
    #: Multiplies what is personal in the truth. 0 = all users alike: nothing for a recommender to learn but popularity.
    taste_strength: float = 1.0
    #: How the log is soiled; by default it is clean.
    dirt: DirtSettings = DirtSettings()

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_between("seed", self.seed, -(2**63), 2**63 - 1)
        check_between("rows_per_day", self.rows_per_day, 0, MAX_ROWS_PER_DAY)
        check_between("searches_per_day", self.searches_per_day, 0, MAX_ROWS_PER_DAY)
        check_between("users", self.users, 1, 2**31)
        check_between("media", self.media, 1, 2**31)
        check_between("new_media_per_day", self.new_media_per_day, 0, 1_000_000)
        check_between("new_media_share", self.new_media_share, 0, 1)
        check_between("zipf_exponent", self.zipf_exponent, 0, 3)
        check_between("activity_exponent", self.activity_exponent, 0, 3)
        check_between("engaged_rate", self.engaged_rate, 1e-4, 0.99)
        check_between("middle_rate", self.middle_rate, 0, 0.95)
        check_between("positive_at_least", self.positive_at_least, 0.05, 1)
        check_between("negative_at_most", self.negative_at_most, 0, 0.95)
        # The shortest medium is 15 s long: the middle needs whole milliseconds of its own there too.
        check(
            self.positive_at_least - self.negative_at_most >= 0.001,
            "positive_at_least",
            "more than negative_at_most, by 0.001 or more",
            self.positive_at_least,
        )
        check_between("taste_strength", self.taste_strength, 0, 10)

    def day_number(self, day: dt.date) -> int:
        """Return how many days after start_date ``day`` is.

        Raises SettingsError for a day before it.
        """
        number = (day - self.start_date).days
        if number < 0:
            raise SettingsError(
                f"synthetic.start_date: expected {day} or before, as its log is asked for, found {self.start_date}. "
                f"Set synthetic.start_date to the first day that you want; it begins another world."
            )
        return number


def days_since_epoch(day: dt.date) -> int:
    """Return the number of days from 1970-01-01 to ``day``: dates without any time zone."""
    return (day - dt.date(1970, 1, 1)).days
