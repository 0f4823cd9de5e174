"""What exact lists of the whole catalogue cost, beside Spark ML's own recommendForAllUsers; and how a fit of ALS grows.

    .venv/bin/python benchmarks/retrieval_bench.py --users 200000 --media 50000
    .venv/bin/python benchmarks/retrieval_bench.py --fits 1000000 5000000

Fresh processes, whole process trees, one local Spark as conf/spark-local.conf says. Both write the lists of the same factors;
then the ids are held against each other: where they differ, the scores must tie.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from measure import Cost, measure

HOUSE = Path(__file__).resolve().parents[1]
WORK = HOUSE / "build" / "retrieval-bench"
RESULTS = HOUSE / "benchmarks" / "results" / "retrieval.md"
#: Scores that are this near are ties: Spark's are of single precision.
TIE = 1e-5


def main() -> int:
    """Run what is asked for and append it to the page of results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=0)
    parser.add_argument("--media", type=int, default=50_000)
    parser.add_argument("--rank", type=int, default=64)
    parser.add_argument("--top", type=int, default=100)
    parser.add_argument("--fits", type=int, nargs="*", default=[], help="interactions of each fit of ALS")
    parser.add_argument("--step", choices=[*STEPS], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.step:
        STEPS[arguments.step](arguments)
        return 0
    os.environ["PYSPARK_PYTHON"] = sys.executable
    WORK.mkdir(parents=True, exist_ok=True)
    lines = [f"\n## {time.strftime('%Y-%m-%d', time.gmtime())}, {os.cpu_count()} cores, commit {commit()}\n"]
    told = True
    if arguments.users:
        told = race(arguments, lines)
    for pairs in arguments.fits:
        cost = run("fit", arguments, "--fits", pairs)
        lines.append(
            f"- ALS, rank {arguments.rank}, 10 iterations, {pairs:,} interactions, start included: {words(cost)}"
        )
    with RESULTS.open("a", encoding="utf-8") as page:
        page.write("\n".join(lines) + "\n")
    print("\n".join(lines))
    return 0 if told else 1


def race(arguments: argparse.Namespace, lines: list[str]) -> bool:
    """Write the lists both ways and compare them."""
    run("make", arguments)
    start = run("start", arguments)
    costs = {step: run(step, arguments) for step in ("ours", "theirs")}
    same, tied, other = compare(arguments)
    users, media = arguments.users, arguments.media
    lines.append(f"{users:,} users x {media:,} media, rank {arguments.rank}, top-{arguments.top}:\n")
    lines += ["| | CPU s | CPU s without the start | wall s | peak GB |", "| --- | ---: | ---: | ---: | ---: |"]
    names = {"ours": "winnow.retrieval.scoring.best", "theirs": "ALSModel.recommendForAllUsers"}
    for step, cost in costs.items():
        net = cost.cpu_s - start.cpu_s
        lines.append(f"| {names[step]} | {cost.cpu_s:.1f} | {net:.1f} | {cost.wall_s:.1f} | {cost.peak_gb:.1f} |")
    lines.append(
        f"| a session that reads the factors | {start.cpu_s:.1f} | 0 | {start.wall_s:.1f} | {start.peak_gb:.1f} |\n"
    )
    times = (costs["theirs"].cpu_s - start.cpu_s) / (costs["ours"].cpu_s - start.cpu_s)
    whole = costs["theirs"].cpu_s / costs["ours"].cpu_s
    lines.append(f"{times:.1f} times less CPU without the start, {whole:.1f} times less with it.")
    lines.append(
        f"Places that hold the same media: {same:,}; that tie (scores within {TIE:g}): {tied:,}; others: {other:,}."
    )
    return other == 0


def commit() -> str:
    """Return the commit that is measured."""
    return subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True
    ).stdout.strip()


def run(step: str, arguments: argparse.Namespace, *more: object) -> Cost:
    """Run one step in a process of its own."""
    sizes = [f"--{name}={getattr(arguments, name)}" for name in ("users", "media", "rank", "top")]
    command = [sys.executable, __file__, "--step", step, *sizes, *map(str, more)]
    cost = measure(command, WORK / "screen.log")
    print(f"{step}: {words(cost)}", flush=True)
    return cost


def words(cost: Cost) -> str:
    """Return the cost as a line."""
    return f"{cost.cpu_s:.1f} CPU s, {cost.wall_s:.1f} s wall, {cost.peak_gb:.1f} GB peak (others: {cost.others_cores:.1f} cores)"


def session():  # noqa: ANN201 - a session of Spark
    """Return the session that jobs have."""
    from winnow.engines import EngineSettings, start_session

    return start_session("retrieval bench", EngineSettings("spark"))


