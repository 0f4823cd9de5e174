"""Contracts: every fault of a log's columns told at once, and every reason to refuse a row."""

import datetime as dt
import math

import pytest
from pyspark.sql import functions as F

from winnow import schema
from winnow.contracts import (
    ContractSettings,
    all_refusals,
    conform,
    first_refusal,
    flag_heavy_users,
    heavy_users,
    is_valid,
    micros,
    named,
    refusals,
    told_by_files,
)
from winnow.errors import ContractError, SettingsError

DDL = schema.IMPRESSIONS.ddl
DAY = dt.date(2026, 1, 5)
DAY_S = int(dt.datetime(2026, 1, 5, tzinfo=dt.UTC).timestamp())


def empty(spark, ddl=DDL):
    return spark.createDataFrame([], ddl)


def refusal(rows, **settings):
    with pytest.raises(ContractError) as told:
        rows.transform(conform(schema.IMPRESSIONS, **settings))
    assert told.value.exit_code == 3
    return str(told.value)


def test_a_log_as_it_should_be_passes_as_it_is(spark):
    rows = empty(spark, f"{DDL}, `geo.country` string, reason int, rows int")
    assert rows.transform(conform(schema.IMPRESSIONS)).schema == rows.schema


def test_all_faults_are_told_at_once_with_what_there_is(spark):
    ddl = "impression_id bigint, usr_id bigint, media_id float, impression_ts string, event_date date, media_duration_s double"
    rows = empty(spark, f"{ddl}, liked_label int, viewer int")
    settings = {
        "names": {"user_id": "member", "media_id": "viewer"},
        "needed": {"surface": "", "liked": "boolean", "event_date": ""},
        "reserved": ["liked_label", "liked_rate"],
    }
    assert refusal(rows, **settings) == (
        "impressions: missing member (it is user_id in [columns]); media_id is there, and viewer is mapped to it by "
        "[columns]; impression_ts is string, not timestamp; missing watch_s (double); missing surface (any type); missing "
        "liked (boolean); did you mean liked_label?; liked_label is a name that Winnow writes itself. It has: "
        "impression_id bigint, usr_id bigint, media_id float, impression_ts string, event_date date, media_duration_s "
        "double, liked_label int, viewer int. Map names in [columns], or bring the log in with import_impressions."
    )


def test_a_renamed_column_is_told_with_the_nearest_name(spark):
    assert "missing user_id (bigint or string); did you mean usr_id?" in refusal(
        empty(spark, DDL.replace("user_id", "usr_id"))
    )


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("impression_id", "double"),
        ("user_id", "decimal(20,0)"),
        ("watch_s", "string"),
        ("watch_s", "bigint"),
        ("event_date", "string"),
        ("impression_ts", "timestamp_ntz"),
    ],
)
def test_a_column_of_another_type_is_refused(spark, name, kind):
    ddl = ", ".join(f"{column} {kind if column == name else column.type}" for column in schema.IMPRESSIONS.columns)
    assert f"{name} is {kind}, not " in refusal(empty(spark, ddl))


def test_narrower_types_are_widened_and_keep_every_value(spark):
    rows = spark.createDataFrame(
        [(2**31 - 1, 7, 0.1, 3)], "impression_id int, user_id smallint, watch_s float, media_duration_s int"
    )
    rows = rows.withColumns(
        {"media_id": F.lit("m"), "impression_ts": F.lit(None).cast("timestamp"), "event_date": F.lit(DAY)}
    )
    made = rows.transform(conform(schema.IMPRESSIONS))
    kinds = dict(made.dtypes)
    assert [kinds[name] for name in ("impression_id", "user_id", "media_id")] == ["bigint", "bigint", "string"]
    assert [kinds[name] for name in ("watch_s", "media_duration_s")] == ["double", "double"]
    row = made.head()
    assert (row.impression_id, row.user_id, row.media_duration_s) == (2147483647, 7, 3.0)
    assert math.isclose(row.watch_s, 0.1, rel_tol=1e-7)


def test_names_of_the_log_are_mapped_and_the_rest_stays(spark):
    rows = spark.createDataFrame([(1, 2, "x")], "imp int, user_id int, `geo.country` string")
    rows = rows.select("*", *(F.lit(None).cast(column.type).alias(column) for column in schema.IMPRESSIONS.columns[2:]))
    made = rows.transform(conform(schema.IMPRESSIONS, names={"impression_id": "imp", "user_id": "user_id"}))
    assert made.columns[:3] == ["impression_id", "user_id", "geo.country"]
    assert made.select("impression_id", named("geo.country")).head() == (1, "x")


