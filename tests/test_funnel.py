"""The funnel: every input row is in it once, and a day's table of text says so."""

import datetime as dt

import pytest

from winnow.errors import JobError
from winnow.funnel import Funnel, LabelFunnel, screen

DAY = dt.date(2026, 1, 5)


def funnel(day=DAY, *, quarantined=None, **changes):
    label = LabelFunnel(20, 50, 10, {"no_duration": 7, "not_played": 0, "immature": 0}).with_kept(20, 19)
    made = {"input_rows": 100, "duplicates": 8, "quarantined": quarantined or {"watch_s_negative": 5, "x": 0}}
    return Funnel(day, **{**made, "labels": {"watched": label}, **changes})


def test_valid_rows_are_what_is_neither_copy_nor_refused():
    assert funnel().valid_rows == 87
    funnel().check_sums()


@pytest.mark.parametrize(
    ("label", "said"),
    [
        (LabelFunnel(20, 50, 10, {"no_duration": 6}), "watched: 86 outcomes of 87 valid rows"),
        (LabelFunnel(20, 50, 10, {"no_duration": 8}), "watched: 88 outcomes of 87 valid rows"),
        (LabelFunnel(20, 50, 10, {"no_duration": 7}, 21, 50), "21 rows kept of 20"),
        (LabelFunnel(20, 50, 10, {"no_duration": 7}, 20, -1), "-1 rows kept of 50"),
    ],
)
def test_a_row_too_few_or_too_many_is_told(label, said):
    with pytest.raises(JobError, match=said):
        funnel(labels={"watched": label}).check_sums()


def test_the_record_holds_plain_values():
    record = funnel().as_record()
    assert record["day"] == "2026-01-05"
    assert record["labels"]["watched"]["kept_negatives"] == 19
    assert Funnel(None, 0, 0, {}).as_record()["day"] is None


def test_one_day_is_told_on_one_screen():
    text = screen([funnel(input_rows=1_234_567, duplicates=1_234_475, rewatched=3)])
    assert [line.split() for line in text.splitlines()] == [
        ["2026-01-05"],
        ["input", "rows", "1,234,567"],
        ["-", "duplicates", "1,234,475"],
        ["-", "quarantined:", "watch_s_negative", "5"],
        ["=", "valid", "rows", "87"],
        ["(watched", "beyond", "the", "duration)", "3"],
        ["watched:", "no_duration", "7"],
        ["watched:", "middle", "10"],
        ["watched:", "positives", "20"],
        ["watched:", "negatives", "50"],
        ["watched:", "kept", "positives", "20"],
        ["watched:", "kept", "negatives", "19"],
    ]
    assert len({len(line) for line in text.splitlines()}) == 1  # columns are aligned


def test_several_days_have_a_column_each_and_their_sum():
    lines = screen([funnel(), funnel(DAY + dt.timedelta(1), input_rows=1000, duplicates=908)]).splitlines()
    assert lines[0].split() == ["2026-01-05", "2026-01-06", "sum"]
    assert lines[1].split() == ["input", "rows", "100", "1,000", "1,100"]
    assert lines[-1].split() == ["watched:", "kept", "negatives", "19", "19", "38"]


def test_a_reason_that_only_a_later_day_has_stands_among_the_reasons():
    clean = funnel(quarantined={"watch_s_negative": 0})
    soiled = funnel(DAY + dt.timedelta(1), quarantined={"user_id_missing": 2, "watch_s_negative": 3})
    lines = [line.split() for line in screen([clean, soiled]).splitlines()]
    assert lines[3] == ["-", "quarantined:", "user_id_missing", "-", "2", "2"]
    assert lines[4] == ["-", "quarantined:", "watch_s_negative", "-", "3", "3"]
    assert lines[5][:3] == ["=", "valid", "rows"]


def test_what_is_not_known_yet_is_a_dash():
    planned = funnel(labels={"watched": LabelFunnel(20, 50, 17, {})})
    assert screen([planned]).splitlines()[-1].split() == ["watched:", "kept", "negatives", "-"]
