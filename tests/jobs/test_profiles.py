"""Tiles built by the job, and features read from them as of a day, held against an oracle apart (DuckDB)."""

import datetime as dt
import json
import shutil
from dataclasses import replace
from types import SimpleNamespace

import pytest

from conftest import ON_SAIL
from feature_oracle import CONTENT, Oracle
from winnow.features.settings import CONTEXT, MEDIA_ASPECT

DAYS = [dt.date(2025, 1, 6) + dt.timedelta(days=place) for place in range(3)]
WORLD = [
    f"--set=synthetic.{setting}" for setting in ("rows_per_day=2500", "users=120", "media=150", "searches_per_day=300")
]
TILES = ("user_tiles", "media_tiles", "user_cross_tiles", "media_cross_tiles", "value_tiles")
AS_OF = DAYS[1:]


@pytest.fixture(scope="module")
def root(tmp_path_factory, data_job):
    """Three days of a log, and the tiles of all but the last; those that the tests' own engine builds must equal them."""
    place = tmp_path_factory.mktemp("profiles")
    assert data_job("make_impressions", place, *WORLD, "--start", DAYS[0], "--end", DAYS[-1]).code == 0
    ended = data_job("build_profiles", place, "--start", DAYS[0], "--end", DAYS[1])
    assert ended.code == 0, ended.err
    return place


@pytest.fixture(scope="module")
def run_on(spark):
    """Return the function that makes what publishing works with, of a root."""
    from winnow.config import Settings
    from winnow.features import FeatureSettings
    from winnow.tables import Tables

    def of(root, settings=None):
        made = settings or Settings(features=FeatureSettings(keywords=("station",), most_values=5000))
        warnings = []
        tables = Tables(spark, made, str(root))
        return SimpleNamespace(tables=tables, settings=made, warn=warnings.append, warnings=warnings)

    return of


@pytest.fixture(scope="module")
def rows_as_of(root, read):
    """Impressions of the as-of days, a thousand in all."""
    from pyspark.sql import functions as F

    from winnow.features import Clock, as_of_day

    rows = read(root, "impressions").where(F.col("event_date").isin(AS_OF))
    return rows.orderBy(F.xxhash64("impression_id")).limit(1000).transform(as_of_day(Clock()))


@pytest.fixture(scope="module")
def strange(rows_as_of):
    """Four rows of which nothing is known, with impression_ids below zero."""
    from pyspark.sql import functions as F

    unknown = {"user_id": F.lit(-1).cast("bigint"), "media_id": F.lit(-1).cast("bigint"), "surface": F.lit("billboard")}
    unknown |= {"impression_id": -F.col("impression_id"), "media_duration_s": F.lit(float("nan"))}
    unknown |= {name: F.lit(None).cast(kind) for name, kind in (("device", "string"), ("country", "string"))}
    unknown |= {"impression_ts": F.lit(None).cast("timestamp"), "position": F.lit(None).cast("int")}
    return rows_as_of.limit(4).withColumns(unknown)


@pytest.fixture(scope="module")
def vectors(spark, rows_as_of):
    """Vectors of every user and of one media, of a model that knows nothing from the first as-of day on."""
    from pyspark.sql import functions as F

    from winnow.features import Vectors

    factors = F.array(F.lit(1.0), F.lit(0.5)).cast("array<float>")
    users = rows_as_of.select("user_id").distinct().withColumn("factors", factors)
    media = spark.createDataFrame([(7, [2.0, 4.0])], "media_id bigint, factors array<float>")
    return Vectors(users, media, AS_OF[0])


@pytest.fixture(scope="module")
def profiles(root, run_on, vectors):
    from winnow.publishing import read_profiles

    return read_profiles(run_on(root), AS_OF, vectors)


@pytest.fixture(scope="module")
def told(profiles, rows_as_of, strange, run_on, root):
    """The features of the thousand rows and the strange ones, by impression_id."""
    from winnow.features import featured

    rows = rows_as_of.unionByName(strange).transform(featured(profiles, run_on(root).settings.features))
    return {row["impression_id"]: row for row in rows.toArrow().to_pylist()}


