"""The line as a DAG of Airflow 3: a day each morning, what is not there yet tried again, what was refused told at once.

Airflow needs spark-submit on its workers' PATH, and a checkout of Winnow with dist/winnow.zip at WINNOW_HOME.
"""

from __future__ import annotations

import datetime as dt
import os
import subprocess

from airflow.exceptions import AirflowException, AirflowFailException
from airflow.sdk import dag, get_current_context, task

HOME = os.environ.get("WINNOW_HOME", "/usr/lib/winnow")
ROOT = os.environ.get("WINNOW_ROOT", "s3a://bucket/winnow")
CONF = ("--conf", f"{HOME}/conf/cluster.toml")
#: Wrong arguments or conf, data refused: to try again changes nothing. All else (1, 4 = not there yet, 5 = lost a race) may.
HOPELESS = (2, 3)


def submit(job: str, *arguments: str) -> None:
    """Run a job by spark-submit, and end as its exit code says."""
    words = ["spark-submit", "--master", os.environ.get("WINNOW_MASTER", "yarn"), "--deploy-mode", "client"]
    words += ["--properties-file", f"{HOME}/conf/spark-cluster.conf", "--py-files", f"{HOME}/dist/winnow.zip"]
    done = subprocess.run([*words, f"{HOME}/jobs/{job}.py", "--root", ROOT, *CONF, *arguments], check=False)
    if done.returncode in HOPELESS:
        raise AirflowFailException(f"{job} ended with {done.returncode}: its error is above, and in the table runs")
    if done.returncode:
        raise AirflowException(f"{job} ended with {done.returncode}")


@dag(
    schedule="0 6 * * *",
    start_date=dt.datetime(2026, 1, 6, tzinfo=dt.UTC),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 6, "retry_delay": dt.timedelta(minutes=20)},
)
def winnow_daily() -> None:
    """Prepare the newest day whose labels are settled, and make today's lists of what is known by then.

    With ``maturity_hours = 24`` of conf/cluster.toml that is the day before yesterday: yesterday's settle tonight.
    """

    def day(back: int) -> str:
        return str(get_current_context()["logical_date"].date() - dt.timedelta(days=back))

    def held_out() -> tuple[str, ...]:
        """Keep the newest two days whole, of natural balance: scores are calibrated on one and measured on the other."""
        return "--set", f"splitting.validation_start={day(3)}", "--set", f"splitting.test_start={day(2)}"

    @task
    def prepare_examples() -> None:
        """Prepare the day, sample the one that is held out no longer, and follow the changes of the week before."""
        submit("prepare_examples", "--start", day(4), "--end", day(2), *held_out())
        submit("prepare_examples", "--date", day(5), "--lookback", "7", "--changed", *held_out())

    @task
    def build_profiles() -> None:
        """Sum the day; where prepare_examples told of older days that had changed, build those again by hand."""
        submit("build_profiles", "--date", day(2))

    @task
    def train_retrieval() -> None:
        submit("train_retrieval", "--date", day(0))

    @task
    def generate_candidates() -> None:
        submit("generate_candidates", "--date", day(0))

    @task
    def train_ranker() -> None:
        """Fit to the four weeks before, but for what is held out."""
        submit("train_ranker", "--start", day(29), "--end", day(2), *held_out())

    @task
    def recommend() -> None:
        submit("recommend", "--date", day(0))

    prepared = prepare_examples()
    ranker = train_ranker()
    lists = generate_candidates()
    prepared >> train_retrieval() >> lists
    prepared >> build_profiles() >> ranker
    [lists, ranker] >> recommend()


winnow_daily()
