"""The report by its job: of a root with everything that a week's line leaves, of a bare one, and of none."""

import datetime as dt
import re

import pytest
from pyspark.sql import functions as F

from conftest import PROJECT
from reporting import browser

START, TEST_DAY = "2026-01-05", "2026-01-08"
WORLD = (
    "--set", "synthetic.rows_per_day=3000", "--set", "synthetic.users=150", "--set", "synthetic.media=80",
    "--set", "synthetic.dirt.duplicate_rate=0.02", "--set", "synthetic.dirt.nan_watch_rate=0.01",
)  # fmt: skip
LINE = (
    "--set",
    f"splitting.test_start={TEST_DAY}",
    "--set",
    'sampling.strata=["surface"]',
    "--set",
    "weighting.balance=0.5",
)
HOSTILE = "<script>window.hacked = 1</script>"


@pytest.fixture(scope="module")
def reported(run_job, data_job, spark, tmp_path_factory):
    """A root after the line and its report; one media has a hostile title."""
    root = tmp_path_factory.mktemp("reported")
    days = ("--start", START, "--end", TEST_DAY)
    assert data_job("make_impressions", root, *days, *WORLD).code == 0
    media = spark.read.format("delta").load(f"{root}/media")
    popular = F.col("media_id") % 2 == 0
    hostile = media.withColumn("title", F.when(popular, F.lit(HOSTILE)).otherwise(F.col("title"))).toArrow()
    spark.createDataFrame(hostile).write.format("delta").mode("overwrite").save(f"{root}/media")
    assert run_job("prepare_examples", root, *days, *LINE).code == 0
    assert (
        run_job("generate_candidates", root, "--date", TEST_DAY, "--set", 'retrieval.sources=["popularity"]').code == 0
    )
    scores = "evaluation.score_columns.true_probability=watched"
    assert run_job("evaluate", root, "--date", TEST_DAY, "--set", scores).code == 0
    assert run_job("evaluate", root, "--online", "--start", "2026-01-07", "--end", TEST_DAY).code == 0
    ended = run_job("report", root)
    assert ended.code == 0, ended.err
    return root


@pytest.fixture(scope="module")
def html(reported):
    return (reported / "report.html").read_text(encoding="utf-8")


def section(html, name):
    return re.search(rf'<section id="{name}".*?</section>', html, re.DOTALL)[0]


def test_the_numbers_are_those_of_the_tables(reported, html, read):
    lines = read(reported, "impressions").count()
    assert f"{lines:,}" in section(html, "flow")
    kept = read(reported, "examples").groupBy("watched_label").count().collect()
    assert all(f"{row['count']:,}" in section(html, "flow") for row in kept)
    metrics = read(reported, "metrics").where("metric = 'ndcg' and k = 10 and slice = '{}'").collect()
    assert all(f"{row['value']:.4f}" in section(html, "metrics") for row in metrics)
    trained = F.col("event_date") < F.lit(TEST_DAY).cast("date")
    positives = read(reported, "examples").where(trained & (F.col("watched_label") == 1)).count()
    told = re.search(r'aria-label="Positives of watched by weight. ([\d,]+) rows', html)[1]
    assert told == f"{positives:,}"


def test_the_lists_of_a_user_are_those_of_the_table(reported, html, read):
    users = section(html, "users")
    user = int(re.search(r"<h3>User (\d+)</h3>", users)[1])
    first = (F.col("source") == "merged") & (F.col("rank") <= 8)  # of the lists of a user that of the first name
    mine = read(reported, "candidates").where(first & (F.col("user_id") == user)).orderBy("rank").collect()
    titles = {row["media_id"]: row["title"] for row in read(reported, "media").collect()}
    card = users.split("<article")[1]
    shown = re.findall(r'<span class="title">(.*?)</span>', re.search(r"<ol>.*?</ol>", card, re.DOTALL)[0])
    assert shown == [titles[row["media_id"]].replace("<", "&lt;").replace(">", "&gt;") for row in mine]
    assert HOSTILE not in html


def test_what_was_not_made_is_told_and_what_was_is_not(html):
    absent = re.findall(r'<a href="#(\w+)" class="absent">', html)
    assert absent == ["sweep", "tuning"]
    assert "python jobs/tune.py" in section(html, "tuning")


def test_the_lineage_names_the_runs_and_the_versions_that_were_read(reported, html, last_run):
    lineage = section(html, "lineage")
    assert last_run(reported)["job"] == "report"
    assert all(job in lineage for job in ("make_impressions", "prepare_examples", "generate_candidates", "evaluate"))
    assert "splitting.test_start = &#34;2026-01-08&#34;" in lineage


def test_the_page_of_a_root_opens_without_a_fault(reported, tmp_path):
    program = browser.find()
    if program is None:
        pytest.skip(f"no browser is installed: {', '.join(browser.NAMES)}")
    with browser.started(program, tmp_path) as shown:
        for width in (360, 1440):
            shown.open(reported / "report.html", width)
            assert shown.ask("document.documentElement.scrollWidth") <= width
            shown.screenshot(PROJECT / "build" / "report" / f"by-jobs-{width}.png")
        assert shown.faults == []
        assert shown.ask("window.hacked") is None


def test_a_bare_root_has_a_page_and_none_has_not(run_job, make_log, tmp_path):
    day = dt.date(2026, 1, 5)
    rows = [(n, n % 5, n % 7, day, 10.0 if n % 3 else 100.0, 100.0, "home") for n in range(60)]
    make_log(tmp_path / "bare", rows)
    assert run_job("prepare_examples", tmp_path / "bare", "--date", "2026-01-05").code == 0
    assert run_job("report", tmp_path / "bare", "--out", tmp_path / "elsewhere.html").code == 0
    page = (tmp_path / "elsewhere.html").read_text(encoding="utf-8")
    assert re.findall(r'class="absent">([\w ]+)<', page) == [
        "Metrics", "Reliability", "Balance sweep", "Tuning", "Users and their lists",
    ]  # fmt: skip
    ended = run_job("report", tmp_path / "none")
    assert (ended.code, not (tmp_path / "none" / "report.html").exists()) == (4, True)
    assert "Run prepare_examples.py first" in ended.err


@pytest.mark.parametrize("out", ["../../up.html", "x/`y`.html", "a\nb"])
def test_a_hostile_place_is_refused(run_job, tmp_path, out):
    assert run_job("report", tmp_path, "--out", out).code == 2


def test_a_dry_run_writes_nothing(reported, run_job):
    before = (reported / "report.html").stat().st_mtime_ns
    ended = run_job("report", reported, "--dry-run")
    assert ended.code == 0
    assert "would write" in ended.err
    assert (reported / "report.html").stat().st_mtime_ns == before