@pytest.fixture(scope="module")
def found(told):
    return {key: row for key, row in told.items() if key > 0}


@pytest.fixture(scope="module")
def names():
    from winnow.features import FeatureSettings, declared

    return [feature.name for feature in declared(FeatureSettings(keywords=("station",)))]


def test_the_tiles_of_users_and_media_sum_to_the_impressions(root, read):
    for table in ("user_tiles", "media_tiles"):
        sums = {row[0]: row[1] for row in read(root, table).groupBy("event_date").agg({"rows": "sum"}).collect()}
        assert sums == dict.fromkeys(DAYS[:2], 2500)


#: Six days, of which the first is beyond every window of the last: windows, half-lives, delays and limits all cut something.
SIX_DAYS = [dt.date(2025, 1, 6) + dt.timedelta(days=place) for place in range(6)]
SHORT = {
    "features.windows_days": [1, 2, 4],
    "features.half_life_days": 2,
    "features.half_lives": 2,
    "features.crosses": [*CONTENT, *CONTEXT, MEDIA_ASPECT],
    "features.most_values": 3,
    "features.most_listed": 2,
    "features.top_distributors": 2,
}
#: A log kept in another zone, whose watch times settle half a day after its days, of users some of whom live elsewhere.
ELSEWHERE = {
    "features.last_hours": 3,
    "features.country_utc_offset_h": {"DE": 1.0, "IN": 5.5},
    "splitting.utc_offset_h": 8,
    "labelling.maturity_hours": 12,
}


@pytest.fixture(scope="module")
def six_days(tmp_path_factory, data_job):
    place = tmp_path_factory.mktemp("six_days")
    world = [f"--set=synthetic.{one}" for one in ("rows_per_day=600", "users=40", "media=60", "searches_per_day=120")]
    assert data_job("make_impressions", place, *world, "--start", SIX_DAYS[0], "--end", SIX_DAYS[-1]).code == 0
    return place


@pytest.mark.parametrize("changes", [pytest.param(SHORT, marks=ON_SAIL), SHORT | ELSEWHERE], ids=["short", "elsewhere"])
def test_every_windowed_feature_is_what_the_oracle_says(changes, six_days, tmp_path, data_job, run_on, read):
    from pyspark.sql import functions as F

    from winnow.config import Settings
    from winnow.features import as_of_day, declared, declared_lists, featured
    from winnow.publishing import read_profiles
    from winnow.publishing.profiles import clock_of

    # Eight hours ahead of UTC the days begin eight hours earlier. The times are moved by seven only, so that the last hour of
    # each day's rows is shown when the day is over, as by clocks that run ahead.
    log = read(six_days, "impressions")
    if changes is not SHORT:
        log = log.withColumn("impression_ts", F.timestamp_micros(F.unix_micros("impression_ts") - 7 * 3_600_000_000))
    log.coalesce(1).write.format("delta").partitionBy("event_date").save(f"{tmp_path}/impressions")
    elsewhere = {f"tables.{name}": f"{six_days}/{name}" for name in ("media", "users", "searches")}
    sets = [f"--set={key}={toml(value)}" for key, value in (changes | elsewhere).items()]
    ended = data_job("build_profiles", tmp_path, *sets, "--start", SIX_DAYS[0], "--end", SIX_DAYS[-2])
    assert ended.code == 0, ended.err

    run = run_on(tmp_path, Settings().changed(changes | elsewhere))
    settings, clock, as_of = run.settings.features, clock_of(run), SIX_DAYS[-2:]
    rows = read(tmp_path, "impressions").where(F.col("event_date").isin(as_of)).transform(as_of_day(clock))
    some = rows.orderBy(F.xxhash64("impression_id")).limit(500)
    found = some.transform(featured(read_profiles(run, as_of), settings)).toArrow().to_pylist()
    tables = ((tmp_path, "impressions"), (six_days, "media"), (six_days, "searches"))
    oracle = Oracle(*(read(place, name).toArrow() for place, name in tables), settings, clock)
    names = {one.name for one in declared(settings) if one.window_days is not None}
    names = {name for name in names if not name.endswith("_code")} | {"user_last_genre_code"}
    genres = read(six_days, "media").select(F.explode("genres").alias("genre")).distinct()
    code = F.pmod(F.xxhash64("genre"), F.lit(settings.buckets - 1)) + 1
    codes = {None: 0} | dict(map(tuple, genres.select("genre", code).collect()))
    told = []
    for row in found:
        expected = oracle.features(row["impression_id"])
        expected["user_last_genre_code"] = codes[expected["user_last_genre_code"]]
        assert set(expected) == names
        told += [
            f"{row['impression_id']} {name}: expected {value}, found {row[name]}"
            for name, value in expected.items()
            if abs(row[name] - value) > 1e-9 * max(1.0, abs(value))
        ]
        told += [
            f"{row['impression_id']} {name}: expected {values}, found {row[name]}"
            for name, values in oracle.lists(row["impression_id"]).items()
            if row[name] != values
        ]
    assert {len(row[one.name]) for row in found for one in declared_lists(settings)} == {0, 1, 2}
    assert len(found) == 500  # a thousand in both worlds
    assert not told, "\n".join([str(len(told)), *told[:20]])


