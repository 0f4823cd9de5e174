"""Sources of candidates measured by other protocols than the stored lists of a day: fitted to what each lets them know."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import NamedTuple

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from winnow import pipeline, retrieval, schema, splitting
from winnow.contracts import Step
from winnow.errors import InputNotReadyError
from winnow.evaluation import lists, protocols
from winnow.local import kept
from winnow.publishing.known import beside_of, check_sources
from winnow.publishing.list_metrics import HeldOut, measure_lists
from winnow.publishing.measured import Model
from winnow.publishing.measuring import fitted_and_held
from winnow.publishing.metrics import days_of, replace_metrics, with_cohorts
from winnow.publishing.rating_metrics import publish_rating_metrics
from winnow.publishing.splits import checked_parts
from winnow.run import Run
from winnow.settings import check
from winnow.splitting import Period

#: Trained on days before those that are asked for, several times over.
FOLDS_BY_TIME = "folds_by_time"
_DAY = dt.timedelta(days=1)


class _Part(NamedTuple):
    """What a protocol asks once: of what is known, what comes, and the days that the answer is about."""

    held_out: HeldOut
    days: Period


def publish_protocol(run: Run, protocol: str) -> None:
    """Fit models to what the protocol lets them know of the run's days, and replace its metrics.

    held_out_ratings: models of ratings (``publish_rating_metrics``). The others fit ``retrieval.sources`` and measure their
    lists. folds_by_time: once for each fold of ``splitting.folds``, each a period of its own. leave_last_out and
    masked_at_random: the days' positives are parted once, in the ways of ``evaluation.protocols``, and stored under names
    that say that they are optimistic. No model and no list is stored.

    Raises SettingsError for a protocol that there is not, LeakError where its border leaks, InputNotReadyError without
    positives on both sides of it.
    """
    check(protocol in _PROTOCOLS, "--protocol", f"by_time, {', '.join(_PROTOCOLS)}", protocol)
    _PROTOCOLS[protocol](run)


def _publish_lists(run: Run, stored_as: str, parts: Iterator[_Part]) -> None:
    """Fit the sources to what each part lets them know, and replace its metrics of their lists."""
    check_sources(run)
    for held_out, days in parts:
        with ExitStack() as stack:
            listed = _listed(run, held_out, stack)
            run.say(f"{stored_as}, {held_out.called}:")
            found = measure_lists(run, held_out, listed)
        replace_metrics(run, stored_as, {schema.METRICS: found}, days)


def _listed(run: Run, held_out: HeldOut, stack: ExitStack) -> dict[Model, DataFrame]:
    """Return the lists of each source, kept until the stack is left, for the users of the held-out examples."""
    settings = run.settings.retrieval
    view = held_out.before.transform(pipeline.training_view(settings.label))
    known = retrieval.interactions(view, held_out.as_of, settings, beside_of(run))
    run.tables.describe(f"{held_out.called}: what was known before")
    (before,) = pipeline.fetch(known.pairs.agg(F.count(F.lit(1)).alias(schema.ROWS)))
    if not before[schema.ROWS]:
        raise InputNotReadyError(
            f"{held_out.called}: expected positives of {settings.label} that are known before, found none. Give more days."
        )
    users = held_out.examples.select(schema.USER_ID).distinct()
    asked = retrieval.Asked(users, run.settings.evaluation.longest, known, settings.skip_seen)
    models = stack.enter_context(fitted_and_held(run, known, settings.sources))
    return {
        Model(schema.CANDIDATES, source): stack.enter_context(kept(model.recommend(asked)))
        for source, model in models.items()
    }


def _folds(run: Run) -> Iterator[_Part]:
    settings = run.settings.splitting
    for split in splitting.folds(days_of(run), settings.folds):
        assert split.validation is not None
        parted = run.tables.read(schema.EXAMPLES).transform(splitting.assign(split, settings.utc_offset_h))
        checked_parts(run, parted, settings.folds.gap_days, f"fold of {split.train.end}")
        before, after = (parted.transform(splitting.only(part)) for part in (splitting.TRAIN, splitting.VALIDATION))
        after = after.transform(with_cohorts(run, before, split.train.end))
        last = split.validation.end - _DAY
        called = f"fold trained on {split.train.start} to {split.train.end - _DAY}, {split.validation.start} to {last}"
        yield _Part(HeldOut(split.train.end, before, after, called), split.validation)


def _leave_last_out(run: Run) -> Iterator[_Part]:
    step = protocols.leave_last_out(run.settings.evaluation.last_out)
    yield _optimistic(run, "leave_last_out", step, protocols.users_out_of_order())


def _mask_at_random(run: Run) -> Iterator[_Part]:
    settings = run.settings.evaluation
    step = protocols.mask_at_random(settings.masked_share, settings.seed)
    yield _optimistic(run, "masked_at_random", step, protocols.pairs_on_both_sides())


def _optimistic(run: Run, protocol: str, part: Step, leaks: Step) -> _Part:
    """Return the positives of the run's days, parted by the step after it was checked that nothing leaks by the other."""
    first, last = run.days[0], run.days[-1]
    examples = run.tables.read(schema.EXAMPLES)
    settings = run.settings
    lists.check_relevance(examples.columns, settings.evaluation.relevance)
    is_positive = lists.is_engaged({*settings.evaluation.relevance, settings.retrieval.label})
    of_days = examples.where(F.col(schema.EVENT_DATE).between(F.lit(first), F.lit(last)) & is_positive)
    parted = of_days.transform(part)
    run.tables.describe(f"{protocol}: the split")
    (found,) = pipeline.fetch(parted.transform(leaks))
    protocols.check_nothing_leaks(protocol, found)
    before, after = (parted.transform(splitting.only(part)) for part in (protocols.TRAIN, protocols.TEST))
    as_of = last + _DAY
    after = after.transform(with_cohorts(run, before, as_of))
    return _Part(HeldOut(as_of, before, after, f"{first} to {last}"), Period(first, as_of))


#: Protocol -> what measures by it.
_PROTOCOLS: Mapping[str, Callable[[Run], None]] = {
    FOLDS_BY_TIME: lambda run: _publish_lists(run, FOLDS_BY_TIME, _folds(run)),
    "leave_last_out": lambda run: _publish_lists(run, protocols.LEAVE_LAST_OUT, _leave_last_out(run)),
    "masked_at_random": lambda run: _publish_lists(run, protocols.MASKED_AT_RANDOM, _mask_at_random(run)),
    "held_out_ratings": publish_rating_metrics,
}