def test_one_column_cannot_be_two(spark):
    rows = empty(spark, DDL.replace("user_id", "uid"))
    assert "uid is mapped to user_id and viewer by [columns]" in refusal(
        rows, names={"user_id": "uid", "viewer": "uid"}
    )


def test_names_that_differ_in_capitals_are_one_name(spark):
    rows = empty(spark, f"{DDL}, Liked_Label int, _WINNOW_draw double")
    told = refusal(rows, reserved=["liked_label"])
    assert "Liked_Label is a name that Winnow writes itself" in told
    assert "_WINNOW_draw is a name that Winnow writes itself" in told


def test_a_column_of_the_contract_is_no_action(spark):
    told = refusal(empty(spark), needed={"watch_s": "boolean", "user_id": "", "impression_id": "bigint|string"})
    assert told.startswith("impressions: watch_s is double, not boolean, as it is asked for. It has:")


def test_any_of_several_types_will_do(spark):
    for kind in ("bigint", "string", "int"):
        rows = empty(spark, f"{DDL}, session_id {kind}")
        made = rows.transform(conform(schema.IMPRESSIONS, needed={"session_id": "bigint|string"}))
        assert dict(made.dtypes)["session_id"] == kind.replace("int", "bigint").replace("bigbig", "big")
    assert "session_id is date, not bigint or string" in refusal(
        empty(spark, f"{DDL}, session_id date"), needed={"session_id": "bigint|string"}
    )


GOOD = {"impression_id": 1, "user_id": 2, "media_id": 3, "second": DAY_S + 3600, "event_date": DAY, "watch_s": 5.0}
#: What is wrong with a good row -> the reasons to refuse it, the first first.
ROWS = [
    ({}, []),
    ({"watch_s": None}, []),
    ({"watch_s": 0.0}, []),
    ({"watch_s": -0.0}, []),
    ({"watch_s": 604_800.0}, []),
    ({"impression_id": None}, ["impression_id_missing"]),
    ({"user_id": None}, ["user_id_missing"]),
    ({"media_id": None}, ["media_id_missing"]),
    ({"second": None}, ["impression_ts_missing"]),
    ({"event_date": None}, ["event_date_missing"]),
    ({"watch_s": math.nan}, ["watch_s_not_finite"]),
    ({"watch_s": math.inf}, ["watch_s_not_finite"]),
    ({"watch_s": -math.inf}, ["watch_s_not_finite"]),
    ({"watch_s": -1e-9}, ["watch_s_negative"]),
    ({"watch_s": 604_800.001}, ["watch_s_implausible"]),
    # The day ends at 24 h, and 24 h more are allowed: the second at the border still belongs to it.
    ({"second": DAY_S + 172_800}, []),
    ({"second": DAY_S + 172_801}, ["impression_ts_ahead"]),
    # An event logged late, or long ago, is late and not ahead.
    ({"second": DAY_S - 100 * 86_400}, []),
    # Dates of which the seconds do not fit an int, and those that stand for "unknown" in many systems.
    ({"event_date": dt.date(1, 1, 1)}, ["impression_ts_ahead"]),
    ({"event_date": dt.date(1900, 1, 1)}, ["impression_ts_ahead"]),
    ({"event_date": dt.date(2038, 1, 19)}, []),
    ({"event_date": dt.date(9999, 12, 31)}, []),
    (
        {"user_id": None, "watch_s": -3.0, "second": DAY_S + 10**6},
        ["user_id_missing", "watch_s_negative", "impression_ts_ahead"],
    ),
    (
        dict.fromkeys(GOOD),
        ["impression_id_missing", "user_id_missing", "media_id_missing", "impression_ts_missing", "event_date_missing"],
    ),
]


@pytest.fixture(scope="module")
def rows(spark):
    values = [tuple({**GOOD, **wrong}.values()) for wrong, _ in ROWS]
    ddl = "impression_id bigint, user_id bigint, media_id bigint, second bigint, event_date date, watch_s double"
    made = spark.createDataFrame([(i, *row) for i, row in enumerate(values)], f"case int, {ddl}")
    return made.withColumns(
        {"impression_ts": F.timestamp_seconds("second"), "media_duration_s": F.lit(None).cast("double")}
    )


