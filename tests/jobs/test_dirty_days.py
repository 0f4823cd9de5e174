"""The main job on a soiled synthetic day, held against the oracle and against the same day clean."""

import datetime as dt
import json

import pytest

import oracle
from winnow import synthetic
from winnow.synthetic import DirtSettings, SyntheticSettings

DAY = dt.date(2026, 1, 6)
ROWS = 6_000
#: All that the clean and the soiled runs share; a share of the rows is refused on purpose.
SETTINGS = ("--set", "sampling.strata=['surface', 'is_autoplay']", "--set", "guards.quarantine=warn")
STRATA = ("surface", "is_autoplay")
TABLES = ("examples", "ledger", "quarantine")
RULES = oracle.Rules(strata=STRATA)
DIRT = DirtSettings(
    duplicate_rate=0.3,
    nan_watch_rate=0.02,
    negative_watch_rate=0.01,
    null_watch_rate=0.03,
    infinite_watch_rate=0.01,
    zero_duration_rate=0.04,
    null_duration_rate=0.02,
    late_rate=0.03,
    ahead_rate=0.02,
    null_surface_rate=0.05,
    bot_rate=0.1,
)


def made(dirt, seed=7):
    return SyntheticSettings(
        rows_per_day=ROWS, users=600, media=300, engaged_rate=0.2, start_date=DAY, dirt=dirt, seed=seed
    )


@pytest.fixture(scope="module")
def prepared(spark, tmp_path_factory, run_job):
    """Return the function that writes a synthetic day and prepares it, and returns its root."""

    def prepare(name, rows, *arguments):
        place = tmp_path_factory.mktemp(name)
        rows.write.format("delta").partitionBy("event_date").save(f"{place}/impressions")
        ended = run_job("prepare_examples", place, "--date", DAY, *SETTINGS, *arguments)
        assert ended.code == 0, ended.err
        return place

    return prepare


@pytest.fixture(scope="module")
def root(spark, prepared):
    """The soiled day."""
    return prepared("soiled", synthetic.impressions(spark, made(DIRT), DAY))


@pytest.fixture(scope="module")
def expected(root, read, as_dicts):
    return oracle.prepare(as_dicts(read(root, "impressions")), RULES)


def test_the_funnel_of_a_soiled_day_equals_the_oracles_and_sums(root, expected, last_run):
    funnel = last_run(root)["funnel"][0]
    label = funnel["labels"]["watched"]
    assert funnel["input_rows"] == expected.input_rows > ROWS
    assert funnel["duplicates"] == expected.duplicates == expected.input_rows - ROWS
    assert {why: rows for why, rows in funnel["quarantined"].items() if rows} == expected.first_reasons
    told = {"positive": label["positives"], "negative": label["negatives"], "middle": label["middle"]}
    told |= {why: rows for why, rows in label["unlabelled"].items() if rows}
    assert told == expected.outcomes["watched"]
    assert set(told) == {"positive", "negative", "middle", "no_duration", "not_played"}
    refused = sum(funnel["quarantined"].values())
    assert funnel["input_rows"] == funnel["duplicates"] + refused + sum(told.values())


def test_the_examples_of_a_soiled_day_equal_the_oracle_row_for_row(root, expected, read, as_dicts):
    told = oracle.differences(expected.kept, as_dicts(read(root, "examples")), ["watched"])
    assert told == [], f"{len(told)} differences, {told[:5]}"


def test_the_quarantine_holds_whole_rows_with_every_reason(root, expected, read, last_run):
    quarantine = read(root, "quarantine").collect()
    found = {json.loads(row.row)["impression_id"]: (json.loads(row.row), list(row.reasons)) for row in quarantine}
    wanted = {row["impression_id"]: (row, reasons) for row, reasons in expected.refused}
    assert len(quarantine) == len(expected.refused)
    assert set(found) == set(wanted)
    columns = set(read(root, "impressions").columns)
    for key, (row, reasons) in found.items():
        assert reasons == wanted[key][1]
        assert set(row) == columns, "the row is whole, nulls too"
        assert (row["user_id"], row["surface"]) == (wanted[key][0]["user_id"], wanted[key][0]["surface"])
    assert {"impression_ts_ahead", "watch_s_not_finite", "watch_s_negative"} == set(expected.first_reasons)
    assert any(len(reasons) == 2 for _, reasons in found.values()), "some rows have two faults"
    of_the_run = {(row.stage, row.source, row.event_date, row.run_id) for row in quarantine}
    assert of_the_run == {("prepare_examples", "impressions", DAY, last_run(root)["run_id"])}


def test_every_stratum_is_kept_or_told_and_the_null_surface_is_one(root, expected, read):
    ledger = {
        tuple(json.loads(row.stratum)[name] for name in STRATA): (row.positives, row.negatives, row.kept_positives)
        for row in read(root, "ledger").collect()
    }
    counts = expected.strata["watched"]
    assert {key: (pos, neg) for key, (pos, neg, _) in ledger.items() if pos or neg} == {
        key: tuple(count) for key, count in counts.items()
    }
    assert all(kept == positives for positives, _, kept in ledger.values())
    assert any(key[0] is None for key in ledger)


def test_a_log_with_three_in_ten_lines_doubled_gives_the_output_of_the_clean_log(spark, prepared, read, content):
    clean = prepared("clean", synthetic.impressions(spark, made(DirtSettings()), DAY))
    doubled = synthetic.impressions(spark, made(DirtSettings(duplicate_rate=0.3)), DAY).repartition(7, "watch_s")
    place = prepared("doubled", doubled)
    assert read(place, "impressions").count() > 1.25 * ROWS
    assert content(read(place, "examples")) == content(read(clean, "examples"))
    assert content(read(place, "ledger"), ["run_id"]) == content(read(clean, "ledger"), ["run_id"])


def test_a_session_in_paris_gives_the_rows_of_one_in_utc(spark, root, prepared, read, content):
    rows = read(root, "impressions")
    zone = "spark.sql.session.timeZone"
    spark.conf.set(zone, "Europe/Paris")
    try:
        paris = prepared("paris", rows)
        # Read in the same session as the other: content is compared, not its display.
        found = [content(read(place, table), ["run_id", "row"]) for place in (paris, root) for table in TABLES]
    finally:
        spark.conf.set(zone, "UTC")
    assert found[: len(TABLES)] == found[len(TABLES) :]


def test_a_bot_with_a_tenth_of_the_rows_is_drawn_as_everyone_is(root, expected, read):
    bot = synthetic.bot_user_id(made(DIRT))
    stored = read(root, "examples").where(f"user_id = {bot}").count()
    assert stored == sum(row["user_id"] == bot for row in expected.kept.values()) > 0
