"""Foreign logs: every cast, every value that cannot be cast told as a reason, and lines that nobody can read."""

import datetime as dt
import json
import math

import pytest
from pyspark.sql import functions as F

from winnow import schema
from winnow.config import Settings
from winnow.contracts import ContractSettings, all_refusals, conform, named
from winnow.errors import ContractError, InputNotReadyError, SettingsError
from winnow.importing import CAST_FAULTS, CORRUPT_RECORD, SOURCE_ROW, ColumnSource, ImportingSettings, map_columns
from winnow.settings import build
from winnow.tables import Tables

of_text = pytest.mark.not_on("sail", why="a line of text that does not fit ends its jobs")
NOON = dt.datetime(2026, 1, 5, 12, tzinfo=dt.UTC)
NOON_S = int(NOON.timestamp())


def settings(**values):
    return build(ImportingSettings, values, "importing")


@pytest.fixture
def paris(spark):
    """A session whose zone is not that of the log."""
    before = spark.conf.get("spark.sql.session.timeZone")
    spark.conf.set("spark.sql.session.timeZone", "Europe/Paris")
    yield spark
    spark.conf.set("spark.sql.session.timeZone", before)


COLUMNS = {
    "impression_id": {"from": ["uid", "vid", "time_ms"]},
    "user_id": "uid",
    "media_id": {"from": "vid", "type": "string"},
    "impression_ts": {"from": "time_ms", "unit": "ms"},
    "event_date": {"from": "day", "format": "yyyyMMdd"},
    "watch_s": {"from": "play_ms", "unit": "ms"},
    "media_duration_s": {"from": "minutes", "unit": "min"},
    "liked": {"from": "is_like", "type": "boolean"},
    "surface": {"from": "tab", "type": "string"},
}
LOG_DDL = (
    "uid int, vid bigint, time_ms bigint, day int, play_ms bigint, minutes double, is_like int, tab int, note string"
)
GOOD = (7, 2**40, NOON_S * 1000 + 123, 20260105, 1234, 1.5, 1, 3, "x")


def test_a_log_of_numbers_becomes_impressions_in_any_sessions_zone(paris):
    rows = paris.createDataFrame([GOOD], LOG_DDL)
    made = rows.transform(map_columns(settings(columns=COLUMNS)))
    expected = {
        "impression_id": ("string", f"7-{2**40}-{NOON_S * 1000 + 123}"),
        "user_id": ("bigint", 7),
        "media_id": ("string", str(2**40)),
        "event_date": ("date", dt.date(2026, 1, 5)),
        "watch_s": ("double", 1.234),
        "media_duration_s": ("double", 90.0),
        "liked": ("boolean", True),
        "surface": ("string", "3"),
        "note": ("string", "x"),
        CAST_FAULTS: ("array<string>", []),
    }
    row, kinds = made.withColumn("us", F.unix_micros("impression_ts")).head(), dict(made.dtypes)
    assert {name: (kinds[name], row[name]) for name in expected} == expected
    assert row.us == NOON_S * 1_000_000 + 123_000
    assert set(made.columns) == {*expected, "impression_ts", SOURCE_ROW}
    # The whole row as it came, for quarantine.
    names = [part.split()[0] for part in LOG_DDL.split(", ")]
    assert json.loads(row[SOURCE_ROW]) == dict(zip(names, GOOD, strict=True))
    made.drop(CAST_FAULTS, SOURCE_ROW).transform(conform(schema.IMPRESSIONS))


