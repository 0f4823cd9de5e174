"""Copies of an impression: one stays, the same one whatever the order of the log."""

import datetime as dt
import math
import random
import re
import subprocess
import sys
from collections import Counter

import pytest
from pyspark import cloudpickle
from pyspark.sql import functions as F

from winnow import duplicates
from winnow.contracts import ContractSettings, is_valid
from winnow.duplicates import ID_HASH, LOG_LINES, repeated_ids, settle

NARROW = ("event_date", "impression_id", "impression_ts", "media_duration_s", "media_id", "user_id", "watch_s")
WIDE = (*NARROW, "place_among_copies", "row")
DDL = (
    "event_date date, impression_id bigint, second bigint, media_duration_s double, media_id bigint, user_id bigint, "
    "watch_s double, place_among_copies int, row int"
)
DAY = dt.date(2026, 1, 5)
SECOND = 1_767_571_200


def lines(count=600, ids=150):
    """A log in which many lines are copies that differ in little, each with a number of its own."""
    dice = random.Random(3)
    watches = [None, 0.0, 5.0, 5.0, 60.0, -1.0, math.nan, math.inf]
    made = []
    for row in range(count):
        key = dice.choice([None, *range(ids)])
        user = dice.choice([1, 2, None])
        context = dice.choice([None, 1, 2])
        made.append(
            (
                DAY,
                key,
                SECOND + dice.randrange(2),
                dice.choice([None, 30.0]),
                7,
                user,
                dice.choice(watches),
                context,
                row,
            )
        )
    return made


LINES = lines()


def order_of(line, columns):
    """The rule in Python: valid before refused, longest watched first, then the larger values column by column."""
    values = dict(zip(WIDE, line, strict=True))
    watch, is_bad = values["watch_s"], values["user_id"] is None
    is_bad |= watch is not None and not 0 <= watch < math.inf
    told = [] if is_bad or watch is None else [watch]
    by_column = []
    for name in columns:
        value = values[name]
        is_nan = isinstance(value, float) and math.isnan(value)
        by_column.append((value is not None, is_nan, 0 if is_nan or value is None else value))
    return (not is_bad, told, by_column)


def expected(columns=WIDE):
    kept = {}
    for line in LINES:
        kept.setdefault(line[1], []).append(line)
    singles = [(line[-1], 1) for line in kept.pop(None)]
    return sorted(
        singles + [(max(copies, key=lambda line: order_of(line, columns))[-1], len(copies)) for copies in kept.values()]
    )


@pytest.fixture(scope="module")
def log(spark):
    rows = spark.createDataFrame(LINES, DDL)
    return rows.withColumn("impression_ts", F.timestamp_seconds("second")).select(*WIDE).cache()


def survivors(rows, columns=WIDE, repeated=None):
    settled = rows.select(*columns).transform(settle(~is_valid(ContractSettings()), columns, repeated))
    assert set(settled.columns) == {*columns, LOG_LINES}
    return sorted(settled.select("row", LOG_LINES).collect()) if "row" in columns else settled


def test_one_row_an_id_stays_by_the_rule_and_rows_without_an_id_are_nobodys_copies(log):
    found = [tuple(row) for row in survivors(log)]
    assert found == expected()
    assert sum(count for _, count in found) == len(LINES)


def test_only_the_repeated_ids_are_looked_at_where_they_are_named(log):
    repeated = log.transform(repeated_ids(len(LINES)))
    counts = {}
    for line in LINES:
        counts[line[1]] = counts.get(line[1], 0) + 1
    assert repeated.columns == [ID_HASH]
    assert repeated.count() == sum(count > 1 for key, count in counts.items() if key is not None)
    assert [tuple(row) for row in survivors(log, repeated=repeated)] == expected()


@pytest.mark.parametrize("partitions", [1, 3, 7])
def test_the_same_rows_stay_however_the_log_is_partitioned_and_shuffled(log, partitions):
    shuffled = log.orderBy(F.xxhash64("row", F.lit(partitions))).repartition(partitions)
    assert [tuple(row) for row in survivors(shuffled)] == expected()


def test_the_narrow_pass_and_the_wide_pass_agree_on_what_they_share(log):
    def told(columns):
        rows = survivors(log, columns).withColumn("id", F.coalesce("impression_id", F.lit(-1)))
        return rows.groupBy("id", *NARROW, LOG_LINES).count()

    wide = (
        log.select(*WIDE)
        .transform(settle(~is_valid(ContractSettings()), WIDE))
        .withColumn("id", F.coalesce("impression_id", F.lit(-1)))
    )
    narrow = told(NARROW)
    assert narrow.exceptAll(wide.groupBy("id", *NARROW, LOG_LINES).count()).count() == 0
    assert narrow.count() > 100


