"""What the main job refuses, warns of, and lets pass: days, columns, arguments."""

import datetime as dt

import pytest

from conftest import ON_SAIL

STRATA = ("--set", "sampling.strata=['surface']")
WEEK = [dt.date(2026, 1, 5 + i) for i in range(7)]
GOOD, TINY, ONE_CLASS, DIRTY, CHANGED, EMPTY = WEEK[1], WEEK[2], WEEK[3], WEEK[4], WEEK[5], WEEK[6]


def day_rows(day, count=400, positive=5, surfaces=("home", "search"), nan_every=0):
    """Rows of a day: one in ``positive`` is positive, the rest negative."""
    first = day.toordinal() * 10_000
    return [
        (
            first + i,
            i % 37,
            i % 11,
            day,
            float("nan") if nan_every and i % nan_every == 0 else 60.0 if positive and i % positive == 1 else 3.0,
            60.0,
            surfaces[i % len(surfaces)],
        )
        for i in range(count)
    ]


@pytest.fixture(scope="module")
def root(tmp_path_factory, make_log, run_job):
    """A week of good and bad days, of which the first two, both good, are prepared."""
    place = tmp_path_factory.mktemp("week")
    make_log(
        place,
        [
            *day_rows(WEEK[0]),
            *day_rows(GOOD),
            *day_rows(TINY, count=180),
            *day_rows(ONE_CLASS, positive=0),
            *day_rows(DIRTY, nan_every=10),
            *day_rows(CHANGED, surfaces=("home", "radio")),
        ],
    )
    assert run_job("prepare_examples", place, *STRATA, "--start", WEEK[0], "--end", GOOD).code == 0
    return place


BAD_DAYS = [
    (EMPTY, 4, ["2026-01-11: expected impressions", "found no row", "Run again when the day has arrived"]),
    (TINY, 3, ["row_count", "50% to 200% of the 400 rows", "found 180", "Nothing was published"]),
    (ONE_CLASS, 3, ["one_class", "expected positives and negatives of watched, found 0 and 400"]),
    (DIRTY, 3, ["quarantine", "found 40 of 400 (10.0%: watch_s_not_finite 40)"]),
]


def test_an_empty_a_tiny_a_one_sided_and_a_dirty_day_stop_before_readers_see_them(root, run_job, versions, read):
    tables = ("examples", "ledger")
    before = {table: versions(root, table)[0]["version"] for table in tables}
    for day, code, told in BAD_DAYS:
        ended = run_job("prepare_examples", root, *STRATA, "--date", day)
        assert ended.code == code, ended.err
        assert [text for text in told if text not in ended.err] == [], ended.err
        assert {table: versions(root, table)[0]["version"] for table in tables} == before
    refused = read(root, "runs").where("status = 'refused'").count()
    assert refused == len(BAD_DAYS), "each refused run has its record"


def test_a_sample_that_is_not_what_its_rates_promise_is_put_back_to_what_the_day_was(
    tmp_path, make_log, run_job, read, content
):
    """A line of the log two thousand times, where no duplicate is looked for: one draw keeps all of its copies or none."""
    trusting = ("--date", GOOD, "--set", "sampling.duplicates=trust", "--set", "guards.row_count=off")
    rows = day_rows(GOOD, positive=2)
    make_log(tmp_path, rows)
    assert run_job("prepare_examples", tmp_path, *trusting).code == 0
    day = content(read(tmp_path, "examples"), ())
    ledger = content(read(tmp_path, "ledger"), ())
    make_log(tmp_path, [*rows, *[(-1, *rows[0][1:])] * 2000])
    ended = run_job("prepare_examples", tmp_path, *trusting)
    assert ended.code == 1, ended.err
    assert 'Were there duplicates with sampling.duplicates = "trust"?' in ended.err
    assert "the examples are as they were before this run" in ended.err
    assert content(read(tmp_path, "examples"), ()) == day
    assert content(read(tmp_path, "ledger"), ()) == ledger


