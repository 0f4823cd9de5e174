"""The same rows wherever the job runs: one core, by spark-submit, from any folder. Executors: tests/cluster, tests/faults."""

import datetime as dt

import pytest

from conftest import PROJECT

pytestmark = pytest.mark.not_on("sail", "connect", why="executors are spark-submit's")

CONF = ("--conf", PROJECT / "conf" / "kuairand.toml")
DAY = dt.date(2022, 4, 25)
TABLES = ("examples", "ledger")
OF_THE_RUN = ("run_id",)


def test_one_core_keeps_the_rows_that_two_keep(tmp_path, run_job, submit, real_data, read, content):
    two, one = tmp_path / "two", tmp_path / "one"
    assert run_job("import_impressions", two, *CONF, "--input", real_data / "fixture_users_mod16.parquet").code == 0
    assert run_job("prepare_examples", two, *CONF, "--date", DAY).code == 0
    log = ("--set", f"tables.impressions={two}/impressions")
    job = submit("local[1]", "prepare_examples", "--root", one, *CONF, "--date", DAY, *log)
    assert job.wait() == 0, job.told()
    for table in TABLES:
        assert content(read(one, table), OF_THE_RUN) == content(read(two, table), OF_THE_RUN), table