def small(spark, rows, ddl, columns):
    made = spark.createDataFrame(rows, ddl).selectExpr(
        "*", "1 as user_id", "1 as media_id", "date'2026-01-05' as event_date", "timestamp'2026-01-05' as impression_ts"
    )
    return made.transform(settle(~is_valid(ContractSettings()), columns, made.transform(repeated_ids(len(rows)))))


def test_ids_may_be_text_in_any_script_and_numbers_beyond_32_bits(spark):
    texts = [
        ("größe", 1.0),
        ("größe", 2.0),
        ("GRÖSSE", 3.0),
        ("", 4.0),
        ("", 5.0),
        ("観た", 6.0),
        ("a ", 7.0),
        ("a", 8.0),
    ]
    found = small(spark, texts, "impression_id string, watch_s double", ["impression_id", "watch_s"])
    assert sorted(row.watch_s for row in found.collect()) == [2.0, 3.0, 5.0, 6.0, 7.0, 8.0]
    numbers = [(2**40, 1.0), (2**40, 2.0), (2**40 + 2**32, 3.0), (-(2**40), 4.0), (2**62, 5.0), (0, 6.0), (0, 7.0)]
    found = small(spark, numbers, "impression_id bigint, watch_s double", ["impression_id", "watch_s"])
    assert sorted(row.watch_s for row in found.collect()) == [2.0, 3.0, 4.0, 5.0, 7.0]


def test_columns_without_an_order_decide_by_their_text(spark):
    ddl = "impression_id int, watch_s double, tags map<string,int>, deep struct<m:map<string,int>,n:int>, `geo.x` int"
    rows = [
        (1, 1.0, {"a": 1}, ({"z": 1}, 1), 1),
        (1, 1.0, {"a": 2}, ({"z": 1}, 1), 1),
        (2, 1.0, None, ({"z": 1}, 1), 1),
        (2, 1.0, None, ({"z": 9}, 1), 1),
        (3, 1.0, None, None, 4),
        (3, 1.0, None, None, 5),
    ]
    columns = ["impression_id", "watch_s", "tags", "deep", "geo.x"]
    for order in (rows, rows[::-1]):
        found = small(spark, order, ddl, columns).orderBy("impression_id").collect()
        assert [row.tags for row in found] == [{"a": 2}, None, None]
        assert found[1].deep.m == {"z": 9}
        assert found[2]["geo.x"] == 5


def test_a_refused_copy_never_displaces_a_good_one(spark):
    rows = [
        (1, 3.0),
        (1, math.inf),
        (1, math.nan),
        (1, -1.0),
        (1, 700_000.0),
        (2, None),
        (2, math.nan),
        (3, -1.0),
        (3, -2.0),
    ]
    found = small(spark, rows, "impression_id int, watch_s double", ["impression_id", "watch_s"])
    assert sorted((row.impression_id, row.watch_s, row[LOG_LINES]) for row in found.collect()) == [
        (1, 3.0, 5),
        (2, None, 2),
        (3, -1.0, 2),
    ]


@pytest.mark.parametrize("ids_a_task", [7, 1_000, 10**6])
@pytest.mark.parametrize("partitions", [1, 5])
def test_repeated_ids_are_found_wherever_their_lines_are(spark, monkeypatch, ids_a_task, partitions):
    """Lines of one id stand in one batch, in several of a partition or in several partitions; some ids are null."""
    monkeypatch.setattr(duplicates, "_IDS_A_TASK", ids_a_task)
    dice = random.Random(5)
    ids = [None] * 50 + list(range(4_000)) + dice.choices(range(4_000), k=60) + [-(2**63), 2**63 - 1, 2**63 - 1]
    dice.shuffle(ids)
    rows = spark.createDataFrame([(key,) for key in ids], "impression_id bigint").repartition(partitions)
    found = rows.transform(repeated_ids(len(ids))).collect()
    repeated = {key for key, count in Counter(ids).items() if count > 1 and key is not None}
    hashes = spark.createDataFrame([(key,) for key in repeated], "id bigint").select(F.xxhash64("id")).collect()
    assert sorted(map(tuple, found)) == sorted(map(tuple, hashes))
    assert not spark.createDataFrame([], "impression_id bigint").transform(repeated_ids(0)).collect()


def test_workers_need_no_package_of_ours():
    """A Spark Connect server has none; a worker unpacks functions where ours cannot be imported."""
    sent = [cloudpickle.dumps(made) for made in (duplicates._sort(3), duplicates._repeated())]
    told = (
        "import pickle, sys, pyarrow as pa; sys.modules['winnow'] = None; "
        f"sort, find = map(pickle.loads, {sent!r}); "
        "rows = pa.RecordBatch.from_arrays([pa.array([5, -2**62, 5, 2**62, -2**62])], names=['h']); "
        "print([hash for batch in find(sort([rows, rows.slice(3, 1)])) for hash in batch.column(0).to_pylist()])"
    )
    ended = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert sorted(map(int, re.findall(r"-?\d+", ended.stdout))) == [-(2**62), 5, 2**62]