@ON_SAIL
def test_a_rule_set_to_warn_lets_the_day_pass_and_tells_it(root, tmp_path, run_job, read):
    place = ("--set", f"tables.impressions={root}/impressions", "--set", f"tables.ledger={tmp_path}/ledger")
    ended = run_job("prepare_examples", tmp_path, *STRATA, *place, "--date", DIRTY, "--set", "guards.quarantine=warn")
    assert ended.code == 0
    assert "(quarantine)" in ended.err
    refused = read(tmp_path, "quarantine").collect()
    assert len(refused) == 40
    assert {tuple(row.reasons) for row in refused} == {("watch_s_not_finite",)}


@ON_SAIL
def test_new_and_vanished_strata_are_told_and_stand_in_the_ledger(root, run_job, read):
    ended = run_job("prepare_examples", root, *STRATA, "--date", CHANGED)
    assert ended.code == 0, ended.err
    assert 'unseen in the days before: {"surface":"radio"} (new_stratum)' in ended.err
    assert 'of the days before without rows: {"surface":"search"} (vanished_stratum)' in ended.err
    states = {row.stratum: (row.state, row.kept_positives) for row in read(root, "ledger", CHANGED).collect()}
    assert states['{"surface":"radio"}'] == ("new", 40)
    assert states['{"surface":"search"}'] == ("vanished", 0)
    assert states['{"surface":"home"}'][0] == "known"


@ON_SAIL
def test_a_young_day_waits_unless_forced_and_then_its_young_rows_have_no_label(tmp_path, make_log, run_job, last_run):
    # Yesterday's first second is more than 24 hours ago and its last one is not, whenever this test runs.
    day = dt.datetime.now(dt.UTC).date() - dt.timedelta(days=1)
    rows = [(*row, i % 2 * 86_399) for i, row in enumerate(day_rows(day, positive=4))]
    make_log(tmp_path, rows)
    settings = ("--date", day, "--set", "labelling.maturity_hours=24")
    for job, table in (("prepare_examples", "examples"), ("build_profiles", "media_tiles")):
        waits = run_job(job, tmp_path, *settings)
        assert waits.code == 4
        assert "labelling.maturity_hours = 24" in waits.err
        assert not (tmp_path / table).exists()
    # Positives (i % 4 == 1) are all shown late in the day: move one in ten to its beginning.
    make_log(
        tmp_path,
        [(*row, 0 if i % 2 == 0 or i % 20 == 1 else 86_399) for i, row in enumerate(day_rows(day, positive=4))],
    )
    assert run_job("prepare_examples", tmp_path, *settings, "--force").code == 0
    label = last_run(tmp_path)["funnel"][0]["labels"]["watched"]
    assert label["unlabelled"]["immature"] == 180
    assert (label["positives"], label["negatives"]) == (20, 200)


def test_a_log_with_missing_renamed_and_retyped_columns_is_refused_by_name_and_an_extra_one_passes(
    spark, root, tmp_path, run_job, read
):
    from pyspark.sql import functions as F

    log = read(root, "impressions", GOOD)
    kept_seconds = F.col("watch_s").cast("string")
    faulty = {
        "missing": (log.drop("watch_s"), ["missing watch_s (double)"]),
        "renamed": (
            log.withColumnRenamed("media_id", "media_ids"),
            ["missing media_id (bigint or string); did you mean media_ids?"],
        ),
        "retyped": (log.withColumn("watch_s", kept_seconds), ["watch_s is string, not double"]),
        "all": (
            log.drop("user_id").withColumn("watch_s", kept_seconds).withColumnRenamed("surface", "place"),
            ["missing user_id", "watch_s is string, not double", "missing surface"],
        ),
    }
    for name, (rows, told) in faulty.items():
        rows.write.format("delta").partitionBy("event_date").save(f"{tmp_path}/{name}")
        ended = run_job(
            "prepare_examples", tmp_path, *STRATA, "--set", f"tables.impressions={tmp_path}/{name}", "--date", GOOD
        )
        assert ended.code == 3, ended.err
        assert [text for text in [*told, "It has: "] if text not in ended.err] == [], ended.err
        assert not (tmp_path / "examples").exists()
    extra = log.withColumn("weather", F.array(F.lit("rain"), F.col("surface")))
    extra.write.format("delta").partitionBy("event_date").save(f"{tmp_path}/extra")
    arguments = (*STRATA, "--set", f"tables.impressions={tmp_path}/extra", "--date", GOOD)
    assert run_job("prepare_examples", tmp_path, *arguments).code == 0
    stored = read(tmp_path, "examples")
    assert dict(stored.dtypes)["weather"] == "array<string>"
    assert stored.where("weather[1] <=> surface and weather[0] = 'rain'").count() == stored.count() > 0