def toml(value):
    """Return the value as --set takes it."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {toml(one)}" for key, one in value.items()) + "}"
    return json.dumps(value)


def test_no_feature_is_null_or_a_constant_where_its_source_is_there(found, names):
    columns = {name: {row[name] for row in found.values()} for name in names}
    assert not [name for name, values in columns.items() if any(value is None or value != value for value in values)]
    same = {name for name, values in columns.items() if len(values) == 1}
    seasons = {f"context_is_{season}" for season in ("winter", "spring", "summer", "autumn")}
    no_holiday = {"context_is_holiday", "context_days_to_holiday", "context_is_weekend"}
    assert same <= seasons | no_holiday | {
        "cross_vector_similarity",
        "user_is_known",
        "media_is_known",
        "media_has_length",
        "media_has_public_rating",
        "cross_age_match",
    }


def test_a_log_in_other_files_gives_the_same_tiles(root, tmp_path, run_job, read, content):
    shuffled = read(root, "impressions").repartition(7, "media_id")
    shuffled.write.format("delta").partitionBy("event_date").save(f"{tmp_path}/impressions")
    elsewhere = [f"--set=tables.{name}={root}/{name}" for name in ("media", "users", "searches")]
    assert run_job("build_profiles", tmp_path, *elsewhere, "--date", DAYS[1]).code == 0
    for table in TILES:
        one, other = (content(read(place, table, DAYS[1]), without=["run_id"]) for place in (root, tmp_path))
        assert one == other, table


def test_a_day_built_again_and_later_days_change_nothing_of_what_was_known(
    root, run_job, run_on, rows_as_of, found, vectors
):
    from winnow.features import featured
    from winnow.publishing import read_profiles

    assert run_job("build_profiles", root, "--start", DAYS[1], "--end", DAYS[2]).code == 0
    later = read_profiles(run_on(root), AS_OF, vectors)
    again = rows_as_of.transform(featured(later, run_on(root).settings.features)).toArrow().to_pylist()
    assert {row["impression_id"]: row for row in again} == found


def test_a_tile_that_was_known_later_than_it_is_used_is_refused(root, tmp_path, read, run_on):
    from pyspark.sql import functions as F

    from winnow.errors import LeakError
    from winnow.publishing import read_profiles

    for table in set(TILES) - {"media_tiles"}:
        shutil.copytree(root / table, tmp_path / table)
    is_planted = (F.col("event_date") == F.lit(DAYS[0])) & (F.col("media_id") == 7)
    later = F.col("known_at") + F.expr("interval 1 second")
    rows = read(root, "media_tiles")
    rows = rows.withColumn("known_at", F.when(is_planted, later).otherwise(F.col("known_at")))
    rows.write.format("delta").partitionBy("event_date").save(f"{tmp_path}/media_tiles")
    with pytest.raises(LeakError, match=f"media_tiles, {DAYS[0]}: expected tiles known by {DAYS[1]} 00:00 UTC"):
        read_profiles(run_on(tmp_path), AS_OF)
    assert read_profiles(run_on(tmp_path), [DAYS[0]]) is not None  # as of a day that does not read it


def test_what_is_not_known_has_its_default_and_is_counted(told, strange, profiles, run_on, root, names):
    from pyspark.sql import functions as F

    from winnow.features import declared, featured, took_default

    settings = run_on(root).settings.features
    row = next(row for key, row in told.items() if key < 0)
    defaults = {feature.name: feature.default for feature in declared(settings)}
    # A rate of which nothing is known is that of all; a hashed id is known whatever it is.
    smoothed = {name for name in names if name.endswith("_rate") or "_rate_" in name}
    smoothed -= {"user_acted_rate", "media_acted_rate"}
    assert {name: row[name] for name in smoothed if not 0 < row[name] < 0.5} == {}
    others = set(names) - smoothed - {"media_id_code", "context_surface_code"}
    assert {name: row[name] for name in others} == {name: defaults[name] for name in others}
    rows = strange.transform(featured(profiles, settings))
    counts = (F.count_if(taken).alias(name) for name, taken in took_default(rows, settings).items())
    counted = rows.agg(*counts).head().asDict()
    assert set(counted) == set(defaults)
    assert (counted["user_age_years"], counted["context_weekday"], counted["user_engaged_rate_7d"]) == (4, 4, 0)


def test_missing_sources_are_told_once_and_refused_where_they_are_keys(root, profiles, rows_as_of, run_on):
    from winnow.errors import ContractError
    from winnow.features import featured
    from winnow.publishing.profiles import tell_missing

    run = run_on(root)
    tell_missing(run, rows_as_of.drop("position"), profiles)
    (told,) = run.warnings
    assert "there is no position, world.days_to_holiday" in told
    with pytest.raises(ContractError, match="missing user_id"):
        rows_as_of.drop("user_id").transform(featured(profiles, run.settings.features))


def test_vectors_are_multiplied_and_those_of_a_later_model_refused(root, found, run_on, vectors):
    from winnow.errors import LeakError
    from winnow.publishing import read_profiles

    assert {row["cross_vector_similarity"] for row in found.values() if row["media_id"] == 7} == {4.0}
    assert {row["cross_vector_similarity"] for row in found.values() if row["media_id"] != 7} == {0.0}
    with pytest.raises(LeakError, match="vectors"):
        read_profiles(run_on(root), AS_OF, replace(vectors, known_before=AS_OF[1]))


def test_a_day_without_impressions_and_a_label_that_is_not_there_are_refused(root, run_job):
    late = run_job("build_profiles", root, "--date", "2025-02-01")
    assert (late.code, "found none" in late.err) == (4, True)
    wrong = run_job("build_profiles", root, "--date", DAYS[0], "--set", "features.label=liked")
    assert (wrong.code, "features.label" in wrong.err) == (2, True)


def test_a_catalogue_with_a_media_in_two_rows_is_refused_before_anything_is_written(
    root, run_job, read, versions, tmp_path
):
    media = read(root, "media")
    media.unionByName(media.where("media_id = 7")).write.format("delta").save(f"{tmp_path}/media")
    before = [versions(root, table)[0]["version"] for table in TILES]
    ended = run_job("build_profiles", root, "--date", DAYS[0], "--set", f"tables.media={tmp_path}/media")
    assert (ended.code, "found several of 7 (2 rows)" in ended.err) == (3, True), ended.err
    assert [versions(root, table)[0]["version"] for table in TILES] == before
