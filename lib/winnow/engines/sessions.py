"""Sessions: the one that there is, or that spark-submit describes; else one of the engine that the settings name."""

from __future__ import annotations

import atexit
import os
import socket
import sys
import warnings
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession

from winnow.engines.settings import EngineSettings
from winnow.errors import JobError, SettingsError, WinnowError, told_of

_HOUSE = Path(__file__).resolve().parents[3]
_LOCAL_CONF = _HOUSE / "conf" / "spark-local.conf"
#: What the JVM's optimizing compiler need not look at.
_COMPILER_DIRECTIVES = _LOCAL_CONF.with_name("compiler.directives")
#: Spark's classes, read and checked, which `make setup` leaves for its own Java and Spark (tools/archive_classes.py).
CLASS_ARCHIVE = _HOUSE / ".jars" / "spark-classes.jsa"
#: What conf/spark-local.conf asks Java for: the archive, as it is named in the checkout's own folder.
_ARCHIVED = f"-XX:SharedArchiveFile={CLASS_ARCHIVE.relative_to(_HOUSE)}"
#: Where Spark Connect listens that is not told otherwise, and the seconds in which a server must take a connection.
_CONNECT_PORT, _CONNECT_S = 15002, 10


def start_session(name: str, settings: EngineSettings) -> SparkSession:
    """Return the session that there is, or that spark-submit describes; else one of the engine that is asked for.

    ``name``: what the session is called where it is shown.

    Raises SettingsError where the engine cannot be had: another one is there already, or its packages are missing; JobError
    where it does not start: no Java, a master, a jar or a server that is not there.
    """
    try:
        return _session(name, settings)
    except WinnowError:
        raise
    except Exception as fault:
        raise JobError(
            f'engine: expected a session of "{settings.name}", found: {told_of(fault).rstrip(".")}. Nothing was read. Look at Java (JAVA_HOME), '
            "the master, spark.jars and the other settings of the session; what Spark itself says stands above."
        ) from fault


def _session(name: str, settings: EngineSettings) -> SparkSession:
    active = SparkSession.getActiveSession()
    if active is not None or "PYSPARK_GATEWAY_PORT" in os.environ or "SPARK_REMOTE" in os.environ:
        if settings.name != "spark":
            raise SettingsError(
                f'engine.name: expected the session that is there or that spark-submit describes, found "{settings.name}". '
                "Start the job by python alone, or leave the engine out."
            )
        session: SparkSession = active or SparkSession.builder.appName(name).getOrCreate()
        return session
    if settings.name == "spark":
        return local_spark(name)
    # Told on each client for a window over a small table, and by no session without Connect.
    warnings.filterwarnings("ignore", message="WARN WindowExpression: No Partition Defined")
    try:
        address = _start_sail() if settings.name == "sail" else _listening(str(settings.remote))
        remote: SparkSession = SparkSession.builder.remote(address).appName(name).getOrCreate()
    except ImportError as missing:
        raise SettingsError(
            f'engine.name: expected the packages of "{settings.name}", found: {str(missing).splitlines()[0]}. '
            f'Install winnow[{settings.name}], or take engine.name = "spark".'
        ) from missing
    return remote


def local_spark(name: str, archived: str = f'"-XX:SharedArchiveFile={CLASS_ARCHIVE}"') -> SparkSession:
    """Return a session of Spark in this process, as conf/spark-local.conf describes it.

    ``archived``: what Java is asked for about its archive of classes.

    Raises SettingsError where the package is not in its checkout: then spark-submit says what the session is like.
    """
    if not _LOCAL_CONF.exists():
        raise SettingsError(f"spark: expected spark-submit, or the settings of a local session at {_LOCAL_CONF}")
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder.appName(name)
    for key, value in _local_settings(archived).items():
        builder = builder.config(key, value)
    session: SparkSession = builder.getOrCreate()
    _direct_compilers(session)
    return session


def _direct_compilers(session: SparkSession) -> str:
    """Give conf/compiler.directives to the session's JVM, and return what that says; another than HotSpot knows none.

    While it runs: as options of its start they put a line on the screen, or keep from there what a start that fails has to say.
    """
    jvm: Any = session.sparkContext._jvm
    gateway: Any = session.sparkContext._gateway

    def array(kind: Any, *values: Any) -> Any:
        made = gateway.new_array(kind, len(values))
        for place, value in enumerate(values):
            made[place] = value
        return made

    # By reflection, since Py4J may not look into the server's own class.
    class_of, texts = jvm.java.lang.Class.forName, "[Ljava.lang.String;"
    kinds = map(class_of, ("javax.management.ObjectName", "java.lang.String", "[Ljava.lang.Object;", texts))
    invoke = class_of("javax.management.MBeanServerConnection").getMethod("invoke", array(jvm.Class, *kinds))
    commands = jvm.javax.management.ObjectName("com.sun.management:type=DiagnosticCommand")
    words = array(jvm.Object, array(jvm.String, f'"{_COMPILER_DIRECTIVES}"'))
    server = jvm.java.lang.management.ManagementFactory.getPlatformMBeanServer()
    try:
        told = invoke.invoke(
            server, array(jvm.Object, commands, "compilerDirectivesAdd", words, array(jvm.String, texts))
        )
    except Py4JJavaError as fault:
        return told_of(fault)
    return str(told).strip()


def _local_settings(archived: str) -> dict[str, str]:
    """Return what conf/spark-local.conf says, and what depends on where this checkout is and who is looking."""
    lines = _LOCAL_CONF.read_text(encoding="utf-8").splitlines()
    pairs = (line.split(maxsplit=1) for line in lines if line.strip() and not line.startswith("#"))
    settings = {key: value.strip() for key, value in pairs}
    java_options = "spark.driver.extraJavaOptions"
    log = f"-Dlog4j2.configurationFile={_LOCAL_CONF.with_name('log4j2.properties').as_uri()}"
    settings[java_options] = f"{settings[java_options].replace(_ARCHIVED, archived)} {log}"
    settings["spark.ui.showConsoleProgress"] = str(sys.stderr.isatty()).lower()
    return settings


def _listening(address: str) -> str:
    """Return the address of a server of Spark Connect that takes a connection: its client asks for ten minutes, without a word.

    Raises JobError where nothing listens. Behind a proxy, which the client goes through, nobody is asked.
    """
    server = urlsplit(address)
    if {"grpc_proxy", "https_proxy", "http_proxy"}.isdisjoint(os.environ):
        try:
            socket.create_connection((server.hostname, server.port or _CONNECT_PORT), _CONNECT_S).close()
        except OSError as fault:
            raise JobError(
                f"engine.remote: expected a server of Spark Connect at {server.netloc}, found: {fault}. Start it, or give the "
                "address at which it listens."
            ) from fault
    return address


def _start_sail() -> str:
    """Start Sail in this process, for as long as it lives, and return its address."""
    # Both are read when Sail's library is loaded. A line for each start and stop is not what a job has to say; and memory that
    # comes two MB at a time, zeroed, where less is asked for costs a day of 100M rows a CPU second.
    os.environ.setdefault("RUST_LOG", "off")
    os.environ.setdefault("MIMALLOC_ALLOW_THP", "0")
    from pysail.spark import SparkConnectServer  # an extra: only who asks for Sail needs it

    server = SparkConnectServer()
    server.start(background=True)
    atexit.register(server.stop)
    assert server.listening_address is not None
    host, port = server.listening_address
    return f"sc://{host}:{port}"
