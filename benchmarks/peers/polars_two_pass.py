"""The main job written by hand in Polars, streaming: one pass counts the strata, the second labels, draws, weighs, writes.

python benchmarks/peers/polars_two_pass.py --input LOG/impressions --output FOLDER
"""

from __future__ import annotations

import argparse
from pathlib import Path

import polars as pl
from winnows_draw import SEED, polars_draw

STRATA = ["surface", "device", "country"]
IS_POSITIVE = pl.col("label") == 1


def main() -> None:
    """Read the table's newest version, and write the examples."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--input", required=True, help="the Delta table of a day's impressions")
    parser.add_argument("--output", required=True, help="folder for the Parquet file")
    parser.add_argument("--draw", choices=("own", "winnow"), default="own", help="hash that rows are drawn by")
    arguments = parser.parse_args()
    labelled = label(pl.scan_delta(arguments.input))
    capped_us = whole_us(pl.min_horizontal(pl.col("watch_s"), 7200.0))
    strata = (
        labelled.group_by(STRATA)
        .agg(
            IS_POSITIVE.sum().alias("positives"),
            (~IS_POSITIVE).sum().alias("negatives"),
            capped_us.filter(IS_POSITIVE).sum().alias("watch_us"),
        )
        .collect(engine="streaming")
    )
    rates = strata.select(*STRATA, rate=pl.min_horizontal(1.0, pl.col("positives") / pl.col("negatives")))
    weight_of_us = 0.5 * int(strata["positives"].sum()) / int(strata["watch_us"].sum())
    own_draw = (pl.col("impression_id").hash(SEED) // 2**11).cast(pl.Float64) * 2.0**-53
    draw = polars_draw("impression_id") if arguments.draw == "winnow" else own_draw
    examples = (
        # One comparison with the largest rate drops nearly all rows before the join.
        labelled.filter(IS_POSITIVE | (draw < rates["rate"].max()))
        .join(rates.lazy(), on=STRATA, how="left", nulls_equal=True)
        .filter(IS_POSITIVE | (draw < pl.col("rate")))
        .with_columns(
            watched_label=pl.col("label"),
            watched_rate=pl.when(IS_POSITIVE).then(1.0).otherwise(pl.col("rate")),
            watched_weight=pl.when(IS_POSITIVE).then(0.5 + capped_us * weight_of_us).otherwise(1.0),
        )
        .drop("label", "rate")
    )
    target = Path(arguments.output, "examples.parquet")
    examples.sink_parquet(target, compression="zstd", mkdir=True, maintain_order=False, engine="streaming")


def label(log: pl.LazyFrame) -> pl.LazyFrame:
    """Return the valid rows that are watched to 80 % or more, or to 10 % or less."""
    latest = pl.col("event_date").cast(pl.Datetime("us", "UTC")) + pl.duration(hours=48, seconds=1)
    is_valid = (
        pl.all_horizontal(pl.col("impression_id", "user_id", "media_id").is_not_null())
        & (pl.col("impression_ts") < latest)
        & pl.col("watch_s").is_between(0, 604_800)
        & (pl.col("media_duration_s") > 0)
        & (pl.col("media_duration_s") <= 604_800)
    )
    watch_us, duration_us = whole_us(pl.col("watch_s")), whole_us(pl.col("media_duration_s"))
    watched = pl.when(watch_us * 5 >= duration_us * 4).then(1).when(watch_us * 10 <= duration_us).then(0)
    return log.filter(is_valid).with_columns(label=watched).filter(pl.col("label").is_not_null())


def whole_us(seconds: pl.Expr) -> pl.Expr:
    """Return the time in whole microseconds, null where it is no number."""
    return (seconds * 1e6).round().cast(pl.Int64, strict=False)


if __name__ == "__main__":
    main()