def test_each_bad_value_is_null_and_named_and_the_job_goes_on(spark):
    """Casts in ANSI mode, which would end the job at the first of these."""
    columns = {
        "impression_id": "id",
        "user_id": {"from": "uid", "type": "bigint"},
        "media_id": "mid",
        "impression_ts": {"from": "ts", "unit": "s"},
        "event_date": {"from": "day", "format": "yyyy-MM-dd"},
        "watch_s": {"from": "watch", "unit": "ms"},
        "media_duration_s": "length",
        "liked": {"from": "like", "type": "boolean"},
    }
    good = ("a", "1", "m", str(NOON_S), "2026-01-05", "1500", "60", "true")
    names = ("id", "uid", "mid", "ts", "day", "watch", "length", "like")
    bad = {
        "uid": ["1.5x", "99999999999999999999", "", "none"],
        "ts": ["noon", "9" * 25, "9" * 32, "9" * 60, "1e300", "NaN"],
        "day": ["2026-02-30", "20260105", "2026-1-5", "today"],
        "watch": ["1,5", "long"],
        "length": ["1:30", "-"],
        "like": ["maybe", "2"],
    }
    told = {
        "uid": "user_id_not_bigint",
        "ts": "impression_ts_not_timestamp",
        "day": "event_date_not_date",
        "watch": "watch_s_not_double",
        "length": "media_duration_s_not_double",
        "like": "liked_not_boolean",
    }
    cases = [(good, [])]
    for name, values in bad.items():
        for value in values:
            cases.append(
                (tuple(value if key == name else there for key, there in zip(names, good, strict=True)), [told[name]])
            )
    # All of a row's faults are told, and a null is no fault of a cast.
    cases.append((("a", "x", "m", "x", "x", "x", "x", "x"), [told[name] for name in bad]))
    cases.append(((None,) * 8, []))
    rows = spark.createDataFrame(
        [(i, *row) for i, (row, _) in enumerate(cases)], "case int, " + ", ".join(f"{name} string" for name in names)
    )
    found = rows.transform(map_columns(settings(columns=columns))).orderBy("case").collect()
    assert [(row.case, row[CAST_FAULTS]) for row in found] == [(i, faults) for i, (_, faults) in enumerate(cases)]
    assert (found[0].watch_s, found[0].impression_ts) == (1.5, NOON.replace(tzinfo=None))
    assert [found[-2][name] for name in ("user_id", "impression_ts", "event_date", "watch_s", "liked")] == [None] * 5
    assert json.loads(found[-1][SOURCE_ROW]) == {"case": len(cases) - 1, **dict.fromkeys(names)}


def test_numbers_that_are_no_numbers_are_left_to_the_contract(spark):
    rows = spark.createDataFrame([("NaN",), ("Infinity",), ("-1",)], "watch string")
    rows = rows.select(
        "*",
        *(F.lit(None).cast(column.type).alias(column) for column in schema.IMPRESSIONS.columns if column != "watch_s"),
    )
    made = rows.transform(map_columns(settings(columns={"watch_s": {"from": "watch", "unit": "s"}})))
    reasons = [row[0] for row in made.select(all_refusals(ContractSettings())).collect()]
    assert ["watch_s_not_finite" in found for found in reasons] == [True, True, False]
    assert "watch_s_negative" in reasons[2]


