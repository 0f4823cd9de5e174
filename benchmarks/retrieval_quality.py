"""What each source of candidates, and the merge of all, finds of what users went on to watch.

    .venv/bin/python benchmarks/retrieval_quality.py --real DIRECTORY     KuaiRand-Pure, six days (Gao et al., CIKM 2022)
    .venv/bin/python benchmarks/retrieval_quality.py --synthetic          a generated week, beside lists by its known truth

``--engine sail`` leaves out the sources that take Spark ML.
Whole jobs, each in a process of its own. Models know the days before; how their lists are merged is settled by the last of
those days alone, on which train_retrieval measures each source. Metrics and intervals are those of evaluate.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from winnow import schema, splitting
from winnow.engines import EngineSettings, start_session
from winnow.evaluation import lists, ranking
from winnow.evaluation.settings import EvaluationSettings
from winnow.local import fetch
from winnow.publishing.measured import Mean, Model, Record, Sums, asked_of, compare
from winnow.retrieval import MERGED
from winnow.retrieval.settings import OF_SPARK_ML
from winnow.synthetic import SyntheticSettings, population, showing, truth
from winnow.synthetic.draws import ColumnDraws

HOUSE = Path(__file__).resolve().parents[1]
WORK = HOUSE / "build" / "retrieval-quality"
PAGE = HOUSE / "docs" / "retrieval.md"
PAIR = [str(schema.USER_ID), str(schema.MEDIA_ID)]

#: What runs a job: its name, the root and its arguments.
Run = Callable[..., object]


class Trial(NamedTuple):
    """A log and what is asked of it."""

    start: dt.date
    #: The first day that is asked for; models know those before it.
    as_of: dt.date
    end: dt.date
    sources: tuple[str, ...]
    metrics: tuple[tuple[str, int], ...]
    #: Arguments of every job.
    conf: tuple[str, ...]
    utc_offset_h: float = 0.0


# Every source that the log has something for: there are no ratings in it, and the towers are an extra of 3 GB.
SOURCES = ("popularity", "als", "svd", "item_item", "content")
REAL = Trial(
    dt.date(2022, 4, 25),
    dt.date(2022, 4, 29),
    dt.date(2022, 4, 30),
    SOURCES,
    (("recall", 10), ("recall", 50), ("ndcg", 10), ("map", 10)),
    ("--conf", str(HOUSE / "conf" / "kuairand.toml"), "--set", "splitting.test_start=2022-04-29"),
    utc_offset_h=8.0,
)
SYNTHETIC = Trial(
    dt.date(2026, 1, 5),
    dt.date(2026, 1, 11),
    dt.date(2026, 1, 11),
    SOURCES,
    (("recall", 10), ("recall", 100), ("ndcg", 10)),
    (
        *("--set", "splitting.test_start=2026-01-11", "--set", "retrieval.merging.reserved.content=10"),
        *("--set", "retrieval.scoring.parts=4"),
    ),
)
#: Lists that know what no model can: by the probability of the truth, and by that times how often a medium is shown.
BY_TRUTH, BY_TRUTH_AND_SHOWS = "true_probability", "true_probability_x_shows"
#: Users of the generated week that the lists by the truth are made for: one in so many.
ONE_IN = 8


def main() -> int:
    """Run what is asked for and put its tables into docs/retrieval.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--real", type=Path, metavar="DIRECTORY", help="the folder of the log and its videos")
    parser.add_argument("--synthetic", action="store_true")
    parser.add_argument("--engine", choices=("spark", "sail"), default="spark")
    parser.add_argument("--keep", action="store_true", help="measure what is there already")
    asked = parser.parse_args()
    os.environ["PYSPARK_PYTHON"] = sys.executable
    for name, trial, is_asked in (("real", REAL, asked.real), ("synthetic", SYNTHETIC, asked.synthetic)):
        if not is_asked:
            continue
        if asked.engine == "sail":
            trial = without_spark_ml(trial)
        root = WORK / name
        if not asked.keep:
            shutil.rmtree(root, ignore_errors=True)
            root.mkdir(parents=True)
            bring(run_job, root, trial, asked.real if name == "real" else None)
            generate(run_job, root, trial)
        spark = start_session("retrieval quality", EngineSettings(asked.engine))
        more = lists_by_truth(spark, root, trial) if name == "synthetic" else {}
        text = tables(name, trial, found(spark, root, trial, more))
        print(text)
        put(name, text)
    return 0


def without_spark_ml(trial: Trial) -> Trial:
    """Return the trial as Sail can do it."""
    sources = tuple(source for source in trial.sources if source not in OF_SPARK_ML)
    return trial._replace(sources=sources, conf=(*trial.conf, "--engine", "sail"))


def run_job(name: str, root: Path, *arguments: object) -> None:
    """Run a job in a process of its own; what it says stands on the screen."""
    command = [sys.executable, str(HOUSE / "jobs" / f"{name}.py"), "--root", str(root), *map(str, arguments)]
    subprocess.run(command, check=True)


# ---- from a log to lists -------------------------------------------------------------------------------------------