HOSTILE_ARGUMENTS = [
    ("--date", "2026-01-05' OR '1'='1"),
    ("--date", "2026-01-05; DROP TABLE examples"),
    ("--date", "2026-01-05\n"),
    ("--date", "../2026-01-05"),
    ("--date", "٢٠٢٦-٠١-٠٥"),
    ("--date", "2026-02-30"),
    ("--date", ""),
    ("--start", "2026-01-05", "--end", "2026-01-05' --"),
    ("--start", "2026-01-06", "--end", "2026-01-05"),
    ("--set", "tables.examples=../../etc/passwd"),
    ("--set", "tables.examples='a/../../b'"),
    ("--set", "tables.examples='main.`x`; DROP TABLE y'"),
    ("--set", 'tables.examples="delta.`/tmp/x`"'),
    ("--set", "tables.examples='a/b\\u0000c'"),
    ("--set", "tables.examples='/tmp/*'"),
    ("--set", "tables.examples='/tmp/$(id)'"),
    ("--set", "tables.examples='a b.c d'"),
    ("--set", "tables.nosuch=/tmp/x"),
    ("--set", "sampling.strata=[\"reflect('java.lang.System','exit',0)\"]"),
    ("--set", "sampling.strata=['surface) --']"),
    ("--set", "sampling.strata=['watch_s']"),
    ("--set", "labels.watched.kind='python'"),
    ("--set", "labels.w.kind='any_action'", "--set", "labels.w.actions=['1=1 or liked']"),
    ("--set", 'labels."x`y".kind=action'),
    ("--set", "columns.user_id='user_id) FROM x'"),
    ("--set", "sampling.negatives_per_positive=nan"),
    ("--set", "sampling.seed=1e400"),
    ("--set", "sampling.exact=__import__('os')"),
    ("--set", "sampling.exact"),
    ("--set", "__class__.x=1"),
    ("--root", "/tmp/../etc"),
    ("--root", "/tmp/`id`"),
    ("--root", "/tmp/x;rm -rf y"),
    ("--root", "/tmp/x\x1b[31m"),
    ("--conf", "/no/such/file.toml"),
    ("--log-level", "TRACE; ls"),
    ("--dat", "2026-01-05"),
]


def test_hostile_arguments_are_refused_before_a_session_starts(tmp_path, run_job):
    def start(*_arguments):
        raise AssertionError("a session was asked for")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("winnow.job.start_session", start)
        for arguments in HOSTILE_ARGUMENTS:
            has_day = any(word in ("--date", "--start", "--dat") for word in arguments)
            ended = run_job("prepare_examples", tmp_path, *arguments, *(() if has_day else ("--date", "2026-01-05")))
            assert ended.code == 2, (arguments, ended)
            assert "error: " in ended.err, arguments
            assert "Traceback" not in ended.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("ids", "name"),
    [("bigint", lambda i: 2**40 + i * 7_919), ("string", lambda i: f"ид-{i}-🎬 \"'`;--")],
    ids=["ids beyond 2^40", "strings in any script"],
)
def test_ids_and_a_null_stratum_come_through_whole(tmp_path, make_log, run_job, read, ids, name):
    day = WEEK[0]
    rows = [
        (name(i), name(i % 50), name(i % 20), day, 60.0 if i % 2 else 3.0, 60.0, ("home", None, "Ünï\u2028x")[i % 3])
        for i in range(300)
    ]
    make_log(tmp_path, rows, ids=ids)
    assert run_job("prepare_examples", tmp_path, *STRATA, "--date", day).code == 0
    kept = read(tmp_path, "examples").collect()
    log = {row[0]: (row[1], row[2], row[6]) for row in rows}
    # As many negatives as positives in each stratum: at a rate of 1 every row is kept.
    assert {row.impression_id: (row.user_id, row.media_id, row.surface) for row in kept} == log
    assert len(kept) == 300
    assert {row.stratum for row in read(tmp_path, "ledger").collect()} > {'{"surface":null}'}
