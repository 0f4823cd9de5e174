"""What was known of each media before the period: how many users engaged with it, how popular that makes it, its genres."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from winnow import schema
from winnow.contracts import HELPER

#: Users who engaged with the media before; the share of the catalogue that is less popular (ties count half); its genres as bits.
ENGAGED = f"{HELPER}engaged"
PERCENTILE = f"{HELPER}percentile"
GENRE_BITS = f"{HELPER}genre_bits"

#: Bits of one number that stand for genres: a bigint has 63 without its sign.
_BITS = 62
#: Genres that are told apart; a service with more of them means something else by the word.
MOST_GENRES = 10 * _BITS


def catalogue_of(engaged: DataFrame, media: DataFrame | None = None, genres: Sequence[str] = ()) -> DataFrame:
    """Return one row a media of the catalogue: media_id, ENGAGED, PERCENTILE, GENRE_BITS.

    ``engaged``: user_id and media_id of what was engaged with before, repeats allowed. ``media``: the catalogue as it was
    known then, with ``genres`` where they are asked for; without it the catalogue is what was engaged with.

    PERCENTILE of a media is (media less popular + half of those as popular, itself too) / all media: in (0, 1), 0.5 for
    the middling one. GENRE_BITS is null where no genre is known.
    """
    counted = engaged.groupBy(schema.MEDIA_ID).agg(F.count_distinct(schema.USER_ID).alias(ENGAGED))
    # A media that was engaged with and is not in the table is of the catalogue too: somebody saw it.
    listed = counted.select(schema.MEDIA_ID, F.lit(None).cast("array<bigint>").alias(GENRE_BITS))
    if media is not None:
        bits = _bits_of(genres) if genres else F.lit(None).cast("array<bigint>")
        listed = media.select(schema.MEDIA_ID, bits.alias(GENRE_BITS)).unionByName(listed)
    one_each = (
        listed.where(F.col(schema.MEDIA_ID).isNotNull())
        .groupBy(schema.MEDIA_ID)
        .agg(F.max(GENRE_BITS).alias(GENRE_BITS))
    )
    known = one_each.join(counted, on=schema.MEDIA_ID, how="left").withColumn(ENGAGED, F.coalesce(ENGAGED, F.lit(0)))
    return known.join(_percentiles(known), on=ENGAGED, how="inner")


def _percentiles(known: DataFrame) -> DataFrame:
    """Return ENGAGED and PERCENTILE, one row for each number of users that some media has: few, whatever the catalogue."""
    counts = known.groupBy(ENGAGED).agg(F.count(F.lit(1)).alias("as_popular"))
    everything = Window.partitionBy(
        F.col(ENGAGED) < 0
    )  # false for all; without a partition Spark warns, however few rows
    rising = everything.orderBy(ENGAGED).rowsBetween(Window.unboundedPreceding, Window.currentRow)
    up_to, of_all = F.sum("as_popular").over(rising), F.sum("as_popular").over(everything)
    return counts.select(ENGAGED, ((up_to - F.col("as_popular") / 2) / of_all).alias(PERCENTILE))


def _bits_of(genres: Sequence[str]) -> Column:
    """Return the media's genres as bits, 62 to a number, in the order of ``genres``; null without any of them."""
    places = F.transform(
        F.array_distinct(schema.GENRES), lambda genre: F.array_position(F.array(*map(F.lit, genres)), genre) - 1
    )
    known = F.filter(places, lambda place: place >= 0)
    words = [_word(known, word * _BITS) for word in range(words_of(genres))]
    return F.when(F.size(known) > 0, F.array(*words))


def _word(places: Column, first: int) -> Column:
    """Return the number whose bits are the places from ``first`` on."""
    own = F.filter(places, lambda place: (place >= first) & (place < first + _BITS))
    bits = F.transform(own, lambda place: F.pow(F.lit(2.0), place - first).cast("bigint"))
    return F.aggregate(bits, F.lit(0).cast("bigint"), lambda total, bit: total + bit)


def jaccard(one: Column, other: Column, words: int) -> Column:
    """Return the Jaccard similarity of two media by their GENRE_BITS: genres that both have / genres that either has."""
    both: Column = F.lit(0)
    either: Column = F.lit(0)
    for word in range(words):
        both = both + F.bit_count(one[word].bitwiseAND(other[word]))
        either = either + F.bit_count(one[word].bitwiseOR(other[word]))
    return both / F.nullif(either, F.lit(0))


def words_of(genres: Sequence[str]) -> int:
    """Return how many numbers the bits of so many genres fill."""
    return -(-len(genres) // _BITS)