def bring(run: Run, root: Path, trial: Trial, data: Path | None) -> None:
    """Write the log and the catalogue: those of the folder, or generated ones."""
    if data is None:
        run("make_impressions", root, *trial.conf, "--start", trial.start, "--end", trial.end)
        return
    write_catalogue(data, root)
    run("import_impressions", root, *trial.conf, "--input", data / "impressions_20220425_20220430.parquet")


def write_catalogue(data: Path, root: Path) -> None:
    """Write what the log's videos are as the table media."""
    from deltalake import write_deltalake

    videos = duckdb.sql(f"""
        select video_id::bigint as media_id, string_split(tag::varchar, ',') as genres, author_id::varchar as creator,
               upload_type as media_type, upload_dt::date as added_date
        from '{data / "video_features_basic.parquet"}'
    """)  # noqa: S608 - the folder that was asked for
    write_deltalake(str(root / schema.MEDIA.name), videos.to_arrow_table())


def generate(run: Run, root: Path, trial: Trial) -> None:
    """Go from the log to lists as of the first day that is asked for."""
    sources = ("--set", f"retrieval.sources={json.dumps(trial.sources)}")
    run("prepare_examples", root, *trial.conf, "--start", trial.start, "--end", trial.end)
    run("train_retrieval", root, *trial.conf, *sources, "--date", trial.as_of)
    run("generate_candidates", root, *trial.conf, *sources, "--date", trial.as_of)


# ---- what they found -----------------------------------------------------------------------------------------------


def found(spark: SparkSession, root: Path, trial: Trial, more: Mapping[str, DataFrame] | None = None) -> list[Record]:
    """Return the metrics of each source, of the merge and of the lists ``more``; each also less every other one's.

    Relevant is what users engaged with from ``as_of`` on and not before. Where there are lists ``more``, only their users count.
    """
    longest, at = max(k for _, k in trial.metrics), sorted({k for _, k in trial.metrics})
    wanted = relevant(spark, root, trial)
    candidates = spark.read.format("delta").load(str(root / schema.CANDIDATES.name))
    candidates = candidates.where(F.col(schema.AS_OF_DATE) == F.lit(trial.as_of))
    listed = {name: candidates.where(F.col(schema.CANDIDATE_SOURCE) == name) for name in (*trial.sources, MERGED)}
    if more:
        wanted = wanted.where(is_in_sample())
        listed |= more
    per_user = wanted.withColumn(lists.GRADE, F.lit(1)).transform(lists.relevant()).persist()
    settings = EvaluationSettings()
    names = [ranking.USERS, *(ranking.column_of(metric, k) for metric, k in trial.metrics)]
    sums = {}
    for name, rows in listed.items():
        best = rows.where(F.col(schema.RANK) <= longest).transform(lists.lists(longest))
        joined = per_user.join(best, schema.USER_ID, how="left")
        summed = ranking.sum_hits(joined, at, groups=settings.groups, seed=settings.seed)
        sums[Model(schema.CANDIDATES, name)] = Sums(fetch(summed), names)
    means = [Mean(metric, k, ranking.column_of(metric, k), ranking.USERS) for metric, k in trial.metrics]
    records = list(compare(sums, means, asked_of(settings), None))
    for baseline in sums:
        records += [one for one in compare(sums, means, asked_of(settings), baseline) if one.get(schema.BASELINE)]
    return records


def relevant(spark: SparkSession, root: Path, trial: Trial) -> DataFrame:
    """Return user_id, media_id that became positive on the days asked for, and were not before."""
    asked = splitting.Period(trial.as_of, trial.end + dt.timedelta(days=1))
    split = splitting.Split(splitting.Period(dt.date.min, trial.as_of), test=asked)
    examples = spark.read.format("delta").load(str(root / schema.EXAMPLES.name)).where(lists.is_positive("watched"))
    parted = examples.transform(splitting.assign(split, trial.utc_offset_h))
    before, after = (
        parted.where(F.col(schema.SPLIT) == part).select(*PAIR).distinct() for part in (splitting.TRAIN, splitting.TEST)
    )
    return after.join(before, PAIR, how="left_anti")


# ---- what could be found -------------------------------------------------------------------------------------------


def is_in_sample() -> Column:
    """Return whether the row's user is one of those that lists by the truth are made for."""
    return F.pmod(F.xxhash64(F.lit("sample"), schema.USER_ID), F.lit(ONE_IN)) == 0


