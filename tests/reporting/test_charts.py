"""Charts: round ticks, names that do not overlap, every value where it belongs, whatever the values are."""

import datetime as dt
import itertools
import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from winnow.reporting import charts, words
from winnow.reporting.svg import WIDTH, Scale, apart, ticks

DAY = dt.date(2026, 1, 5)
usual = st.floats(0, 1e9, allow_nan=False)


@given(usual, usual, st.integers(2, 9))
def test_ticks_are_few_even_and_around_the_values(one, other, most):
    low, high = min(one, other), max(one, other)
    found = ticks(low, high, most)
    assert len(found) <= max(most, 2)
    assert found[0] <= low * (1 + 1e-6) + 1e-9
    assert found[-1] >= high * (1 - 1e-6) - 1e-9
    steps = [after - before for before, after in itertools.pairwise(found)]
    assert steps == pytest.approx([steps[0]] * len(steps))


def test_ticks_are_round():
    assert ticks(0, 0.93) == pytest.approx([0, 0.25, 0.5, 0.75, 1])
    assert ticks(0, 187_000) == pytest.approx([0, 50_000, 100_000, 150_000, 200_000])
    assert ticks(5, 5)[0] < 5 < ticks(5, 5)[-1]


@given(st.lists(st.floats(20, 180), min_size=1, max_size=8))
def test_names_are_a_line_apart_and_none_is_below_the_chart(places):
    moved = sorted(apart(places, 180))
    assert all(after - before >= 12.9 for before, after in itertools.pairwise(moved))
    assert moved[-1] <= 180


def test_a_scale_puts_values_at_their_places():
    scale = Scale(0, 10, 100, 200)
    assert [scale(value) for value in (0, 5, 10)] == [100, 150, 200]
    assert Scale(3, 3, 100, 200)(3) == 150


def marks(svg, kind="circle"):
    root = ET.fromstring(svg)
    height = float(root.get("viewBox").split()[3])
    found = [element for element in root.iter(kind) if "mark" in element.get("class", "") or kind != "circle"]
    for element in root.iter("circle"):
        assert 0 <= float(element.get("cx")) <= WIDTH
        assert 0 <= float(element.get("cy")) <= height
    return found


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1), st.integers(0, 9)), min_size=1, max_size=20))
def test_a_reliability_curve_has_a_dot_a_bin(bins):
    assert len(marks(charts.reliability("title", bins, 0))) == len(bins)


@given(st.lists(st.tuples(st.integers(0, 40), usual), min_size=1, max_size=30, unique_by=lambda point: point[0]))
def test_a_line_has_a_dot_a_day(points):
    line = charts.Line("a", [(DAY + dt.timedelta(days=day), value) for day, value in points], 0)
    assert len(marks(charts.days("title", [line], words.compact, alarms=[(DAY, "why", True)]))) == len(points)


@given(st.lists(st.tuples(st.floats(0, 50), st.floats(-1, 1)), min_size=1, max_size=20))
def test_a_search_has_a_dot_a_trial_and_a_line_that_only_rises(points):
    svg = charts.search("title", [(place, value, "x = 1") for place, value in points], words.metric, best=True)
    assert len(list(ET.fromstring(svg).iter("circle"))) == len(points)
    path = re.search(r'class="line s0" d="M([^"]+)"', svg)[1]
    heights = [float(step.split()[1]) for step in path.split("L")]
    assert heights == sorted(heights, reverse=True)


@pytest.mark.parametrize("value", [0.0, 1.0, -0.3])
def test_one_value_alone_is_drawn(value):
    assert len(marks(charts.intervals("t", [charts.Estimate("als", value, None, None, 0)], words.metric))) == 1
    assert len(marks(charts.before_and_after("t", [("home", abs(value), 0.5, 0)]))) == 1


def test_bars_are_as_long_as_their_rows():
    svg = charts.histogram("t", [(0.0, 100), (0.5, 50), (1.0, 0)], 0.5, words.compact, 0)
    heights = [float(box.get("height")) for box in marks(svg, "rect")]
    assert heights[0] == pytest.approx(2 * heights[1], rel=0.02)
    assert heights[2] == 0


def test_names_are_escaped_and_told_whole_on_hover():
    name = '<b onclick="x">' + "long " * 10
    svg = charts.before_and_after(name, [(name, 0.1, 0.5, 0)])
    root = ET.fromstring(svg)
    assert "b" not in {element.tag for element in root.iter()}
    assert any(name in (title.text or "") for title in root.iter("title"))
    assert name in root.get("aria-label")


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (words.share(0.05), "5.00%"), (words.share(0.5), "50.0%"), (words.share(1), "100%"), (words.share(0), "0%"),
        (words.share(float("nan")), "–"), (words.compact(2_500_000), "2.5M"), (words.metric(None), "–"),
        (words.period(DAY, DAY), "5 Jan 2026"), (words.period(DAY, dt.date(2026, 1, 9)), "5 to 9 Jan 2026"),
        (words.period(dt.date(2025, 12, 30), DAY), "30 Dec 2025 to 5 Jan 2026"), (words.length(3725), "1 h 2 min"),
        (words.stratum('{"surface":"home","device":null}'), "home · none"), (words.metric_name("ndcg", 10), "NDCG@10"),
    ],
)  # fmt: skip
def test_numbers_are_told_as_people_write_them(told, expected):
    assert told == expected