@pytest.mark.parametrize("zone", ["UTC", "Europe/Paris", "Asia/Kolkata"])
def test_each_fault_of_a_row_is_a_reason_to_refuse_it_in_any_sessions_zone(spark, rows, zone):
    settings = ContractSettings()
    told = rows.select(
        "case",
        all_refusals(settings).alias("reasons"),
        first_refusal(settings).alias("first"),
        is_valid(settings).alias("is_valid"),
    )
    before = spark.conf.get("spark.sql.session.timeZone")
    spark.conf.set("spark.sql.session.timeZone", zone)
    try:
        found = {row.case: row for row in told.collect()}
    finally:
        spark.conf.set("spark.sql.session.timeZone", before)
    assert [found[case].reasons for case in range(len(ROWS))] == [reasons for _, reasons in ROWS]
    places = list(refusals(settings))
    for row in found.values():
        assert row["first"] == (places.index(row.reasons[0]) if row.reasons else None)
    assert all(row.is_valid != bool(row.reasons) for row in found.values())


def test_what_files_rule_out_holds_for_no_row_of_the_day(rows):
    settings = ContractSettings()
    groups = told_by_files(settings, DAY)
    told = rows.select("case", *(is_any.alias(str(place)) for place, (_, is_any) in enumerate(groups))).collect()
    for case, *found in map(tuple, told):
        wrong, reasons = ROWS[case]
        if wrong.get("event_date", DAY) == DAY:
            assert [bool(is_any) for is_any in found] == [not group.isdisjoint(reasons) for group, _ in groups]
    (ids, _), (moment, _) = groups
    assert ids == {"impression_id_missing", "user_id_missing", "media_id_missing"}
    assert moment == {"impression_ts_missing", "impression_ts_ahead"}


def test_reasons_that_are_ruled_out_ask_for_no_column(rows):
    settings = ContractSettings()
    ruled_out = set().union(*(reasons for reasons, _ in told_by_files(settings, DAY)), {"event_date_missing"})
    possible = set(refusals(settings)) - ruled_out
    told = rows.select("case", "watch_s").select(
        "case", first_refusal(settings, possible).alias("first"), is_valid(settings, possible).alias("is_valid")
    )
    places = list(refusals(settings))
    for row in told.collect():
        reasons = [reason for reason in ROWS[row.case][1] if reason in possible]
        assert (row["first"], row.is_valid) == (places.index(reasons[0]) if reasons else None, not reasons)


def test_the_borders_of_clock_and_watching_are_settings(rows):
    settings = ContractSettings(max_ahead_h=0.5, max_watch_s=4.999)
    wrong = rows.where("case in (0, 15)").select("case", all_refusals(settings)).collect()
    assert sorted(map(tuple, wrong)) == [
        (0, ["watch_s_implausible"]),
        (15, ["watch_s_implausible", "impression_ts_ahead"]),
    ]


def test_conditions_are_never_null(rows):
    told = rows.select(*(condition.alias(reason) for reason, condition in refusals(ContractSettings()).items()))
    assert told.where(" or ".join(f"{name} is null" for name in told.columns)).count() == 0


def test_users_with_too_many_rows_are_refused_whole(spark):
    settings = ContractSettings(most_rows_per_user=3)
    users = ["a"] * 3 + ["b"] * 4 + [None] * 5
    rows = spark.createDataFrame([(user,) for user in users], "user_id string").selectExpr(
        "user_id",
        "1 as impression_id",
        "1 as media_id",
        "timestamp'2026-01-05' as impression_ts",
        "date'2026-01-05' as event_date",
        "1d as watch_s",
        "1 as user_rows",
    )
    flagged = rows.transform(flag_heavy_users(rows.transform(heavy_users(3))))
    told = flagged.groupBy("user_id", all_refusals(settings).alias("why")).count().collect()
    assert {(row.user_id, tuple(row.why)): row["count"] for row in told} == {
        ("a", ()): 3,
        ("b", ("user_too_active",)): 4,
        (None, ("user_id_missing",)): 5,
    }


def test_times_are_whole_microseconds(spark):
    found = (
        spark.range(1)
        .select(micros(F.lit(0.8) * 24.735), micros(F.lit(19.788)), micros(F.lit(None).cast("double")))
        .head()
    )
    assert tuple(found) == (19_788_000.0, 19_788_000.0, None)


@pytest.mark.parametrize(
    "wrong", [{"max_ahead_h": -1}, {"max_ahead_h": math.nan}, {"max_watch_s": 0}, {"most_rows_per_user": 0}]
)
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(SettingsError, match=next(iter(wrong))):
        ContractSettings(**wrong)
