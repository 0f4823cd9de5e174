"""What the user does with what is shown: engaged or not, the seconds watched, the actions."""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple

from winnow import schema
from winnow.synthetic.draws import Draws, Row, Value
from winnow.synthetic.settings import SyntheticSettings
from winnow.synthetic.showing import DURATION, IMPRESSION
from winnow.synthetic.truth import PROBABILITY, TASTE

#: What the steps add to a row.
OUTCOME, WARMTH, WATCH = "_outcome", "_warmth", "_watch"
#: Outcomes: places in the chances of an action.
PASSED, MIDDLE, ENGAGED = 0, 1, 2

#: Share of the engaged rows that are watched again, by up to so much of the duration.
REWATCHED_SHARE, REWATCHED_MOST = 0.15, 0.3
#: Share of the passed rows that are not played at all: 0.0 seconds.
UNPLAYED_SHARE = 0.55


class Action(NamedTuple):
    """An action and its chance at medium taste, when passed, left in the middle, engaged."""

    column: schema.Column
    chances: tuple[float, float, float]


ACTIONS = (
    Action(schema.LIKED, (0.002, 0.02, 0.12)),
    Action(schema.COMMENTED, (0.0005, 0.004, 0.02)),
    Action(schema.SHARED, (0.0005, 0.006, 0.03)),
    Action(schema.FOLLOWED, (0.0002, 0.002, 0.01)),
)


def outcome(draws: Draws, settings: SyntheticSettings, day: dt.date, row: Row) -> dict[str, Value]:
    """Return whether the row is engaged, passed or in the middle.

    The middle is drawn apart from taste: so P(engaged | not in the middle) is the true probability, exactly.
    Warmth is twice the logistic function of the taste: 1 at medium taste, at most 2.
    """
    is_engaged = draws.happens("engaged", row[PROBABILITY], row[IMPRESSION])
    is_middle = draws.happens("middle", settings.middle_rate, row[IMPRESSION])
    return {
        OUTCOME: draws.where(is_middle, MIDDLE, draws.where(is_engaged, ENGAGED, PASSED)),
        WARMTH: 2.0 * draws.logistic(row[TASTE]),
    }


def watched(draws: Draws, settings: SyntheticSettings, day: dt.date, row: Row) -> dict[str, Value]:
    """Return the seconds watched, in whole milliseconds that keep to their side of both edges.

    With a the last millisecond of the passed and b the first of the engaged: passed 0 or a u^2, so that most leave at
    once; middle a + 1 .. b - 1; engaged b + (duration - b) sqrt(u), so that most see the end, or some of it again.
    """
    drawn, again = draws.uniform("watch", row[IMPRESSION]), draws.uniform("watch again", row[IMPRESSION])
    duration = row[DURATION] * 1_000.0
    # An edge that is a whole millisecond must stay one where binary fractions miss it by a hair.
    last_passed = draws.whole_part(duration * settings.negative_at_most + 1e-6)
    first_engaged = draws.whole_part(duration * settings.positive_at_least + (1 - 1e-6))
    passed = draws.where(again < UNPLAYED_SHARE, 0.0, last_passed * drawn * drawn)
    middle = last_passed + 1 + draws.whole_part(drawn * (first_engaged - last_passed - 1))
    rewatched = duration * (1.0 + REWATCHED_MOST * drawn)
    seen = first_engaged + (duration - first_engaged) * draws.power(drawn, 0.5)
    engaged = draws.where(again < REWATCHED_SHARE, rewatched, seen)
    by_outcome = draws.where(row[OUTCOME] == MIDDLE, middle, passed)
    by_outcome = draws.where(row[OUTCOME] == ENGAGED, engaged, by_outcome)
    return {WATCH: draws.whole_part(by_outcome) / 1_000.0}


def acted(draws: Draws, settings: SyntheticSettings, day: dt.date, row: Row) -> dict[str, Value]:
    """Return the actions: each by its own chance, given the outcome, times the warmth."""
    return {
        str(action.column): draws.happens(
            action.column, draws.look_up(action.chances, row[OUTCOME]) * row[WARMTH], row[IMPRESSION]
        )
        for action in ACTIONS
    }


#: All of it, in order.
WATCHING = (outcome, watched, acted)
