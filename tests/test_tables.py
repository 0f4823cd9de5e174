"""Delta tables by path and by name: slices replaced whole, versions pinned, drift refused."""

import datetime as dt
import json
import os
import re

import pytest
from deltalake import DeltaTable
from pyspark.errors import PySparkException
from pyspark.sql import functions as F

from winnow import schema
from winnow.config import load
from winnow.engines import engine_of
from winnow.errors import ConcurrentRunError, ContractError, DataError, InputNotReadyError, JobError
from winnow.tables import Tables

FIRST, SECOND = dt.date(2026, 1, 5), dt.date(2026, 1, 6)


def rows_of(spark, day, count):
    return spark.range(count).select(
        F.col("id").alias(schema.IMPRESSION_ID), F.lit(day).alias(schema.EVENT_DATE), F.lit(1.0).alias(schema.WATCH_S)
    )


def counts_of(rows):
    return {row[0]: row[1] for row in rows.groupBy(schema.EVENT_DATE).count().collect()}


of_a_catalog = pytest.mark.not_on("sail", why="it has no catalog that outlives it")


@pytest.fixture(
    params=[
        "path",
        pytest.param("name of two parts", marks=of_a_catalog),
        pytest.param("name of three parts", marks=of_a_catalog),
    ]
)
def tables(request, spark, tmp_path):
    """Tables whose examples are at a path, or in the session's catalog."""
    sets = []
    if request.param != "path":
        database = f"lab{abs(hash(request.node.name)) % 10**8}"
        spark.sql(f"create database if not exists {database}")
        catalog = "spark_catalog." if "three" in request.param else ""
        sets = [f"tables.examples={catalog}{database}.examples"]
        yield Tables(spark, load(sets=sets), str(tmp_path))
        spark.sql(f"drop database {database} cascade")
    else:
        yield Tables(spark, load(), str(tmp_path))


def test_a_day_is_replaced_and_other_days_stay(tables, spark):
    for day, count in ((FIRST, 5), (SECOND, 7), (FIRST, 3)):
        tables.replace(schema.EXAMPLES, rows_of(spark, day, count), {schema.EVENT_DATE: day}, record="{}")
    assert counts_of(tables.read_latest(schema.EXAMPLES)) == {FIRST: 3, SECOND: 7}
    assert tables.read(schema.EXAMPLES, 2).count() == 12, "a version is read as it was"
    assert tables.written == {"examples": 3}
    place, kept = tables.location(schema.EXAMPLES), "delta.deletedFileRetentionDuration"
    assert engine_of(spark).property(place, kept) == "interval 30 days", "maintenance.history_days"


@pytest.mark.not_on("sail", why="it has no history; the jobs' tests read the commits by delta-rs")
def test_a_table_explains_its_commits(tables, spark):
    record = json.dumps({"run_id": "a"})
    tables.replace(schema.EXAMPLES, rows_of(spark, FIRST, 2), {schema.EVENT_DATE: FIRST}, record=record)
    place = tables.location(schema.EXAMPLES)
    history = spark.sql(f"describe history {place if '/' not in place else f'delta.`{place}`'}")
    assert [row["userMetadata"] for row in history.collect()] == [record, None]


def test_a_pinned_table_is_read_at_the_version_that_was_first_seen(tables, spark):
    tables.replace(schema.EXAMPLES, rows_of(spark, FIRST, 2), {schema.EVENT_DATE: FIRST}, record="{}")
    before = tables.read(schema.EXAMPLES)
    tables.replace(schema.EXAMPLES, rows_of(spark, FIRST, 9), {schema.EVENT_DATE: FIRST}, record="{}")
    assert (before.count(), tables.read(schema.EXAMPLES).count()) == (2, 2)
    assert tables.read_latest(schema.EXAMPLES).count() == 9


def test_new_columns_are_added_and_other_types_refused(tables, spark):
    where = {schema.EVENT_DATE: FIRST}
    tables.replace(schema.EXAMPLES, rows_of(spark, FIRST, 2), where, record="{}")
    wider = rows_of(spark, FIRST, 2).withColumn("liked_label", F.lit(1))
    tables.replace(schema.EXAMPLES, wider, where, record="{}")
    assert "liked_label" in tables.read_latest(schema.EXAMPLES).columns
    with pytest.raises(ContractError, match=r"watch_s is double, not string"):
        tables.replace(schema.EXAMPLES, wider.withColumn("watch_s", F.lit("x")), where, record="{}")


@pytest.fixture
def at_path(spark, tmp_path):
    return Tables(spark, load(), str(tmp_path))


