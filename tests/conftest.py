"""What tests share: one Spark session, made when first asked for, and the real log where it is there."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import hypothesis
import pytest

#: Jobs in this process and session, and jobs in processes of their own: fixtures of every folder.
pytest_plugins = ("job_fixtures", "process_fixtures", "fault_fixtures")

PROJECT = Path(__file__).resolve().parent.parent
REAL_DATA = PROJECT.parent / "shared" / "data" / "kuairand_pure"

#: What differs from its neighbours in a setting only: one of them is tried on every engine, and all where a job costs least.
ON_SAIL = pytest.mark.not_on("spark", "connect", why="its neighbour is tried there, and all of them on Sail")
#: What is said of the generated log itself.
GENERATED = pytest.mark.not_on(
    "spark", "connect", why="the generated rows are the same there (tests/jobs/test_engines.py)"
)

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
#: What a job that a test starts in a process of its own is given: nothing of the session of this one.
JOB_ENVIRONMENT = dict(os.environ)


def pytest_addoption(parser):
    parser.addoption(
        "--engine", choices=("spark", "sail", "connect"), default="spark", help="what runs the line in the tests"
    )


@pytest.fixture(scope="session")
def engine(request):
    """Name of the engine that the tests run on."""
    return request.config.getoption("--engine")


@pytest.fixture(scope="session")
def engine_arguments(engine, request):
    """Arguments by which a job in a process of its own runs on the engine of the tests."""
    if engine == "connect":
        return ["--remote", request.getfixturevalue("connect_server")]
    return ["--engine", engine]


@pytest.fixture(scope="session")
def spark(engine, request, tmp_path_factory):
    """One session for all tests, of the engine that was asked for."""
    from winnow.engines import EngineSettings, start_session  # tests that need no Spark do not pay for its import

    if engine == "sail":
        session = start_session("winnow tests", EngineSettings("sail"))
    elif engine == "connect":
        server = request.getfixturevalue("connect_server")
        session = start_session("winnow tests", EngineSettings("connect", server))
    else:
        session = _spark_session(tmp_path_factory.mktemp("warehouse"))
    yield session
    session.stop()


def _spark_settings(warehouse):
    """Return the tests' settings of Spark. Code generation stays on: off it is faster, and hides the faults of its code."""
    return {
        "spark.master": "local[2]",  # two tasks at once, so that rows have no order by accident
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.warehouse.dir": str(warehouse),
        "spark.driver.host": "127.0.0.1",  # no host name to resolve
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.memory": "2g",  # the heap with which the jobs promise to do
        # The rest is speed: the tests' many small reads and writes fall to less than half of the time.
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.python.sql.dataFrameDebugging.enabled": "false",  # half of the calls from Python to Spark
        "spark.sql.shuffle.partitions": "2",  # 200 nearly empty tasks otherwise
        "spark.buffer.pageSize": "1m",  # up to 64 MB for a handful of rows otherwise, and a full collection every few seconds
        "spark.databricks.delta.snapshotPartitions": "1",  # 50 tasks a look at a table otherwise
        "spark.sql.sources.parallelPartitionDiscovery.parallelism": "2",  # VACUUM lists a small folder by 10,000 tasks otherwise
        "spark.driver.extraJavaOptions": "-Xss16m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -XX:ReservedCodeCacheSize=240m",
        # The stack is for ALS; short runs, few cores; and as much room for code as the JVM has where it compiles in tiers.
    }


def _spark_session(warehouse):
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.appName("winnow tests")
    for key, value in _spark_settings(warehouse).items():
        builder = builder.config(key, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")  # what the tests provoke would fill the screen
    return session


@pytest.fixture(scope="session")
def connect_server(tmp_path_factory):
    """Address of a Spark Connect server, a process of its own."""
    place = tmp_path_factory.mktemp("connect")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = _spark_settings(place / "warehouse") | {
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.connect.grpc.binding.port": str(port),
        "spark.log.level": "ERROR",
    }
    conf = place / "server.conf"
    conf.write_text("".join(f"{key} {value}\n" for key, value in settings.items()))
    command = [str(Path(sys.executable).with_name("spark-submit")), "--properties-file", str(conf)]
    command += ["--class", "org.apache.spark.sql.connect.service.SparkConnectServer", "spark-internal"]
    with (place / "server.log").open("w") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, cwd=place, start_new_session=True)
    try:
        deadline = time.monotonic() + 120
        while not _is_open(port):
            assert server.poll() is None, (place / "server.log").read_text()
            assert time.monotonic() < deadline, "the server did not listen"
            time.sleep(0.2)
        yield f"sc://127.0.0.1:{port}"
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def _is_open(port):
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def pytest_collection_modifyitems(config, items):
    """Leave out the tests that are not for the engine, and beside Spark those that need no session; put long files first."""
    engine = config.getoption("--engine")
    if engine != "spark":
        items[:] = [item for item in items if "spark" in item.fixturenames]
    # With files dealt out to processes, the longest begin: one that came last would be waited for.
    items.sort(key=lambda item: (item.path.name != "test_readme.py", item.path.parent.name != "jobs"))
    for item in items:
        for marker in item.iter_markers("not_on"):
            if engine in marker.args:
                item.add_marker(pytest.mark.skip(reason=f"not on {engine}: {marker.kwargs['why']}"))


@pytest.fixture(scope="session")
def real_data():
    """Folder of the real log, KuaiRand-Pure; the test is skipped where it is not."""
    if not REAL_DATA.is_dir():
        pytest.skip(f"the real log is not there: {REAL_DATA}")
    return REAL_DATA
