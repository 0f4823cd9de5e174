"""What tests share: one Spark session, made when first asked for, and the real log where it is there."""

import os
import sys
import time
from pathlib import Path

import hypothesis
import pytest

PROJECT = Path(__file__).resolve().parent.parent
REAL_DATA = PROJECT.parent / "shared" / "data" / "kuairand_pure"

# Machines are shared and slow at times; and what CI tries is the same each time, so that a red run is about the change.
hypothesis.settings.register_profile("winnow", deadline=None, derandomize="CI" in os.environ)
hypothesis.settings.load_profile("winnow")

# Before any JVM starts: workers take this very Python, and Python's own times are in UTC as the session's are.
os.environ["PYSPARK_PYTHON"] = sys.executable
os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
os.environ["TZ"] = "UTC"
# Jobs that tests start as processes are short: half of their time went to compiling code for longer ones.
os.environ["JDK_JAVA_OPTIONS"] = "-XX:TieredStopAtLevel=1"
time.tzset()


@pytest.fixture(scope="session")
def spark(tmp_path_factory):
    """One session for all tests. Code generation stays on: off it is faster, and hides the faults of generated code."""
    from pyspark.sql import SparkSession  # tests that need no Spark do not pay for its import

    settings = {
        "spark.master": "local[2]",  # two tasks at once, so that rows have no order by accident
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.warehouse.dir": str(tmp_path_factory.mktemp("warehouse")),
        "spark.driver.host": "127.0.0.1",  # no host name to resolve
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.memory": "2g",  # the heap with which the jobs promise to do
        # The rest is speed: the tests' many small reads and writes fall to less than half of the time.
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.shuffle.partitions": "2",  # 200 nearly empty tasks otherwise
        "spark.databricks.delta.snapshotPartitions": "1",  # 50 tasks a look at a table otherwise
        "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",  # short runs, few cores
    }
    builder = SparkSession.builder.appName("winnow tests")
    for key, value in settings.items():
        builder = builder.config(key, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")  # what the tests provoke would fill the screen
    yield session
    session.stop()


@pytest.fixture(scope="session")
def real_data():
    """Folder of the real log, KuaiRand-Pure; the test is skipped where it is not."""
    if not REAL_DATA.is_dir():
        pytest.skip(f"the real log is not there: {REAL_DATA}")
    return REAL_DATA
