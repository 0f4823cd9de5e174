"""The main job on the real log, held against an oracle that reads the raw file by itself."""

import datetime as dt
import json
import math

import duckdb
import pytest

import oracle
from conftest import ON_SAIL, PROJECT

CONF = ("--conf", PROJECT / "conf" / "kuairand.toml")
DAYS = [dt.date(2022, 4, 25 + i) for i in range(6)]
EXACT_DAYS = [DAYS[0], DAYS[5]]
RULES = oracle.Rules(strata=("surface",))
#: How the log of a day may lie in files.
LAYOUTS = {
    "one file": lambda log: log.coalesce(1),
    "many files, by user": lambda log: log.repartition(13, "user_id"),
    "sorted the other way": lambda log: log.repartitionByRange(5, "watch_s").sortWithinPartitions("impression_id"),
}

#: The raw log with Winnow's names; times stay whole milliseconds until the last moment.
RAW = """
    select user_id || '-' || video_id || '-' || time_ms as impression_id, user_id::bigint as user_id,
           video_id::bigint as media_id, time_ms * 1000 as impression_ts,
           strptime(date::varchar, '%Y%m%d')::date as event_date,
           play_time_ms / 1000.0::double as watch_s, duration_ms / 1000.0::double as media_duration_s,
           is_like != 0 as liked, is_comment != 0 as commented, is_forward != 0 as shared, is_follow != 0 as followed,
           tab::varchar as surface,
           * exclude (user_id, video_id, time_ms, date, play_time_ms, duration_ms, is_like, is_comment, is_forward,
                      is_follow, tab)
    from '{}'
"""

#: Counts in whole milliseconds, by SQL alone: neither Spark nor the Python of the oracle.
COUNTS = """
    with copies as (
        select *, row_number() over (partition by date, user_id, video_id, time_ms
                                     order by play_time_ms desc, duration_ms desc, tab::varchar desc) as place
        from '{}'
    )
    select date, tab::varchar as surface, count(*) as input_rows, count(*) filter (place > 1) as duplicates,
           count(*) filter (place = 1 and duration_ms > 0 and play_time_ms * 10 >= duration_ms * 8) as positives,
           count(*) filter (place = 1 and duration_ms > 0 and play_time_ms * 10 <= duration_ms) as negatives,
           count(*) filter (place = 1 and duration_ms <= 0) as no_duration
    from copies group by all
"""


@pytest.fixture(scope="module")
def raw(real_data):
    return real_data / "impressions_20220425_20220430.parquet"


@pytest.fixture(scope="module")
def root(tmp_path_factory, run_job, raw):
    """All six days, imported and prepared."""
    place = tmp_path_factory.mktemp("real")
    assert run_job("import_impressions", place, *CONF, "--input", raw).code == 0
    ended = run_job("prepare_examples", place, *CONF, "--start", DAYS[0], "--end", DAYS[-1])
    assert ended.code == 0, ended.err
    return place


@pytest.fixture(scope="module")
def exact_root(tmp_path_factory, run_job, root):
    """Two of the days, sampled exactly."""
    place = tmp_path_factory.mktemp("exact")
    for day in EXACT_DAYS:
        arguments = ("--date", day, "--set", "sampling.exact=true", "--set", f"tables.impressions={root}/impressions")
        assert run_job("prepare_examples", place, *CONF, *arguments).code == 0
    return place


@pytest.fixture(scope="module")
def rows_of(raw):
    """The raw rows of each day, as the oracle wants them."""
    found = duckdb.sql(RAW.format(raw)).to_arrow_table().to_pylist()
    return {day: [row for row in found if row["event_date"] == day] for day in DAYS}


@pytest.fixture(scope="module")
def counts(raw):
    """The counts of each day and surface, by SQL."""
    return {
        (dt.datetime.strptime(str(date), "%Y%m%d").date(), surface): counted  # noqa: DTZ007 - a date
        for date, surface, *counted in duckdb.sql(COUNTS.format(raw)).fetchall()
    }