def make(arguments: argparse.Namespace) -> None:
    """Write the factors: normal, media of uneven length as ALS makes them."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    draw = np.random.default_rng(7)
    for name, column, count in (("users", "user_id", arguments.users), ("media", "media_id", arguments.media)):
        vectors = draw.normal(size=(count, arguments.rank)).astype(np.float32)
        if name == "media":
            vectors *= draw.gamma(2.0, 0.5, size=(count, 1)).astype(np.float32)
        flat = pa.array(vectors.reshape(-1))
        offsets = pa.array(np.arange(count + 1, dtype=np.int32) * arguments.rank)
        table = pa.table(
            {column: pa.array(np.arange(count, dtype=np.int32)), "factors": pa.ListArray.from_arrays(offsets, flat)}
        )
        pq.write_table(table, WORK / f"{name}.parquet", row_group_size=max(1, count // 8))


def start(_arguments: argparse.Namespace) -> None:
    """Read the factors and no more."""
    spark = session()
    for name in ("users", "media"):
        spark.read.parquet(str(WORK / f"{name}.parquet")).write.format("noop").mode("overwrite").save()


def ours(arguments: argparse.Namespace) -> None:
    """Write the lists of ``best``."""
    from winnow.retrieval.scoring import best

    spark = session()
    users, media = (spark.read.parquet(str(WORK / f"{name}.parquet")) for name in ("users", "media"))
    write(best(users, media, arguments.top).select("user_id", "rank", "media_id", "score"), "ours")


def theirs(arguments: argparse.Namespace) -> None:
    """Write the lists of ``recommendForAllUsers``, of a model of the same factors."""
    from pyspark.ml.recommendation import ALSModel
    from pyspark.sql import functions as F

    spark = session()
    users, media = (
        spark.read.parquet(str(WORK / f"{name}.parquet")).withColumnsRenamed({column: "id", "factors": "features"})
        for name, column in (("users", "user_id"), ("media", "media_id"))
    )
    made = spark._jvm.org.apache.spark.ml.recommendation.ALSModel("bench", arguments.rank, users._jdf, media._jdf)
    made.setUserCol("user_id").setItemCol("media_id")
    lists = ALSModel(made).recommendForAllUsers(arguments.top)
    found = lists.select("user_id", F.posexplode("recommendations").alias("place", "of"))
    rows = found.select("user_id", (F.col("place") + 1).alias("rank"), "of.media_id", "of.rating")
    write(rows.withColumnRenamed("rating", "score"), "theirs")


def write(rows, name: str) -> None:  # noqa: ANN001
    """Write the lists, both ways alike."""
    shutil.rmtree(WORK / name, ignore_errors=True)
    rows.write.parquet(str(WORK / name))


def compare(arguments: argparse.Namespace) -> tuple[int, int, int]:
    """Return how many places hold the same media, media that tie, and others."""
    import duckdb

    query = f"""
        select count(*) filter (o.media_id = t.media_id),
               count(*) filter (o.media_id is distinct from t.media_id and abs(o.score - t.score) <= {TIE} * abs(o.score)),
               count(*) filter (t.score is null or o.score is null or abs(o.score - t.score) > {TIE} * abs(o.score))
        from '{WORK}/ours/*.parquet' o full join '{WORK}/theirs/*.parquet' t using (user_id, rank)
    """  # noqa: S608 - our own folder
    same, tied, other = duckdb.sql(query).fetchall()[0]
    assert same + tied + other == arguments.users * arguments.top
    return same, tied, other


def fit(arguments: argparse.Namespace) -> None:
    """Fit ALS to so many interactions of a fiftieth as many users and a hundredth as many media."""
    import datetime as dt

    from pyspark.sql import functions as F

    from winnow.retrieval import AlsSettings, Interactions, RetrievalSettings
    from winnow.retrieval.als import fit_als

    (pairs,) = arguments.fits
    spark = session()
    user = F.pmod(F.xxhash64(F.lit("user"), "id"), F.lit(pairs // 50)).alias("user_id")
    share = F.pmod(F.xxhash64(F.lit("media"), "id"), F.lit(2**40)) / 2**40
    media = F.floor(F.pow(share, 2.0) * 20_000).alias("media_id")
    rows = spark.range(pairs).select(user, media, F.lit(1.0).alias("confidence")).distinct()
    settings = RetrievalSettings(als=AlsSettings(rank=arguments.rank))
    model = fit_als(Interactions(dt.date(2026, 1, 1), rows, rows), settings)
    for factors in (model.users, model.media):
        factors.write.format("noop").mode("overwrite").save()


STEPS: dict[str, Callable[[argparse.Namespace], None]] = {
    step.__name__: step for step in (make, start, ours, theirs, fit)
}

if __name__ == "__main__":
    sys.exit(main())