@pytest.mark.parametrize(
    ("unit", "number"), [("s", NOON_S), ("ms", NOON_S * 10**3), ("us", NOON_S * 10**6), ("min", NOON_S // 60)]
)
def test_every_unit_of_time_is_exact(spark, unit, number):
    rows = spark.createDataFrame([(number, str(number), float(number))], "whole bigint, text string, fraction double")
    empty = (F.lit(None).cast(column.type).alias(column) for column in schema.IMPRESSIONS.columns)
    rows = rows.select("*", *(column for column in empty))
    for name in ("whole", "text", "fraction"):
        made = rows.transform(map_columns(settings(columns={"impression_ts": {"from": name, "unit": unit}})))
        assert made.select(F.unix_micros("impression_ts")).head()[0] == NOON_S * 10**6


#: Text of a moment -> seconds after noon UTC of that day, None where it is no moment.
MOMENTS = {
    "2026-01-05 12:00:00": 0,
    "2026-01-05T12:00:00.5": 0.5,
    " 2026-01-05 12:00:00 ": 0,
    "2026-01-05T12:00:00Z": 0,
    "2026-01-05T12:00:00Z ": 0,
    "2026-01-05T13:00:00+01:00": 0,
    "2026-01-05 07:00:00-05:00": 0,
    "2026-01-05 12:00:00 UTC": 0,
    "2026-01-05": -43_200,
    "noon": None,
    "2026-02-30 12:00:00": None,
    "": None,
}


def moments(spark, source, texts, kind="string"):
    rows = spark.createDataFrame([(i, text) for i, text in enumerate(texts)], "case int, ts string")
    rows = rows.withColumn("ts", F.col("ts").cast(kind))
    rows = rows.select(
        "*",
        *(
            F.lit(None).cast(column.type).alias(column)
            for column in schema.IMPRESSIONS.columns
            if column != "impression_ts"
        ),
    )
    made = rows.transform(map_columns(settings(columns={"impression_ts": {"from": "ts", **source}})))
    found = made.orderBy("case").select(F.unix_micros("impression_ts"), CAST_FAULTS).collect()
    return [(None if us is None else us / 1e6 - NOON_S, faults) for us, faults in found]


def test_a_moment_without_a_zone_is_in_the_logs_and_never_in_the_sessions(paris):
    found = moments(paris, {}, MOMENTS)
    assert [after for after, _ in found] == list(MOMENTS.values())
    assert [bool(faults) for _, faults in found] == [after is None for after in MOMENTS.values()]
    shifted = moments(paris, {"time_zone": "Asia/Shanghai"}, MOMENTS)
    is_zoned = [
        text.strip().endswith(("Z", "UTC", ":00"))
        and ("+" in text or text.count("-") == 3 or "Z" in text or "UTC" in text)
        for text in MOMENTS
    ]
    for (after, _), zoned, expected in zip(shifted, is_zoned, MOMENTS.values(), strict=True):
        assert after == (expected if expected is None or zoned else expected - 8 * 3600)


def test_a_moment_by_pattern_is_in_the_logs_zone_or_in_its_own(paris):
    plain = {"format": "dd/MM/yyyy HH:mm"}
    assert moments(paris, plain, ["05/01/2026 12:00", "2026-01-05 12:00"]) == [
        (0, []),
        (None, ["impression_ts_not_timestamp"]),
    ]
    assert moments(paris, {**plain, "time_zone": "Asia/Shanghai"}, ["05/01/2026 12:00"]) == [(-8 * 3600, [])]
    zoned = {"format": "yyyy-MM-dd'T'HH:mm:ssXXX", "time_zone": "Asia/Shanghai"}
    assert moments(paris, zoned, ["2026-01-05T14:00:00+02:00"]) == [(0, [])]


def test_columns_of_moments_and_days_do_not_depend_on_the_sessions_zone(paris):
    """What pandas writes without a zone comes as timestamp_ntz; a day of a moment is that of the log's zone."""
    source = {"time_zone": "Asia/Shanghai"}
    assert moments(paris, source, ["2026-01-05 12:00:00"], "timestamp_ntz") == [(-8 * 3600, [])]
    assert moments(paris, source, ["2026-01-05"], "date") == [(-20 * 3600, [])]
    late = NOON_S + 11 * 3600 + 1800  # 23:30 UTC: the next day in Paris and in Shanghai
    rows = paris.createDataFrame([(late,), (-1,), (None,), (10**11,)], "second bigint").withColumn(
        "t", F.timestamp_seconds("second")
    )
    rows = rows.withColumn("u", F.lit("u")).select(
        "*",
        *(
            F.lit(None).cast(c.type).alias(c)
            for c in schema.IMPRESSIONS.columns
            if c not in ("event_date", "impression_id")
        ),
    )
    for zone, day, text, old in (
        ("UTC", dt.date(2026, 1, 5), "2026-01-05 23:30:00", dt.date(1969, 12, 31)),
        ("Asia/Shanghai", dt.date(2026, 1, 6), "2026-01-06 07:30:00", dt.date(1970, 1, 1)),
    ):
        columns = {
            "event_date": {"from": "t", "time_zone": zone},
            "impression_id": {"from": ["u", "t"], "time_zone": zone},
        }
        found = (
            rows.transform(map_columns(settings(columns=columns)))
            .select("event_date", "impression_id", CAST_FAULTS)
            .collect()
        )
        assert [tuple(row) for row in found][::2] == [(day, f"u-{text}", []), (None, None, [])]
        assert found[1].event_date == old
        assert found[3].event_date.year == 5138


def test_an_id_of_several_columns_is_null_where_a_part_is(spark):
    rows = spark.createDataFrame([(1, "b", 3), (1, None, 3), (None, None, None)], "a int, `b` string, c bigint")
    rows = rows.select(
        "*",
        *(
            F.lit(None).cast(column.type).alias(column)
            for column in schema.IMPRESSIONS.columns
            if column != "impression_id"
        ),
    )
    made = rows.transform(map_columns(settings(columns={"impression_id": {"from": ["a", "b", "c"], "separator": "|"}})))
    found = made.select("impression_id", all_refusals(ContractSettings())[0].alias("first")).collect()
    assert found[0].impression_id == "1|b|3"
    assert [row.impression_id for row in found[1:]] == [None, None]
    assert [row["first"] for row in found[1:]] == ["impression_id_missing"] * 2


def test_columns_of_the_contract_come_from_their_namesakes_and_ids_are_widened(spark):
    names = [str(column) for column in schema.IMPRESSIONS.columns]
    row = (1, 2, "m", NOON_S, dt.date(2026, 1, 5), 1, 2.5, "s", 1)
    rows = spark.createDataFrame(
        [row],
        "impression_id int, user_id smallint, media_id string, second bigint, event_date date, watch_s int, media_duration_s float, session_id string, position tinyint",
    )
    rows = rows.withColumn("impression_ts", F.timestamp_seconds("second")).drop("second")
    made = rows.transform(map_columns(ImportingSettings()))
    kinds = dict(made.dtypes)
    assert [kinds[name] for name in names] == ["bigint", "bigint", "string", "timestamp", "date", "double", "double"]
    assert (kinds["session_id"], kinds["position"]) == ("string", "int")
    assert made.head()[CAST_FAULTS] == []


def test_missing_columns_are_told_all_at_once_with_the_nearest(spark):
    rows = spark.createDataFrame(
        [], "usr_id int, vid int, media_id int, impression_ts timestamp, event_date date, watch_s double"
    )
    with pytest.raises(ContractError) as told:
        rows.transform(
            map_columns(settings(columns={"impression_id": {"from": ["user_id", "vid"]}, "liked": "is_like"}))
        )
    assert str(told.value) == (
        "input: missing columns: impression_id needs user_id; did you mean usr_id?; user_id needs user_id; did you mean "
        "usr_id?; media_duration_s needs media_duration_s; liked needs is_like. It has: usr_id, vid, media_id, "
        "impression_ts, event_date, watch_s. Map them in [importing.columns]."
    )


def test_other_columns_pass_or_are_dropped_whatever_they_are_called(spark):
    names = ["rows", "reason", "group", "draw", "geo.country", "a`b", "Watch Time (s)"]
    rows = spark.createDataFrame(
        [tuple(range(len(names)))], ", ".join(f"`{name.replace('`', '``')}` int" for name in names)
    )
    rows = rows.select(
        *map(named, rows.columns),
        *(F.lit(None).cast(column.type).alias(column) for column in schema.IMPRESSIONS.columns),
    )
    kept = rows.transform(map_columns(ImportingSettings()))
    assert [name for name in kept.columns if name in names] == names
    assert kept.select(*map(named, names)).head() == tuple(range(len(names)))
    dropped = rows.transform(map_columns(settings(others="drop")))
    assert [name for name in dropped.columns if name in names] == []
    assert json.loads(dropped.head()[SOURCE_ROW])["geo.country"] == 4  # the row as it came is whole all the same
    with pytest.raises(ContractError, match="Source_Row: a name that Winnow uses itself"):
        rows.withColumn("Source_Row", F.lit(1)).transform(map_columns(ImportingSettings()))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (
            {"columns": {"user_id": 3}},
            "importing.columns.user_id: expected a column's name or a table with from, found 3",
        ),
        ({"columns": {"user_id": {"type": "bigint"}}}, "importing.columns.user_id: expected a key from"),
        ({"columns": {"user_id": {"from": []}}}, "importing.columns.user_id.from: expected at least one column"),
        ({"columns": {"user_id": {"from": "a`b"}}}, "importing.columns.user_id.from: expected a column's name"),
        (
            {"columns": {"user_id": {"from": "a", "type": "blob"}}},
            "importing.columns.user_id.type: expected one of string",
        ),
        (
            {"columns": {"watch_s": {"from": "a", "unit": "h"}}},
            "importing.columns.watch_s.unit: expected one of s, ms, us, min",
        ),
        (
            {"columns": {"watch_s": {"from": ["a", "b"], "unit": "s"}}},
            "importing.columns.watch_s.from: expected one column",
        ),
        ({"columns": {"x": {"from": "a", "time_zone": "U'"}}}, "importing.columns.x.time_zone: expected a zone's name"),
        ({"columns": {"x": {"from": "a", "separator": "`"}}}, "importing.columns.x.separator: expected a short text"),
        ({"columns": {"a.b": "c"}}, "importing.columns: expected a plain column name"),
        ({"options": {"seperator": ";"}}, "importing.options.seperator: no such option"),
        ({"format": "xml"}, "importing.format: expected one of parquet, csv, json, delta"),
        ({"others": "hide"}, "importing.others: expected one of keep, drop"),
    ],
)
def test_a_map_that_makes_no_sense_is_refused(values, said):
    with pytest.raises(SettingsError) as told:
        settings(**values)
    assert str(told.value).startswith(said)