def test_the_funnel_of_six_days_sums_to_all_lines_of_the_log(root, last_run, counts):
    funnels = last_run(root)["funnel"]
    assert [funnel["day"] for funnel in funnels] == [str(day) for day in DAYS]
    assert sum(funnel["input_rows"] for funnel in funnels) == 94_784
    for funnel in funnels:
        label, day = funnel["labels"]["watched"], dt.date.fromisoformat(funnel["day"])
        told = [
            funnel["input_rows"],
            funnel["duplicates"],
            label["positives"],
            label["negatives"],
            label["unlabelled"]["no_duration"],
        ]
        expected = [sum(column) for column in zip(*(c for (on, _), c in counts.items() if on == day), strict=True)]
        assert told == expected
        outcomes = label["positives"] + label["negatives"] + label["middle"] + sum(label["unlabelled"].values())
        assert funnel["input_rows"] == funnel["duplicates"] + sum(funnel["quarantined"].values()) + outcomes
        assert label["kept_positives"] == label["positives"]


def test_the_ledger_has_the_counts_of_every_surface_and_day(root, read, counts):
    rows = read(root, "ledger").where("state != 'vanished'").collect()
    ledger = {(row.event_date, json.loads(row.stratum)["surface"]): row for row in rows}
    assert set(ledger) == set(counts)
    for key, row in ledger.items():
        _, _, positives, negatives, _ = counts[key]
        assert (row.positives, row.negatives) == (positives, negatives)
        assert row.kept_positives == positives, "every positive is kept"
        wanted = min(positives, negatives)
        assert row.target_negatives == wanted
        assert row.negative_rate == (wanted / negatives if negatives else 0)
        spread = math.sqrt(negatives * row.negative_rate * (1 - row.negative_rate))
        assert abs(row.kept_negatives - wanted) <= 5 * spread


def test_an_exact_sample_has_as_many_negatives_as_positives_in_each_surface_or_all_there_are(exact_root, read, counts):
    ledger = read(exact_root, "ledger").where("state != 'vanished'").collect()
    assert len(ledger) == sum(day in EXACT_DAYS for day, _ in counts)
    for row in ledger:
        _, _, positives, negatives, _ = counts[row.event_date, json.loads(row.stratum)["surface"]]
        assert (row.kept_positives, row.kept_negatives) == (positives, min(positives, negatives))


def test_the_examples_equal_the_oracle_row_for_row(root, read, as_dicts, rows_of):
    for day in DAYS:
        expected = oracle.prepare(rows_of[day], RULES)
        told = oracle.differences(expected.kept, as_dicts(read(root, "examples", day)), ["watched"])
        assert told == [], f"{day}: {len(told)} differences, {told[:5]}"


def test_the_exact_examples_equal_the_oracle_row_for_row(exact_root, read, as_dicts, rows_of):
    rules = oracle.Rules(strata=("surface",), exact=True)
    for day in EXACT_DAYS:
        expected = oracle.prepare(rows_of[day], rules)
        told = oracle.differences(expected.kept, as_dicts(read(exact_root, "examples", day)), ["watched"])
        assert told == [], f"{day}: {len(told)} differences, {told[:5]}"


@pytest.mark.parametrize(
    "layout",
    [
        pytest.param("one file", marks=ON_SAIL),
        "many files, by user",
        pytest.param("sorted the other way", marks=ON_SAIL),
    ],
)
def test_the_same_rows_are_kept_however_the_log_lies_in_files(layout, root, tmp_path, run_job, read, content):
    day = DAYS[0]
    rows = LAYOUTS[layout](read(root, "impressions", day))
    rows.write.format("delta").partitionBy("event_date").save(f"{tmp_path}/impressions")
    assert run_job("prepare_examples", tmp_path, *CONF, "--date", day).code == 0
    assert content(read(tmp_path, "examples")) == content(read(root, "examples", day))