@pytest.mark.not_on("connect", why="only the server knows where its relative paths begin")
def test_a_root_may_be_a_relative_path(spark, tmp_path):
    here = Tables(spark, load(), os.path.relpath(tmp_path))  # a session's paths begin where its process was started
    here.replace(schema.EXAMPLES, rows_of(spark, FIRST, 2), {schema.EVENT_DATE: FIRST}, record="{}")
    assert here.read(schema.EXAMPLES).count() == 2


def test_rows_outside_the_slice_are_refused(at_path, spark):
    with pytest.raises(Exception, match=r"REPLACE_WHERE_MISMATCH|rows outside the slice"):
        at_path.replace(schema.EXAMPLES, rows_of(spark, SECOND, 2), {schema.EVENT_DATE: FIRST}, record="{}")
    assert at_path.read_latest(schema.EXAMPLES).count() == 0


def test_a_slice_is_made_of_plain_words_only(at_path, spark):
    hostile = {schema.STAGE: "import' OR '1'='1"}
    with pytest.raises(JobError, match="expected a plain word"):
        at_path.replace(schema.QUARANTINE, at_path.local(schema.QUARANTINE, []), hostile, record="{}")


def test_names_that_delta_cannot_store_are_told_before_the_write(at_path, spark):
    odd = rows_of(spark, FIRST, 1).withColumn("watch (s)", F.lit(1))
    with pytest.raises(ContractError, match=r"watch \(s\)"):
        at_path.replace(schema.EXAMPLES, odd, {schema.EVENT_DATE: FIRST}, record="{}")
    assert not at_path.exists(schema.EXAMPLES)


def test_a_table_that_is_not_there_is_for_later(at_path):
    with pytest.raises(InputNotReadyError, match=r"impressions: expected a Delta table at .*impressions, found none"):
        at_path.pin(schema.IMPRESSIONS)


def test_a_dry_run_writes_nothing(spark, tmp_path):
    dry = Tables(spark, load(), str(tmp_path), is_dry=True)
    assert dry.replace(schema.EXAMPLES, rows_of(spark, FIRST, 2), {schema.EVENT_DATE: FIRST}, record="{}") is None
    assert list(tmp_path.iterdir()) == []


def write_log(root, rows, day="event_date"):
    """Write rows as a log of the service's own, whose days are in the column ``day``, and return its newest version."""
    place = f"{root}/impressions"
    rows.withColumnRenamed("event_date", day).write.format("delta").mode("append").partitionBy(day).save(place)
    return DeltaTable(place).version()


def changes_of(spark, root, since, *sets):
    return Tables(spark, load(sets=sets), str(root)).last_changes(schema.IMPRESSIONS, since)


def test_the_days_that_changed_are_told_whatever_their_column_is_called(spark, tmp_path):
    version = write_log(tmp_path, rows_of(spark, FIRST, 2), day="dt")
    newer = write_log(tmp_path, rows_of(spark, SECOND, 2), day="dt")
    assert changes_of(spark, tmp_path, version, "columns.event_date=dt") == {SECOND: newer}
    assert changes_of(spark, tmp_path, version) is None, "there is no such column"


def test_rows_without_a_day_change_none(spark, tmp_path):
    some = F.when(F.col(schema.IMPRESSION_ID) < 1, F.lit(FIRST))
    version = write_log(tmp_path, rows_of(spark, FIRST, 1).withColumn(schema.EVENT_DATE, some))
    newer = write_log(tmp_path, rows_of(spark, FIRST, 2).withColumn(schema.EVENT_DATE, some))
    write_log(tmp_path, rows_of(spark, FIRST, 2).where("impression_id = 1").withColumn(schema.EVENT_DATE, some))
    assert changes_of(spark, tmp_path, version) == {FIRST: newer}
    assert changes_of(spark, tmp_path, newer) == {}


@pytest.mark.not_on("sail", why="it holds the files of two versions against each other")
def test_a_commit_that_does_not_name_its_days_is_no_answer(spark, tmp_path):
    version = write_log(tmp_path, rows_of(spark, FIRST, 2))
    DeltaTable(f"{tmp_path}/impressions").delete()
    assert changes_of(spark, tmp_path, version) == {FIRST: version + 1}
    commit = tmp_path / "impressions" / "_delta_log" / f"{version + 1:020d}.json"
    actions = [json.loads(line) for line in commit.read_text().splitlines()]
    for action in actions:
        action.get("remove", {}).pop("partitionValues", None)  # the protocol does not ask for it
    commit.write_text("".join(json.dumps(action) + "\n" for action in actions))
    assert changes_of(spark, tmp_path, version) is None


