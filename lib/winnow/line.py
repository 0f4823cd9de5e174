"""One day on its way from the log to examples: the stretches that pipeline.py puts together."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from functools import cached_property

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from winnow import duplicates, labelling, sampling, schema, weighting
from winnow.census import StratumCount, count_strata, read_census
from winnow.config import Settings
from winnow.contracts import (
    HELPER,
    IS_HEAVY_USER,
    Step,
    all_refusals,
    conform,
    first_refusal,
    flag_heavy_users,
    heavy_users,
    is_valid,
    json_of,
    named,
    refusals,
    told_by_files,
)
from winnow.local import fetch, local_rows, unweighed_batches
from winnow.planning import basis_of_all, basis_of_kept, end_at, quotas_of
from winnow.sampling import SamplePlan
from winnow.weighting import BasisSum

#: Ids that may stand in several rows and still be sent to every task; more, and all rows are shuffled by id instead.
_MOST_REPEATED = 4_000_000
#: Helper column: the first reason to refuse the row.
_REFUSAL = f"{HELPER}first_refusal"
#: How far from its expected place the end of an exact sample is looked for, in standard deviations; then further.
_SIGMAS = (6.0, 50.0, 1e9)


class Line:
    """One day on its way: each method is one stretch of the line."""

    def __init__(
        self,
        impressions: DataFrame,
        day: dt.date,
        settings: Settings,
        mature_until: dt.datetime | None,
        describe: Callable[[str], None],
    ) -> None:
        self.settings = settings
        self.mature_until = mature_until
        self.describe = describe
        self.day = day
        self.narrow = sorted(settings.census_columns)
        checked = impressions.transform(contract(settings)).where(F.col(schema.EVENT_DATE) == F.lit(day))
        self.rows = checked
        self.wide = [*self.narrow, *sorted(set(checked.columns) - set(self.narrow))]
        #: Reasons for which rows may be refused, once that is known: no row need be asked for others.
        self._possible: set[str] | None = None

    def count(self) -> tuple[StratumCount, ...]:
        """Return what the census counts: the first pass."""
        settings, labels = self.settings, list(self.settings.labels)
        reasons = list(refusals(settings.contracts))
        sampled, nulls = settings.sampling.strata, settings.guards.null_columns
        self._possible = set(reasons) - self._ruled_out()
        counted = (
            self._settled(self.narrow)
            .withColumn(_REFUSAL, first_refusal(settings.contracts, self._possible))
            .withColumn(schema.WATCH_S, F.when(F.col(_REFUSAL).isNull(), F.col(schema.WATCH_S)))
            .transform(self._label())
            .transform(self._basis())
            .transform(
                count_strata(
                    sampled,
                    labels,
                    labelling.OUTCOMES,
                    reasons,
                    refusal=_REFUSAL,
                    log_lines=duplicates.LOG_LINES,
                    basis=weighting.BASIS,
                    nulls=nulls,
                )
            )
        )
        self.describe(f"{self.day}: census of the strata")
        counts = read_census(fetch(counted), sampled, labels, labelling.OUTCOMES, reasons, nulls)
        self._possible = {reason for reason in reasons if any(count.refused[reason] for count in counts)}
        return counts

    def settle_plan(self, plan: SamplePlan, counts: Sequence[StratumCount]) -> tuple[SamplePlan, dict[str, BasisSum]]:
        """Return the plan with the draws that its exact samples end at, and the summed basis of the kept positives.

        Where every positive is kept and no sample is exact the census knows all of it, and no row is looked at.
        """
        is_natural = self.settings.splitting.is_natural(self.day)
        is_exact = self.settings.sampling.exact and not is_natural and any(quota.is_cut for quota in quotas_of(plan))
        cut = {label for label, pairs in plan.quotas.items() if any(pair.positives.is_cut for pair in pairs)}
        if not is_exact and not (cut and self.settings.weighting.balance > 0):
            return plan, {label: basis_of_all(label, counts) for label in plan.quotas}
        labelled = self._valid(self.narrow).transform(self._label()).transform(self._basis()).transform(self._draw())
        for sigmas in _SIGMAS if is_exact else (0.0,):
            self.describe(f"{self.day}: draws at the borders of the sample")
            found = fetch(labelled.transform(sampling.borders(plan, weighting.BASIS, sigmas)))
            by_place = {row[sampling.PLACE]: row for row in found}
            rows = [by_place.get(place, {}) for place in range(len(plan.keys))]
            settled = end_at(plan, rows) if is_exact else plan
            if settled is not None:
                return settled, {
                    label: basis_of_kept(label, rows) if label in cut else basis_of_all(label, counts)
                    for label in plan.quotas
                }
        raise AssertionError("the widest bracket holds every draw")

    def examples(self, plan: SamplePlan, basis: dict[str, BasisSum]) -> DataFrame:
        """Return the sampled, weighted rows: the second pass, not yet carried out."""
        labels = list(self.settings.labels)
        added = [column for label in labels for column in schema.columns_of(label)]
        weighed = (
            self._valid(self.wide)
            .transform(self._label())
            .transform(self._draw())
            .transform(sampling.sample(plan))
            .transform(self._basis())
            .transform(weighting.weigh(self.settings.weighting, basis))
        )
        return weighed.select(*map(named, self.rows.columns), *added)

    def labelled(self) -> DataFrame:
        """Return every valid row, one an id, with the label's class for each label; not yet read."""
        labels = [schema.label_column(label) for label in self.settings.labels]
        return self._valid(self.wide).transform(self._label()).select(*map(named, self.rows.columns), *labels)

    def quarantine(self) -> DataFrame:
        """Return the refused rows, whole, with every reason; not yet read."""
        settled = self._settled(self.wide).where(first_refusal(self.settings.contracts).isNotNull())
        return settled.select(
            schema.EVENT_DATE,
            all_refusals(self.settings.contracts).alias(schema.REASONS),
            json_of({name: named(name) for name in self.rows.columns}).alias(schema.ROW),
        )

    def trace(self, impression_id: str) -> DataFrame:
        """Return what becomes of one id up to its draw: one row, none where the day has no such id; not yet read.

        Rows out: LOG_LINES, reasons (why it is refused), stratum (as JSON), DRAW, and L_reason for each label L. From here on
        the line has that id only.
        """
        _ = self._heavy_users, self._duration_groups  # known of the whole day, while it is there
        self.rows = self.rows.where(F.col(schema.IMPRESSION_ID).cast("string") == impression_id)
        traced = self._settled(self.wide).transform(self._label()).transform(self._draw())
        return traced.select(
            duplicates.LOG_LINES,
            all_refusals(self.settings.contracts).alias(schema.REASONS),
            json_of({name: named(name) for name in self.settings.sampling.strata}).alias(schema.STRATUM),
            sampling.DRAW,
            *map(schema.reason_column, self.settings.labels),
        )

    def _ruled_out(self) -> set[str]:
        """Return the reasons to refuse a row that the files rule out, for which the census need read no column.

        To ask costs next to nothing: a row group that its statistics do not rule out has such a row, and the first one ends it.
        """
        self.describe(f"{self.day}: rows without an id, or too late")
        ruled_out: set[str] = set()
        for reasons, is_any in told_by_files(self.settings.contracts, self.day):
            if not fetch(self.rows.where(is_any).select(schema.EVENT_DATE).limit(1)):
                ruled_out |= reasons
        return ruled_out

    def _settled(self, columns: Sequence[str]) -> DataFrame:
        """Return the rows with one row an id; the same row whether all columns are read or those of the census."""
        rows = self.rows.select(*map(named, columns)).transform(self._flag_heavy_users)
        if self.settings.sampling.duplicates == "trust" or self._repeated_ids.num_rows == 0:
            return rows.withColumn(duplicates.LOG_LINES, F.lit(1).cast("bigint"))
        are_few = self._repeated_ids.num_rows <= _MOST_REPEATED
        repeated = self.rows.sparkSession.createDataFrame(self._repeated_ids) if are_few else None
        return rows.transform(duplicates.settle(~is_valid(self.settings.contracts), columns, repeated))

    @cached_property
    def _repeated_ids(self) -> pa.Table:
        """Hashes of ids that may stand in several rows, and no more of them than show that they are too many to name."""
        self.describe(f"{self.day}: ids that stand in several rows")
        (log,) = fetch(self.rows.agg(F.count(F.lit(1)).alias("lines")))
        with unweighed_batches(self.rows.sparkSession):
            return self.rows.transform(duplicates.repeated_ids(log["lines"])).limit(_MOST_REPEATED + 1).toArrow()

    def _flag_heavy_users(self, rows: DataFrame) -> DataFrame:
        return rows if self._heavy_users is None else rows.transform(flag_heavy_users(self._heavy_users))

    @cached_property
    def _heavy_users(self) -> DataFrame | None:
        """The users with too many rows, named once; None = nobody is looked for."""
        most_rows = self.settings.contracts.most_rows_per_user
        if most_rows is None:
            return None
        self.describe(f"{self.day}: users with too many rows")
        users = [tuple(row.values()) for row in fetch(self.rows.transform(heavy_users(most_rows)))]
        kind = dict(self.rows.dtypes)[schema.USER_ID]
        return local_rows(self.rows.sparkSession, users, f"{schema.USER_ID} {kind}")

    def _valid(self, columns: Sequence[str]) -> DataFrame:
        return self._settled(columns).where(is_valid(self.settings.contracts, self._possible))

    def _label(self) -> Step:
        return labelling.label(self.settings.labels, self._duration_groups, self.mature_until)

    @cached_property
    def _duration_groups(self) -> list[labelling.DurationGroup]:
        if not labelling.needs_duration_groups(self.settings.labels):
            return []
        self.describe(f"{self.day}: watch times by duration group")
        groups = self._valid(self.narrow).transform(labelling.duration_groups(self.settings.labels))
        return [labelling.DurationGroup(**row) for row in fetch(groups)]

    def _basis(self) -> Step:
        sessions = None
        if self.settings.weighting.needs_sessions:
            sessions = self._valid(self.narrow).transform(weighting.session_watch(self.settings.weighting))
        return weighting.watch_basis(self.settings.weighting, sessions)

    def _draw(self) -> Step:
        return sampling.draw(self.settings.sampling.seed)


def contract(settings: Settings) -> Step:
    """Return the contract of the log with all that the settings ask of it."""
    needed = dict.fromkeys(settings.sampling.strata, "") | labelling.action_columns(settings.labels)
    if settings.weighting.needs_sessions:
        needed[schema.SESSION_ID] = "bigint|string"
    helpers_of = (schema.positive_column, schema.outcome_column, schema.reason_column)
    made = [
        column for label in settings.labels for column in (*schema.columns_of(label), *(of(label) for of in helpers_of))
    ]
    helpers = [duplicates.LOG_LINES, duplicates.ID_HASH, sampling.DRAW, weighting.BASIS, IS_HEAVY_USER, _REFUSAL]
    return conform(schema.IMPRESSIONS, needed=needed, reserved=[*made, *helpers], names=settings.columns)