def lists_by_truth(spark: SparkSession, root: Path, trial: Trial) -> dict[str, DataFrame]:
    """Return the lists of those who know the truth of the generated log, of all media that are there, less what was seen.

    The probability is that of a medium shown first at home, on a telephone, in the user's evening. What users go on to watch
    also depends on what they are shown, which is no matter of taste: by popularity, and by how new a medium is.
    """
    settings, draws = SyntheticSettings(), ColumnDraws(SyntheticSettings().seed)
    examples = spark.read.format("delta").load(str(root / schema.EXAMPLES.name)).where(lists.is_positive("watched"))
    seen = examples.where(F.col(schema.EVENT_DATE) < F.lit(trial.as_of)).select(*PAIR).distinct()
    users = relevant(spark, root, trial).where(is_in_sample()).select(schema.USER_ID).distinct()
    media = spark.read.format("delta").load(str(root / schema.MEDIA.name))
    media = media.where(F.col(schema.ADDED_DATE) <= F.lit(trial.as_of)).select(schema.MEDIA_ID)
    rows = users.repartition(8).crossJoin(F.broadcast(media)).join(seen, PAIR, how="left_anti")
    row: dict[str, Any] = {
        showing.USER: F.col(schema.USER_ID),
        showing.MEDIA: F.col(schema.MEDIA_ID),
        showing.AGE: population.age_band(draws, F.col(schema.USER_ID)),
        showing.COUNTRY_PLACE: population.user_country(draws, F.col(schema.USER_ID)),
        showing.SURFACE_PLACE: F.lit(showing.HOME),
        showing.DEVICE_PLACE: F.lit(0),
        showing.PLACE_IN_LIST: F.lit(1),
        showing.LOCAL_HOUR: F.lit(20),
    }
    steps = (showing.attributes, showing.length, truth.score)
    for step in steps:
        made = step(draws, settings, trial.as_of, row)
        rows = rows.withColumns(made)
        row |= {name: F.col(name) for name in made}
    probability = truth.true_probability(draws, settings, trial.as_of, row)[truth.PROBABILITY]
    shown = shows(spark, settings, trial.as_of)
    rows = rows.select(*PAIR, probability.alias(schema.SCORE)).join(F.broadcast(shown), schema.MEDIA_ID, how="inner")
    kept = rows.persist()
    scores = {BY_TRUTH: F.col(schema.SCORE), BY_TRUTH_AND_SHOWS: F.col(schema.SCORE) * F.col("shows")}
    found = {}
    for name, score in scores.items():
        first = Window.partitionBy(schema.USER_ID).orderBy(score.desc(), schema.MEDIA_ID)
        found[name] = kept.select(*PAIR, F.row_number().over(first).alias(schema.RANK)).where(F.col(schema.RANK) <= 100)
    return found


def shows(spark: SparkSession, settings: SyntheticSettings, day: dt.date) -> DataFrame:
    """Return media_id and how often each is shown on such a day, by a million draws of the generator's own."""
    draws = ColumnDraws(settings.seed + 1)
    row = {showing.IMPRESSION: F.col("id")}
    medium = showing.medium(draws, settings, day, row)[showing.MEDIA]
    drawn = spark.range(2_000_000).select(medium.cast("bigint").alias(schema.MEDIA_ID))
    return drawn.groupBy(schema.MEDIA_ID).agg(F.count(F.lit(1)).alias("shows"))


# ---- the page ------------------------------------------------------------------------------------------------------


def put(name: str, text: str) -> None:
    """Put the tables into the page, in the place of former ones."""
    begin, end = f"<!-- {name}: made by benchmarks/retrieval_quality.py --{name} -->\n", f"<!-- end of {name} -->"
    before, found, rest = PAGE.read_text(encoding="utf-8").partition(begin)
    assert found, f"expected {begin.strip()} in {PAGE}"
    PAGE.write_text(f"{before}{begin}{text}{end}{rest.partition(end)[2]}", encoding="utf-8")


def tables(name: str, trial: Trial, records: list[Record]) -> str:
    """Return the results as Markdown: each model's metrics with their intervals, and the merge less each of them."""
    models = list(dict.fromkeys(one[schema.MODEL] for one in records))
    told = {(one[schema.MODEL], one.get(schema.BASELINE), one[schema.METRIC], one[schema.K]): one for one in records}
    heads = " | ".join(f"{metric}@{k}" for metric, k in trial.metrics)
    rule = "| --- |" + " --- |" * len(trial.metrics)
    log = "KuaiRand-Pure" if name == "real" else "A generated week"
    lines = [
        f"{log}: fitted to the days from {trial.start} to the one before {trial.as_of}, asked for what {records[0][schema.UNITS]:,} users",
        f"became engaged with from then to {trial.end}, what they had seen left out; 95 % intervals, users resampled:",
        "",
        f"| source | {heads} |",
        rule,
        *(
            f"| {model} | " + " | ".join(cell(told[model, None, *metric]) for metric in trial.metrics) + " |"
            for model in models
        ),
        "",
        "The merged list less each other, on the same users (paired):",
        "",
        f"| merged less | {heads} |",
        rule,
        *(
            f"| {model} | " + " | ".join(cell(told[MERGED, model, *one], sign="+") for one in trial.metrics) + " |"
            for model in models
            if model != MERGED
        ),
    ]
    return "\n".join(lines) + "\n"


def cell(record: Record, sign: str = "") -> str:
    """Return a value with its interval."""
    value, low, high = (record[name] for name in (schema.VALUE, schema.LOW, schema.HIGH))
    return f"{value:{sign}.4f} [{low:{sign}.4f}, {high:{sign}.4f}]"


if __name__ == "__main__":
    sys.exit(main())
