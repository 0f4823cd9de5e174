"""Tiles built by the job, and features read from them as of a day, held against an oracle apart (DuckDB)."""

import datetime as dt

import pytest

DAYS = [dt.date(2025, 1, 6) + dt.timedelta(days=i) for i in range(2)]
WORLD = ("--set", "synthetic.rows_per_day=3000", "--set", "synthetic.users=300", "--set", "synthetic.media=200")


@pytest.fixture(scope="module")
def root(tmp_path_factory, run_job):
    place = tmp_path_factory.mktemp("profiles")
    assert run_job("make_impressions", place, *WORLD, "--start", DAYS[0], "--end", DAYS[-1]).code == 0
    ended = run_job("build_profiles", place, "--start", DAYS[0], "--end", DAYS[-1])
    assert ended.code == 0, ended.err
    return place


def test_the_tiles_of_users_and_media_sum_to_the_impressions(root, read):
    for day in DAYS:
        rows = read(root, "impressions", day).count()
        for table in ("user_tiles", "media_tiles"):
            assert read(root, table, day).agg({"rows": "sum"}).head()[0] == rows
