"""What may be shown to whom: not seen of late, there already, licensed in the country, fit for the age."""

from __future__ import annotations

import datetime as dt
from functools import reduce
from operator import and_

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from winnow import schema
from winnow.contracts import HELPER, Step, named
from winnow.reranking.settings import RerankingSettings

#: Helper columns: what is alike with what, as texts; days since the medium came.
ALIKE = f"{HELPER}alike"
AGE_DAYS = f"{HELPER}age_days"
#: Helper column: the kind of user that the rules know, a text.
KIND = f"{HELPER}kind"
_COUNTRY, _AGE_BAND = f"{HELPER}country", f"{HELPER}age_band"
_PAIR: list[str] = [schema.USER_ID, schema.MEDIA_ID]


def seen_before(as_of: dt.date, settings: RerankingSettings) -> Step:
    """Return the step from rows with event_date, user_id, media_id to the pairs of the days before ``as_of`` that count."""
    first, *_, last = settings.days_before(as_of)
    return lambda rows: (
        rows.where(F.col(schema.EVENT_DATE).between(F.lit(first), F.lit(last))).select(*_PAIR).distinct()
    )


def may_be_shown(
    as_of: dt.date,
    settings: RerankingSettings,
    *,
    media: DataFrame | None,
    users: DataFrame | None,
    seen: DataFrame | None,
) -> Step:
    """Return the step that keeps the pairs that the rules allow, and adds ALIKE (array of texts) and AGE_DAYS (or null).

    Rows in: user_id, media_id. ``media``, ``users``: the catalogue and the accounts, None where there are none: then rules on
    them do not apply. A medium without a maturity rating is not shown to an age band that has a limit; one that the catalogue
    does not have is fit for nobody with a limit, and licensed everywhere.
    """

    def step(rows: DataFrame) -> DataFrame:
        found = rows if seen is None else rows.join(seen, on=_PAIR, how="left_anti")
        found = found.join(_of_media(media, rows, as_of, settings), on=schema.MEDIA_ID, how="left")
        found = found.join(_of_users(users, rows), on=schema.USER_ID, how="left")
        known = found.where(reduce(and_, _rules(as_of, settings)))
        alike = F.coalesce(F.col(ALIKE), F.array().cast("array<string>"))
        return known.select(*map(named, rows.columns), alike.alias(ALIKE), AGE_DAYS)

    return step


def treated_alike(users: DataFrame | None, settings: RerankingSettings) -> Step:
    """Return the step that adds KIND to rows with user_id: users of one kind may be shown the same, but for what they saw."""

    def step(rows: DataFrame) -> DataFrame:
        told = ((_AGE_BAND, settings.maturity), (_COUNTRY, settings.unlicensed))
        known = (F.when(F.col(name).isin(list(values)), F.col(name)) for name, values in told)
        kind = F.concat_ws("|", *(F.coalesce(one, F.lit("")) for one in known))
        found = rows.join(_of_users(users, rows), on=schema.USER_ID, how="left")
        return found.select(*map(named, rows.columns), kind.alias(KIND))

    return step


_ADDED, _YEARS, _DISTRIBUTOR = f"{HELPER}added", f"{HELPER}years", f"{HELPER}distributor"


def _rules(as_of: dt.date, settings: RerankingSettings) -> list[Column]:
    is_there = F.coalesce(F.col(_ADDED) <= F.lit(as_of), F.lit(True))
    limits = [
        (F.col(_AGE_BAND) == F.lit(band)) & ~F.coalesce(F.col(_YEARS) <= years, F.lit(False))
        for band, years in settings.maturity.items()
    ]
    unlicensed = [
        (F.col(_COUNTRY) == F.lit(country)) & F.col(_DISTRIBUTOR).isin(list(distributors))
        for country, distributors in settings.unlicensed.items()
    ]
    return [is_there, *(~F.coalesce(rule, F.lit(False)) for rule in (*limits, *unlicensed))]


def _of_media(media: DataFrame | None, rows: DataFrame, as_of: dt.date, settings: RerankingSettings) -> DataFrame:
    """Return what the rules ask of media, one row each; of no catalogue, no row."""
    source = rows.select(schema.MEDIA_ID).where(F.lit(False)) if media is None else media
    rating = _of(source, schema.MATURITY_RATING)
    years = F.when(rating == F.lit("all"), 0).otherwise(rating.try_cast("int"))
    added = _of(source, schema.ADDED_DATE, "date")
    return source.select(
        schema.MEDIA_ID,
        added.alias(_ADDED),
        F.datediff(F.lit(as_of), added).cast("double").alias(AGE_DAYS),
        years.alias(_YEARS),
        _of(source, schema.DISTRIBUTOR).alias(_DISTRIBUTOR),
        F.flatten(
            F.array(*(_texts(source, name) for name in settings.alike_by), F.array().cast("array<string>"))
        ).alias(ALIKE),
    )


def _of_users(users: DataFrame | None, rows: DataFrame) -> DataFrame:
    source = rows.select(schema.USER_ID).where(F.lit(False)) if users is None else users
    return source.select(
        schema.USER_ID, _of(source, schema.AGE_BAND).alias(_AGE_BAND), _of(source, schema.COUNTRY).alias(_COUNTRY)
    )


def _of(rows: DataFrame, name: str, kind: str = "string") -> Column:
    """Return the column, null where the table does not have it."""
    return named(name).cast(kind) if name in rows.columns else F.lit(None).cast(kind)


def _texts(media: DataFrame, name: str) -> Column:
    """Return the values of a column, one or several, as an array of texts that name it; without nulls."""
    if name not in media.columns:
        return F.array().cast("array<string>")
    is_several = dict(media.dtypes)[name].startswith("array")
    values = named(name).cast("array<string>") if is_several else F.array(named(name).cast("string"))
    told = F.transform(F.array_compact(values), lambda value: F.concat(F.lit(f"{name}="), value))
    return F.coalesce(told, F.array().cast("array<string>"))
