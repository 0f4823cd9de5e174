"""Every source and the merge on the real log: fitted to four days, held against the two after them."""

import sys

import duckdb
import pytest
from pyspark.sql import functions as F

from conftest import PROJECT

pytestmark = [
    pytest.mark.not_on("sail", "connect", why="it has no Spark ML, or the jobs are those of Spark"),
    pytest.mark.timeout(1800),
]

#: Recall of the most watched by SQL that knows nothing of Winnow. The two midnights: models know nothing from UTC's on, and
#: what is asked for begins with Beijing's.
POPULAR = """
    with log as (
        select user_id, video_id, strptime(date::varchar, '%Y%m%d')::date as day, epoch_ms(time_ms) as shown
        from '{}' where duration_ms > 0 and play_time_ms * 10 >= duration_ms * 8
    ), known as (
        select distinct user_id, video_id from log where day < '2022-04-29' and shown < '2022-04-29'
    ), seen as (
        select distinct user_id, video_id from log where day < '2022-04-29' and shown < '2022-04-28 16:00'
    ), wanted as (
        select distinct user_id, video_id from log where day >= '2022-04-29' and shown >= '2022-04-28 16:00'
        except select * from seen
    ), popular as (
        select video_id, count(*) as users from known group by all
    ), listed as (
        select user_id, video_id, row_number() over (partition by user_id order by users desc, video_id) as place
        from (select distinct user_id from wanted) cross join popular anti join known using (user_id, video_id)
    ), found as (
        select user_id, count(*) filter (place <= {}) / count(*) as recall
        from wanted left join listed using (user_id, video_id) group by all
    )
    select avg(recall), count(*) from found
"""


@pytest.fixture(scope="module")
def quality():
    """The benchmark that makes the page of results."""
    before = list(sys.path)
    sys.path.insert(0, str(PROJECT / "benchmarks"))
    import retrieval_quality

    yield retrieval_quality
    sys.path[:] = before


@pytest.fixture(scope="module")
def root(quality, run_job, real_data, tmp_path_factory):
    def run(name, *arguments):
        ended = run_job(name, *arguments)
        assert ended.code == 0, ended.err

    place = tmp_path_factory.mktemp("real_retrieval")
    quality.bring(run, place, quality.REAL, real_data)
    quality.generate(run, place, quality.REAL)
    return place


@pytest.fixture(scope="module")
def records(quality, spark, root):
    """(model, baseline, metric, k) -> the record."""
    rows = quality.found(spark, root, quality.REAL)
    return {(row["model"], row.get("baseline"), row["metric"], row["k"]): row for row in rows}


@pytest.mark.parametrize("k", [10, 50])
def test_the_recall_of_popularity_is_that_of_sql(records, real_data, k):
    ((recall, users),) = duckdb.sql(POPULAR.format(real_data / "impressions_20220425_20220430.parquet", k)).fetchall()
    row = records["popularity", None, "recall", k]
    assert row["units"] == users == 5_255
    assert row["value"] == pytest.approx(recall, abs=1e-12)


def test_the_merge_is_at_least_as_good_as_each_source_by_every_metric(records, quality):
    for metric, k in quality.REAL.metrics:
        best = max(records[source, None, metric, k]["value"] for source in quality.REAL.sources)
        mine = records["merged", None, metric, k]
        assert mine["low"] < best < mine["high"] or mine["value"] > best
        for source in quality.REAL.sources:
            assert records["merged", source, metric, k]["high"] >= 0, f"{metric}@{k}: {source} is better"


def test_each_source_finds_what_no_list_at_random_would(records, root, read):
    media = read(root, "media").where(F.col("added_date") < "2022-04-29").count()
    for source in ("popularity", "als", "svd", "item_item", "merged"):
        assert records[source, None, "recall", 50]["low"] > 50 / media