def test_a_source_is_a_name_or_a_table():
    made = settings(columns={"user_id": "uid", "impression_id": {"from": ["a", "b"], "separator": ""}}).columns
    assert made == {"user_id": ColumnSource(("uid",)), "impression_id": ColumnSource(("a", "b"), separator="")}


# ---- files ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def tables(spark, tmp_path):
    return Tables(spark, Settings(), str(tmp_path))


HEADER = "impression_id,user_id,media_id,impression_ts,event_date,watch_s,media_duration_s,geo.country"
LINE = '{},u,m,2026-01-05 12:00:00,2026-01-05,1.5,60,"a, b"'
MAP = ImportingSettings(format="csv")


def written(tmp_path, name, *lines):
    (tmp_path / name).write_text("\n".join(lines) + "\n")
    return str(tmp_path / name)


@of_text
def test_csv_comes_as_text_and_lines_that_do_not_fit_the_header_are_told(tables, tmp_path):
    lines = [LINE.format("good"), "short,u", LINE.format("long") + ",x,y", LINE.format(""), LINE.format("größe")]
    files = [written(tmp_path, "1.csv", HEADER, *lines), written(tmp_path, "2.csv", HEADER, LINE.format("other"))]
    rows = tables.read_files(files, "csv", {})
    assert set(dict(rows.dtypes).values()) == {"string"}
    made = rows.transform(map_columns(MAP))
    assert CORRUPT_RECORD not in made.columns
    found = {row.impression_id: row for row in made.collect()}
    assert set(found) == {"good", "short", "long", None, "größe", "other"}
    faults = {key: row[CAST_FAULTS] for key, row in found.items()}
    assert faults.pop("short") == faults.pop("long") == ["line_not_readable"]
    assert set(map(tuple, faults.values())) == {()}
    assert (found["good"].watch_s, found["good"]["geo.country"]) == (1.5, "a, b")
    assert json.loads(found["short"][SOURCE_ROW])[CORRUPT_RECORD] == "short,u"


