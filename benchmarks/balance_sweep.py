"""What the balance b asks for: expected engagement and watch time of what a ranker chooses, b from 0 to 1.

    python benchmarks/balance_sweep.py --root data/demo --train-end 2026-01-09 --test 2026-01-10 --balance 0.5

On a synthetic log whose examples are prepared (with weighting.balance = --balance, above 0): for each b the weights of the
training days are made anew, w+ = (1 - b) + b g / mean g, a GBT is fitted, and of what each user was shown on the test day the
best third by score is chosen. Written to results/balance.csv, and drawn in balance.svg: b, mean true_probability of the chosen
(engagement), and their mean true_probability * duration (seconds watched to the end). Points of the trade that A/B tests choose among.
The exit code is 1 where engagement does not fall, or watch time does not rise, with each step of b.
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from pyspark.sql import Window
from pyspark.sql import functions as F

from chart import Line, Lines, svg
from winnow import pipeline, schema
from winnow.engines import EngineSettings, start_session
from winnow.ranking import LEARNERS, RankingSettings, Vector
from winnow.ranking.settings import GbtSettings

LABEL = "watched"
RESULTS = Path(__file__).with_name("results") / "balance.csv"
BALANCES = (0.0, 0.25, 0.5, 0.75, 1.0)


def main() -> int:
    """Fit a ranker for each b, write and draw what each chooses, and return 1 where a step of b is no step of the trade."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", required=True)
    parser.add_argument("--train-end", required=True, help="last training day")
    parser.add_argument("--test", required=True, help="the day that is chosen from")
    parser.add_argument(
        "--balance", type=float, default=0.5, help="weighting.balance that the examples were prepared with"
    )
    parser.add_argument("--out", type=Path, default=RESULTS)
    asked = parser.parse_args()
    if not 0 < asked.balance <= 1:  # with 0 the weights tell nothing of what was watched
        parser.error(
            f"argument --balance: expected above 0, at most 1, found {asked.balance:g}; prepare the examples with more"
        )
    os.environ["PYSPARK_PYTHON"] = sys.executable
    spark = start_session("winnow balance sweep", EngineSettings())
    examples = spark.read.format("delta").load(f"{asked.root}/examples").transform(pipeline.training_view(LABEL))
    levels = {"surface": ("home", "search", "feed", "detail"), "device": ("mobile", "tv", "web", "tablet")}
    levels = {name: own for name, own in levels.items() if name in examples.columns}
    vector = Vector((str(schema.MEDIA_DURATION_S), str(schema.POSITION)), levels)
    rows = examples.transform(vector.assemble())
    train = rows.where(F.col(schema.EVENT_DATE) <= F.lit(asked.train_end).cast("date")).persist()
    test = rows.where(F.col(schema.EVENT_DATE) == F.lit(asked.test).cast("date")).persist()
    share = (F.col(schema.WEIGHT) - (1 - asked.balance)) / asked.balance  # g / mean g of a positive
    settings = RankingSettings(gbt=GbtSettings(trees=20))
    mine = Window.partitionBy(schema.USER_ID)
    place = F.percent_rank().over(mine.orderBy(F.col(schema.SCORE).desc(), schema.IMPRESSION_ID))
    found = []
    for balance in BALANCES:
        weight = F.when(F.col(schema.CLASS) == 1, (1 - balance) + balance * share).otherwise(1.0)
        model = LEARNERS["gbt"].fit(train.withColumn(schema.WEIGHT, F.greatest(weight, F.lit(1e-6))), settings)
        chosen = model.transform(test).withColumn("place", place).where(F.col("place") <= 1 / 3)
        truth = F.col(schema.TRUE_PROBABILITY)
        row = chosen.agg(
            F.avg(truth).alias("engagement"), F.avg(truth * F.col(schema.MEDIA_DURATION_S)).alias("watch_s")
        ).head()
        assert row is not None
        found.append({"balance": balance, **row.asDict()})
        print(found[-1], flush=True)
    with asked.out.open("w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, list(found[0]))
        writer.writeheader()
        writer.writerows(found)
    asked.out.with_suffix(".svg").write_text(picture(found), encoding="utf-8")
    steps = list(pairwise(found))
    falls = all(after["engagement"] < before["engagement"] for before, after in steps)
    rises = all(after["watch_s"] > before["watch_s"] for before, after in steps)
    return 0 if falls and rises else 1


def picture(found: Sequence[Mapping[str, float]]) -> str:
    """Return both sides of the trade over b, side by side, as SVG."""
    sides = (("engagement", "Mean probability of a positive"), ("watch_s", "Expected seconds watched to the end"))
    panels = []
    for style, (side, title) in enumerate(sides):
        points = [(point["balance"], point[side]) for point in found]
        panels.append(Lines(title, "balance b", [Line("chosen third", points, style)], is_log=False, is_log_x=False))
    return svg(panels)


if __name__ == "__main__":
    sys.exit(main())
