"""The line composed, from impressions to examples: read this first.

    impressions -conform-> -settle duplicates-> -refuse-> -label-> CENSUS -> rates
    impressions -conform-> -settle duplicates-> -refuse-> -label-> -draw-> -sample-> -weigh-> examples

Two passes over one pinned version of the impressions: the census counts every stratum on a few narrow columns, the
second pass is lazy and is carried out by whoever writes its rows. What is fetched between them is one row a stratum.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from winnow import duplicates, labelling, sampling, schema
from winnow.census import StratumCount
from winnow.config import Settings
from winnow.contracts import Step, is_valid, refusals
from winnow.errors import ContractError
from winnow.funnel import Funnel
from winnow.line import Line, contract
from winnow.local import fetch
from winnow.planning import funnel_of, plan_of, quotas_of
from winnow.sampling import SamplePlan
from winnow.weighting import BasisSum

__all__ = ["Prepared", "Traced", "engaged", "fetch", "labelled", "prepare", "trace", "training_view"]


@dataclass(frozen=True)
class Prepared:
    """A day, counted and planned; its rows are still lazy."""

    day: dt.date
    funnel: Funnel
    strata: tuple[StratumCount, ...]
    plan: SamplePlan
    basis: dict[str, BasisSum]
    examples: DataFrame
    #: Refused rows as quarantine has them, without the run; None where every row is valid.
    quarantine: DataFrame | None

    @property
    def expected_rows(self) -> int:
        """Return the number of examples to expect, counted once for each label."""
        return round(sum(quota.rate * quota.available for quota in quotas_of(self.plan)))


def prepare(
    impressions: DataFrame,
    day: dt.date,
    settings: Settings,
    *,
    mature_until: dt.datetime | None = None,
    describe: Callable[[str], None] = lambda _text: None,
) -> Prepared:
    """Count a day's impressions, plan its sample, and return its examples as lazy rows.

    ``impressions``: the log, at one version; ``mature_until``: impressions after this moment have no label yet (None:
    all have); ``describe``: told what each pass is, for the Spark UI.

    Rows out (``examples``): the impression's columns and L_label, L_rate, L_weight for each label L. Raises ContractError
    where the log lacks a column that the settings ask for.
    """
    line = Line(impressions, day, settings, mature_until, describe)
    counts = line.count()
    funnel = funnel_of(day, counts, list(refusals(settings.contracts)), settings)
    funnel.check_sums()
    plan, basis = line.settle_plan(plan_of(counts, day, settings), counts)
    quarantine = line.quarantine() if any(funnel.quarantined.values()) else None
    return Prepared(day, funnel, counts, plan, basis, line.examples(plan, basis), quarantine)


@dataclass(frozen=True)
class Traced:
    """What becomes of one impression up to its draw."""

    log_lines: int
    #: Why it is refused; empty = it is not.
    refusals: Sequence[str]
    #: Its stratum, as the ledger has it.
    stratum: str
    draw: float
    #: Of each label, the reason why the row has it or has none.
    reasons: Mapping[str, str]


def trace(
    impressions: DataFrame,
    day: dt.date,
    settings: Settings,
    impression_id: str,
    *,
    mature_until: dt.datetime | None = None,
    describe: Callable[[str], None] = lambda _text: None,
) -> Traced | None:
    """Return what becomes of one impression of the day, None where the day has no such id; arguments as of ``prepare``."""
    line = Line(impressions, day, settings, mature_until, describe)
    found = fetch(line.trace(impression_id))
    if not found:
        return None
    reasons = {label: found[0][schema.reason_column(label)] for label in settings.labels}
    lines, refused, stratum = (found[0][name] for name in (duplicates.LOG_LINES, schema.REASONS, schema.STRATUM))
    return Traced(lines, refused, stratum, found[0][sampling.DRAW], reasons)


def labelled(
    impressions: DataFrame,
    day: dt.date,
    settings: Settings,
    *,
    describe: Callable[[str], None] = lambda _text: None,
) -> DataFrame:
    """Return a day's valid impressions, one row an id, with L_label for each label L: all of them, not a sample; lazy."""
    return Line(impressions, day, settings, None, describe).labelled()


def engaged(
    impressions: DataFrame,
    days: Sequence[dt.date],
    settings: Settings,
    labels: Sequence[str],
    *,
    describe: Callable[[str], None] = lambda _text: None,
) -> DataFrame:
    """Return event_date, user_id, media_id of the days' valid impressions that are positive for any of the labels; lazy.

    All of them, not a sample, and in one pass over the days: copies of an impression are not settled, and bots are not looked
    for, since one positive line is enough. Only where a label compares a day's watch times (duration_quantile) those of each
    day are looked at before.
    """
    leaned = [other for name in labels for other in labelling.leaned_on(name, settings.labels)]
    asked = {name: settings.labels[name] for name in dict.fromkeys((*labels, *leaned))}
    plain = replace(
        settings,
        sampling=replace(settings.sampling, duplicates="trust"),
        contracts=replace(settings.contracts, most_rows_per_user=None),
    )
    if labelling.needs_duration_groups(asked):
        of_days = (Line(impressions, day, plain, None, describe).labelled() for day in days)
        rows = reduce(DataFrame.unionByName, of_days)
    else:
        here = F.col(schema.EVENT_DATE).isin(list(days))
        valid = impressions.transform(contract(plain)).where(here & is_valid(plain.contracts))
        rows = valid.transform(labelling.label(asked))
    is_positive = F.greatest(F.lit(0), *(F.col(schema.label_column(name)) for name in labels)) == 1
    return rows.where(is_positive).select(schema.EVENT_DATE, schema.USER_ID, schema.MEDIA_ID)


def training_view(label: str) -> Step:
    """Return the step from examples to the rows of one label, with plain columns label, rate and weight.

    Other labels' columns are dropped; the impression's own stay.
    """

    def step(examples: DataFrame) -> DataFrame:
        mine: dict[str, str] = {
            schema.label_column(label): schema.CLASS,
            schema.rate_column(label): schema.RATE,
            schema.weight_column(label): schema.WEIGHT,
        }
        # A log may have a column such as content_label of its own: a label of ours has its rate and weight beside it.
        names = [name.removesuffix("_label") for name in examples.columns if name.endswith("_label")]
        names = [name for name in names if set(schema.columns_of(name)) <= set(examples.columns)]
        taken = [plain for plain in mine.values() if plain in examples.columns]
        if label not in names or taken:
            fault = f"{', '.join(taken)} is there already" if taken else f"no label {label}"
            raise ContractError(
                f"examples: expected {label} to become the columns {', '.join(mine.values())}, found {fault}. "
                f"Labels: {', '.join(names)}. Rename the log's own columns by [columns]."
            )
        others = [column for name in names if name != label for column in schema.columns_of(name)]
        return examples.where(F.col(schema.label_column(label)).isNotNull()).drop(*others).withColumnsRenamed(mine)

    return step