@of_text
def test_csv_options_are_passed_on(tables, tmp_path):
    files = [written(tmp_path, "1.csv", "a;b", "1;NA", "# no", "'x;y';2")]
    options = {"sep": ";", "quote": "'", "nullValue": "NA", "comment": "#"}
    rows = tables.read_files(files, "csv", options).select("a", "b").collect()
    assert sorted(map(tuple, rows)) == [("1", None), ("x;y", "2")]
    plain = tables.read_files([written(tmp_path, "2.csv", "1,2")], "csv", {"header": "false"})
    assert plain.columns == ["_c0", "_c1", CORRUPT_RECORD]
    assert plain.count() == 1


@of_text
def test_csv_files_whose_columns_stand_otherwise_are_refused_and_not_mixed_up(tables, tmp_path):
    files = [
        written(tmp_path, "1.csv", "user_id,media_id", "u,m"),
        written(tmp_path, "2.csv", "media_id,user_id", "m,u"),
    ]
    with pytest.raises(ContractError) as told:
        tables.read_files(files, "csv", {})
    assert f"{files[1]}: expected the columns user_id, media_id of {files[0]}, found media_id, user_id" in str(
        told.value
    )


@of_text
def test_csv_headers_may_be_any_text(tables, tmp_path):
    rows = tables.read_files([written(tmp_path, "1.csv", "a`b,Watch (s),größe,c d", "1,2,3,4")], "csv", {})
    assert rows.columns == ["a`b", "Watch (s)", "größe", "c d", CORRUPT_RECORD]
    assert list(rows.head())[:4] == ["1", "2", "3", "4"]


