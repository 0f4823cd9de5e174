"""What the trials of a study share: each fold's training rows and what came after them, kept in memory."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from winnow import pipeline, schema, splitting
from winnow.config import Settings
from winnow.errors import InputNotReadyError
from winnow.evaluation import lists, ranking
from winnow.local import kept
from winnow.publishing.featured import with_features
from winnow.publishing.known import beside_of
from winnow.ranking import LEARNERS
from winnow.run import Run
from winnow.splitting import Split

#: Sections of conf that make other examples: their trials label and draw the training days anew.
_OF_EXAMPLES = frozenset({"contracts", "labelling", "labels", "sampling", "weighting"})


@dataclass(frozen=True)
class Fold:
    """One fold: trained on the rows before ``as_of``, judged by what is ``wanted`` in the days that follow."""

    split: Split
    #: The training rows of the stored examples, all labels; with their features where a ranker is tuned that has the same always.
    train: DataFrame
    #: The rows of the days that follow, for rankers; in the same form.
    judged: DataFrame
    #: What ``lists.relevant`` makes of the days that follow.
    wanted: DataFrame

    @property
    def as_of(self) -> dt.date:
        """The day before which everything is known."""
        return self.split.train.end

    def hits(self, found: DataFrame, k: int) -> DataFrame:
        """Return the sums of all metrics of lists, in one row."""
        joined = self.wanted.join(found.transform(lists.lists(k)), on=schema.USER_ID, how="left")
        return ranking.sum_hits(joined, [k], groups=1, seed=0)


class Folds:
    """The folds of a study."""

    def __init__(self, run: Run, splits: Sequence[Split], stack: ExitStack) -> None:
        """Keep each fold's rows in memory until the stack is left; raises InputNotReadyError for a fold without positives."""
        self._run = run
        self._examples = run.tables.read(schema.EXAMPLES)
        self._touched = {key.partition(".")[0] for key in run.settings.tuning.dimensions}
        if self._touched & _OF_EXAMPLES:
            run.tables.pin(schema.IMPRESSIONS)  # every trial labels and draws the same version
        #: The catalogue, the accounts and more, for sources that ask for them.
        self.beside = beside_of(run)
        self.all = [self._fold(split, stack) for split in splits]

    @contextmanager
    def training_rows(self, fold: Fold, settings: Settings) -> Iterator[DataFrame]:
        """Yield the training rows as the settings that are tried make them, all labels."""
        if not self._touched & _OF_EXAMPLES:
            yield fold.train
            return
        days = self._days(fold.split.train)
        log = self._run.tables.read(schema.IMPRESSIONS)
        made = [pipeline.prepare(log, day, settings).examples for day in days]
        rows = self._part(reduce(DataFrame.unionByName, made), fold.split, splitting.TRAIN)
        with kept(rows.select(*self._columns(rows))) as examples:  # models read them several times
            yield examples

    @contextmanager
    def ranked_rows(self, fold: Fold, trial: Run) -> Iterator[tuple[DataFrame, DataFrame]]:
        """Yield the training rows and the judged ones, both with the features that the settings that are tried declare."""
        with self.training_rows(fold, trial.settings) as train:
            if self._has_features:
                yield train, fold.judged
                return
            assert fold.split.validation is not None
            parts = (train, fold.split.train), (fold.judged, fold.split.validation)
            first, second = (with_features(trial, rows, self._days(period)) for rows, period in parts)
            yield first, second

    @property
    def _has_features(self) -> bool:
        """Whether rows have their features from the start, the same for every trial."""
        return self._is_of_ranker and not self._touched & {*_OF_EXAMPLES, "features"}

    @property
    def _is_of_ranker(self) -> bool:
        return self._run.settings.tuning.model in LEARNERS

    def _days(self, period: splitting.Period) -> list[dt.date]:
        """Return the days of the period, as far as the run was given them."""
        return [day for day in self._run.days if day in period]

    def _fold(self, split: Split, stack: ExitStack) -> Fold:
        assert split.validation is not None
        narrow = self._examples.select(*self._columns(self._examples))
        train, judged = self._part(narrow, split, splitting.TRAIN), self._part(narrow, split, splitting.VALIDATION)
        if self._has_features:
            train = with_features(self._run, train, self._days(split.train))
            judged = with_features(self._run, judged, self._days(split.validation))
        train = stack.enter_context(kept(train))
        judged = stack.enter_context(kept(judged)) if self._is_of_ranker else judged
        settings, relevance = self._run.settings.retrieval, self._run.settings.evaluation.relevance
        graded = self._part(self._examples, split, splitting.VALIDATION).transform(lists.graded(relevance))
        # What no list may hold is not asked for either, as evaluate has it.
        if settings.skip_seen and not self._is_of_ranker:
            seen = train.transform(pipeline.training_view(settings.label)).where(F.col(schema.CLASS) == 1)
            graded = graded.join(seen, on=[*map(str, (schema.USER_ID, schema.MEDIA_ID))], how="left_anti")
        wanted = stack.enter_context(kept(graded.transform(lists.relevant())))
        self._run.tables.describe(f"fold of {split.train.end}: what is wanted")
        (found,) = pipeline.fetch(wanted.agg(F.count(F.lit(1)).alias(schema.UNITS)))
        (rows,) = pipeline.fetch(train.agg(F.count(F.lit(1)).alias(schema.ROWS)))
        if not found[schema.UNITS] or not rows[schema.ROWS]:
            raise InputNotReadyError(
                f"fold of {split.train.end}: expected examples from {split.train.start} to before {split.train.end} and "
                f"positives from {split.validation.start} to before {split.validation.end}, found {rows[schema.ROWS]} rows "
                f"and {found[schema.UNITS]} users. Run prepare_examples on those days, or give other --start and --end."
            )
        return Fold(split, train, judged, wanted)

    def _part(self, rows: DataFrame, split: Split, part: str) -> DataFrame:
        parted = rows.transform(splitting.assign(split, self._run.settings.splitting.utc_offset_h))
        return parted.transform(splitting.only(part))

    def _columns(self, examples: DataFrame) -> list[str]:
        """Return the columns that models learn from; for sources the others would only fill the memory."""
        own = [str(column) for column in schema.IMPRESSIONS.columns]
        endings = ("_label", "_rate", "_weight")
        return [name for name in examples.columns if self._is_of_ranker or name in own or name.endswith(endings)]