@pytest.mark.not_on("sail", why="it does not write such tables")
def test_a_log_that_maps_its_columns_names_is_no_answer(spark, tmp_path):
    mapped = "tblproperties ('delta.columnMapping.mode' = 'name')"
    columns = "impression_id bigint, event_date date, watch_s double"
    spark.sql(
        f"create table delta.`{tmp_path}/impressions` ({columns}) using delta partitioned by (event_date) {mapped}"
    )
    version = DeltaTable(f"{tmp_path}/impressions").version()
    rows_of(spark, FIRST, 2).write.format("delta").mode("append").save(f"{tmp_path}/impressions")
    assert changes_of(spark, tmp_path, version) is None


@pytest.fixture
def late(engine, spark, at_path, monkeypatch):
    """Return the function after which every change of the examples finds that another run has changed them since it began."""

    def begin():
        if engine == "sail":

            class Opened(DeltaTable):
                def __init__(self, place, **more):
                    super().__init__(place, **more)
                    DeltaTable(place).alter.set_table_properties({"a.b": "c"}, raise_if_not_exists=False)

            monkeypatch.setattr("winnow.engines.sail.DeltaTable", Opened)
        else:  # what Delta says: nothing stops a command of SQL half way, to let another one come first
            sql = type(spark).sql

            def lose(session, text, *more):
                if text.startswith(("SHOW", "DESCRIBE")):
                    return sql(session, text, *more)
                raise PySparkException(
                    "[DELTA_METADATA_CHANGED] MetadataChangedException: The metadata has been changed"
                )

            monkeypatch.setattr(type(spark), "sql", lose)

    return begin


@pytest.mark.parametrize(
    "change",
    [
        lambda tables: tables.delete(schema.EXAMPLES, schema.WATCH_S, "below", 9),
        lambda tables: tables.compact(schema.EXAMPLES),
        lambda tables: tables.vacuum(schema.EXAMPLES, days=9),
        lambda tables: tables.migrate(schema.EXAMPLES, 1),
        lambda tables: engine_of(tables.spark).add_columns(tables.location(schema.EXAMPLES), [schema.SURFACE]),
    ],
    ids=["delete", "compact", "vacuum", "set_property", "add_columns"],
)
def test_a_change_that_another_commit_came_before_is_for_another_try(change, at_path, spark, late):
    for count in (2, 3):  # two files to join
        at_path.append(schema.EXAMPLES, rows_of(spark, FIRST, count))
    late()
    with pytest.raises(ConcurrentRunError, match=r"/examples: another run changed the table at the same time, and won"):
        change(at_path)


def test_a_slice_without_value_is_that_of_null(at_path, spark):
    record = dict.fromkeys(schema.QUARANTINE.columns)
    rows = [
        {**record, schema.EVENT_DATE: day, schema.STAGE: "import", schema.SOURCE: source, schema.REASONS: ["x"]}
        for day, source in ((None, "a"), (None, "b"), (FIRST, "a"))
    ]
    at_path.append(schema.QUARANTINE, at_path.local(schema.QUARANTINE, rows))
    where = {schema.EVENT_DATE: None, schema.SOURCE: "a"}
    assert at_path.read_slice(schema.QUARANTINE, where).count() == 1
    at_path.replace(schema.QUARANTINE, at_path.local(schema.QUARANTINE, []), where, record="{}")
    left = {(row[0], row[2]) for row in at_path.read_latest(schema.QUARANTINE).collect()}
    assert left == {(None, "b"), (FIRST, "a")}


def catalogue(spark, tmp_path, *media_ids):
    """Write a catalogue of these media; return the tables of its root."""
    rows = spark.createDataFrame([(media_id,) for media_id in media_ids], "media_id bigint")
    rows.write.format("delta").save(f"{tmp_path}/media")
    return Tables(spark, load(), str(tmp_path))


def test_a_catalogue_whose_key_stands_in_several_rows_is_refused_with_five_of_them_at_most(spark, tmp_path):
    tables = catalogue(spark, tmp_path, *range(9), *range(7), 3, None, None)
    with pytest.raises(
        DataError, match=r"media at .* at version 0: expected one row a media_id, found several of"
    ) as told:
        tables.read_if_there(schema.MEDIA)
    named = dict(re.findall(r"(\d+) \((\d) rows\)", str(told.value)))
    assert len(named) == 5
    assert set(map(int, named)) <= set(range(7))
    assert {key: int(rows) for key, rows in named.items()} == {key: 3 if key == "3" else 2 for key in named}


def test_a_catalogue_of_one_row_a_key_is_read_and_unknown_keys_are_no_key(spark, tmp_path):
    rows = catalogue(spark, tmp_path, 1, 2, None, None).read_if_there(schema.MEDIA)
    assert rows.count() == 4


def test_a_catalogue_without_its_key_is_refused_by_name(spark, tmp_path):
    spark.range(2).write.format("delta").save(f"{tmp_path}/users")
    with pytest.raises(ContractError, match="users: expected the columns of its key, found no user_id"):
        Tables(spark, load(), str(tmp_path)).read_if_there(schema.USERS)
