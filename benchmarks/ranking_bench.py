"""GBT of Spark ML beside XGBoost on Spark: the same rows, trees, depth and step; fit and scoring, in fresh processes.

    python benchmarks/ranking_bench.py --rows 1000000 --candidates 10000000

Each learner runs in a process of its own (local[2]), on the same generated rows: 60 numbers, of which 8 matter. What is told
of each: AUC on rows of their own, and the wall and CPU seconds of the fit and of scoring all candidates. Linux only.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pyspark.ml.evaluation import BinaryClassificationEvaluator
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from winnow import schema
from winnow.ranking import FEATURES, LEARNERS, NUMBERS, RankingSettings, Vector
from winnow.ranking.settings import GbtSettings, XgbSettings

COLUMNS = tuple(f"x{place}" for place in range(60))
VECTOR = Vector(COLUMNS, {})
TREES, DEPTH, STEP, BINS = 20, 5, 0.2, 32
SETTINGS = RankingSettings(
    gbt=GbtSettings(trees=TREES, depth=DEPTH, step=STEP, bins=BINS),
    xgb=XgbSettings(trees=TREES, depth=DEPTH, step=STEP, bins=BINS, workers=2),
)
RESULTS = Path(__file__).with_name("results") / "ranking.json"
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def rows(spark: SparkSession, first: int, number: int) -> DataFrame:
    """Return rows of 60 numbers in [-1, 1) and a label whose log odds 8 of them make; by hashes, the same in every run."""

    def draw(purpose: str) -> Column:
        return F.pmod(F.xxhash64(F.lit(purpose), F.col("id")), F.lit(2**31)) / 2**30 - 1.0

    numbers = spark.range(first, first + number, 1, 8).select("id", *(draw(name).alias(name) for name in COLUMNS))
    x = [F.col(name) for name in COLUMNS]
    odds = (
        -2.0
        + 2 * x[0]
        + 3 * x[1] * x[2]
        + 1.5 * F.sin(4 * x[3])
        + F.when(x[4] > 0.5, 1.5).otherwise(0.0)
        + x[5] * x[6]
        - x[7]
    )
    label = (draw("label") + 1.0) / 2.0 < 1.0 / (1.0 + F.exp(-odds))
    return numbers.withColumn(schema.CLASS, label.cast("int")).withColumn(schema.WEIGHT, F.lit(1.0)).drop("id")


def run(learner: str, asked: argparse.Namespace) -> dict[str, Any]:
    """Fit one learner, measure its order, score all candidates."""
    os.environ["PYSPARK_PYTHON"] = sys.executable
    spark = (
        SparkSession.builder.master("local[2]")
        .config("spark.driver.memory", "4g")
        .config("spark.sql.shuffle.partitions", "4")
        .config("spark.ui.enabled", "false")
        .getOrCreate()
    )
    spark.sparkContext.setLogLevel("ERROR")
    train = (
        rows(spark, 0, asked.rows).transform(VECTOR.assemble()).select(FEATURES, schema.CLASS, schema.WEIGHT).persist()
    )
    train.count()
    model, fit = timed(lambda: LEARNERS[learner].fit(train, SETTINGS))
    train.unpersist()
    held_out = rows(spark, asked.rows, asked.rows // 5).transform(VECTOR.assemble())
    order = BinaryClassificationEvaluator(rawPredictionCol=str(schema.SCORE), labelCol=str(schema.CLASS))
    auc = order.evaluate(model.transform(held_out))
    candidates = rows(spark, 2 * asked.rows, asked.candidates).transform(VECTOR.assemble())
    summed = F.sum(F.aggregate(NUMBERS, F.lit(0.0), lambda total, own: total + own))
    _, nothing = timed(lambda: candidates.agg(summed).collect())
    _, scoring = timed(lambda: model.transform(candidates).agg(F.sum(schema.SCORE)).collect())
    costs = {"fit": fit, "candidates_made": nothing, "candidates_scored": scoring}
    return {"learner": learner, "auc": auc, **costs}


def timed(work: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    """Return what the work returns, and the wall and CPU seconds of the whole process tree."""
    wall, cpu = time.monotonic(), _cpu_s()
    found = work()
    return found, {"wall_s": time.monotonic() - wall, "cpu_s": _cpu_s() - cpu}


def _cpu_s() -> float:
    """Return the CPU seconds of all processes of this session, those that have ended included."""
    session, ticks = os.getsid(0), 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        if int(fields[3]) == session:
            ticks += sum(map(int, fields[11:15]))
    return ticks / _TICKS_PER_S


def main() -> None:
    """Run each learner in a process of its own, and keep what they told."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--candidates", type=int, default=10_000_000)
    parser.add_argument("--learner", choices=("gbt", "xgb"), help="run this one here, and tell it as JSON in --out")
    parser.add_argument("--out", type=Path, default=RESULTS)
    asked = parser.parse_args()
    if asked.learner:
        asked.out.write_text(json.dumps(run(asked.learner, asked)))
        return
    found = []
    for learner in ("gbt", "xgb"):
        with tempfile.TemporaryDirectory() as place:
            out = Path(place) / "told.json"
            sizes = ["--rows", str(asked.rows), "--candidates", str(asked.candidates)]
            command = [sys.executable, __file__, *sizes, "--learner", learner, "--out", str(out)]
            subprocess.run(command, check=True, start_new_session=True)
            found.append(json.loads(out.read_text()))
    told = {"rows": asked.rows, "candidates": asked.candidates, "trees": TREES, "depth": DEPTH, "learners": found}
    asked.out.write_text(json.dumps(told, indent=1) + "\n")
    print(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()
