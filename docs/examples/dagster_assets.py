"""The first half of the line as assets of Dagster, a partition a day: a sketch to start from."""

import os
import subprocess

from dagster import AssetExecutionContext, DailyPartitionsDefinition, Definitions, Failure, RetryPolicy, asset

HOME = os.environ.get("WINNOW_HOME", "/usr/lib/winnow")
ROOT = os.environ.get("WINNOW_ROOT", "s3a://bucket/winnow")
CONF = ("--conf", f"{HOME}/conf/cluster.toml")
#: The newest partition is the day before yesterday: with maturity_hours = 24 of that conf yesterday's labels are not settled.
DAYS = DailyPartitionsDefinition(start_date="2026-01-05", end_offset=-1)
AGAIN = RetryPolicy(max_retries=6, delay=1200)


def submit(job: str, *arguments: str) -> None:
    """Run a job by spark-submit; wrong conf and refused data (2, 3) are not tried again."""
    words = [
        "spark-submit",
        "--properties-file",
        f"{HOME}/conf/spark-cluster.conf",
        "--py-files",
        f"{HOME}/dist/winnow.zip",
    ]
    done = subprocess.run([*words, f"{HOME}/jobs/{job}.py", "--root", ROOT, *CONF, *arguments], check=False)
    if done.returncode:
        raise Failure(f"{job} ended with {done.returncode}", allow_retries=done.returncode not in (2, 3))


@asset(partitions_def=DAYS, retry_policy=AGAIN)
def examples(context: AssetExecutionContext) -> None:
    """Prepare the rows of a day; materialise it again to restate it."""
    submit("prepare_examples", "--date", context.partition_key)


@asset(partitions_def=DAYS, retry_policy=AGAIN)
def tiles(context: AssetExecutionContext) -> None:
    """Sum the day to what features of later days are made of."""
    submit("build_profiles", "--date", context.partition_key)


@asset(partitions_def=DAYS, retry_policy=AGAIN, deps=[examples])
def candidates(context: AssetExecutionContext) -> None:
    """Make each user's lists as of the day."""
    submit("generate_candidates", "--date", context.partition_key, "--fit")


@asset(partitions_def=DAYS, deps=[examples])
def verified(context: AssetExecutionContext) -> None:
    """Prove that the stored day is as its record says."""
    submit("verify", "--date", context.partition_key)


definitions = Definitions(assets=[examples, tiles, candidates, verified])