@of_text
def test_json_lines_come_as_text_and_unreadable_ones_are_told(tables, tmp_path):
    good = {
        "impression_id": 2**60,
        "user_id": "u",
        "media_id": 1,
        "impression_ts": "2026-01-05T12:00:00Z",
        "event_date": "2026-01-05",
        "watch_s": 1.25,
        "media_duration_s": None,
    }
    lines = [
        json.dumps(good),
        '{"impression_id": 5, ',
        json.dumps({**good, "impression_id": "x", "watch_s": "NaN"}),
    ]
    rows = tables.read_files([written(tmp_path, "1.json", *lines)], "json", {})
    found = rows.transform(map_columns(ImportingSettings(format="json"))).collect()
    faults = [row[CAST_FAULTS] for row in found]
    assert sorted(faults) == [[], [], ["line_not_readable"]]
    kept = {row.impression_id: row for row in found if row.impression_id}
    assert kept[str(2**60)].watch_s == 1.25
    assert kept[str(2**60)].impression_ts == NOON.replace(tzinfo=None)
    assert math.isnan(kept["x"].watch_s)


@of_text
def test_json_without_a_bad_line_has_no_column_for_them(tables, tmp_path):
    rows = tables.read_files([written(tmp_path, "1.json", '{"a": 1}')], "json", {})
    assert rows.columns == ["a"]


def test_parquet_and_delta_come_as_they_are(tables, tmp_path, spark):
    rows = spark.createDataFrame([GOOD], LOG_DDL)
    for kind in ("parquet", "delta"):
        rows.write.format(kind).save(str(tmp_path / kind))
        assert tables.read_files([str(tmp_path / kind)], kind, {}).collect() == [GOOD]


def test_one_delta_table_is_imported_at_a_time(tables, tmp_path):
    with pytest.raises(SettingsError, match="--input: expected one Delta table, found a, b"):
        tables.read_files(["a", "b"], "delta", {})


@pytest.mark.parametrize(
    "kind", ["parquet", pytest.param("csv", marks=of_text), pytest.param("json", marks=of_text), "delta"]
)
def test_files_that_are_not_there_can_come_later(tables, tmp_path, kind):
    with pytest.raises(InputNotReadyError) as told:
        tables.read_files([str(tmp_path / "no")], kind, {}).columns  # noqa: B018 - Delta looks when asked
    assert told.value.exit_code == 4


def test_a_foreign_header_of_any_kind_can_be_named(spark):
    rows = spark.createDataFrame([GOOD], LOG_DDL).withColumnsRenamed({"play_ms": "Watch (ms)", "tab": "geo.tab"})
    columns = {**COLUMNS, "watch_s": {"from": "Watch (ms)", "unit": "ms"}, "surface": {"from": "geo.tab"}}
    made = rows.transform(map_columns(settings(columns=columns))).head()
    assert (made["watch_s"], made["surface"]) == (1.234, "3")
