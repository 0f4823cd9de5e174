"""Two towers: a net for users and one for media, whose vectors meet in an inner product; learnt from what was watched.

The users' net sees the id, what is told of the account, and the mean of the media watched; the media's its id and what the
catalogue tells. So accounts and media that the fit did not know have vectors too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from winnow import schema
from winnow.contracts import Step
from winnow.errors import DataError
from winnow.neural.keys import LIST, key_of, keys_in, places, told_by
from winnow.neural.nets import facts_of, run_onnx
from winnow.neural.training import needs_torch, train
from winnow.retrieval.interactions import Asked, Interactions, most_confident
from winnow.retrieval.scoring import best
from winnow.retrieval.settings import RetrievalSettings
from winnow.retrieval.tower_settings import TwoTowerSettings

#: What is told of an account and of a media, where their tables are there and have it.
_OF_USER = (schema.COUNTRY, schema.LANGUAGE, schema.AGE_BAND, schema.GENDER)
_OF_MEDIA = (schema.GENRES, schema.DIRECTOR, schema.LANGUAGE)
#: Columns of the rows that the nets see: keys of an id, of what is told of it, and of what was watched.
KEY, ABOUT, WATCHED, WEIGHTS, IS_MEDIA = "key", "about", "watched", "weights", "is_media"
_TASK = "task"
#: Rows that a net is asked for at once.
_ROWS_AT_ONCE = 4096


@dataclass(frozen=True)
class TwoTowerModel:
    """The vectors of the media, and the net that makes those of users."""

    #: media_id, factors: of length 1.
    media: DataFrame
    #: The towers of users and of media, ONNX.
    user_net: bytes
    media_net: bytes
    settings: RetrievalSettings

    @classmethod
    def load(cls, parts: Mapping[str, Any], settings: RetrievalSettings) -> TwoTowerModel:
        """Return the model that ``parts`` are of."""
        return cls(parts["media"], parts["user.onnx"], parts["media.onnx"], settings)

    def parts(self) -> Mapping[str, DataFrame | bytes]:
        """Return what is stored of the model, by name."""
        return {"media": self.media, "user.onnx": self.user_net, "media.onnx": self.media_net}

    def recommend(self, asked: Asked) -> DataFrame:
        """Return user_id, media_id, rank, score (cosine), reason; a user of whom nothing is known has no row."""
        history = self.settings.two_tower.history
        people = user_rows(asked.known, history).join(
            asked.users.select(schema.USER_ID), schema.USER_ID, how="left_semi"
        )
        told = people.where((F.size(WATCHED) > 0) | (F.size(ABOUT) > 0))
        vectors = told.transform(embedded(self.user_net, schema.USER_ID, (KEY, ABOUT, WATCHED)))
        found = best(vectors, self.media, asked.n, asked.seen, self.settings.scoring)
        return found.withColumn(schema.REASON, F.lit(None).cast("string"))


def fit_two_tower(known: Interactions, settings: RetrievalSettings) -> TwoTowerModel:
    """Train both towers on the pairs of confidence above 0; two fits of the same pairs and settings agree.

    Raises DataError without any pair, SettingsError without torch.
    """
    own = settings.two_tower
    media = media_rows(known)
    nets = fit_towers(user_rows(known, own.history), media, own)
    if nets is None:
        raise DataError(
            f"retrieval.two_tower: expected pairs of a user and a media with a positive before {known.as_of}, some for "
            f"each of {own.processes} processes, found none. Prepare examples of earlier days, name another retrieval.label, or set "
            "retrieval.two_tower.processes = 1."
        )
    user_net, media_net = nets
    vectors = media.transform(embedded(media_net, schema.MEDIA_ID, (KEY, ABOUT)))
    return TwoTowerModel(vectors, user_net, media_net, settings)


def fit_towers(users: DataFrame, media: DataFrame, settings: TwoTowerSettings) -> tuple[bytes, bytes] | None:
    """Return the towers of users and of media as ONNX, None where a process has no pair.

    ``users``: as ``user_rows`` makes them; ``media``: as ``media_rows`` does, and each process is sent all of them.
    """
    with needs_torch("retrieval.two_tower"):
        from winnow.retrieval.towers import learn

    of_user = F.pmod(F.xxhash64(KEY), F.lit(settings.processes)).cast("int")
    everywhere = F.explode(F.array(*map(F.lit, range(settings.processes))))
    nothing = {WATCHED: F.array().cast(LIST), WEIGHTS: F.array().cast("array<float>")}
    everything = media.select(everywhere.alias(_TASK), F.lit(True).alias(IS_MEDIA), KEY, ABOUT).withColumns(nothing)
    people = users.where(F.size(WATCHED) > 0).select(
        of_user.alias(_TASK), F.lit(False).alias(IS_MEDIA), KEY, ABOUT, WATCHED, WEIGHTS
    )
    nets: tuple[bytes, bytes] | None = train(
        learn, people.unionByName(everything), F.col(_TASK), settings.processes, settings
    )
    return nets


def user_rows(known: Interactions, history: int) -> DataFrame:
    """Return a row a user with a pair or an account: user_id, key, about, watched (keys, most confident first), weights."""
    pairs = known.pairs.where(F.col(schema.CONFIDENCE) > 0).transform(most_confident(history))
    one = F.struct(-F.col(schema.CONFIDENCE), F.col(schema.MEDIA_ID), key_of(schema.MEDIA_ID))
    histories = pairs.groupBy(schema.USER_ID).agg(F.sort_array(F.collect_list(one)).alias(WATCHED))
    return _told(histories, known.beside.users, schema.USER_ID, _OF_USER).select(
        schema.USER_ID,
        key_of(schema.USER_ID).alias(KEY),
        ABOUT,
        F.transform(WATCHED, lambda seen: seen["col3"]).alias(WATCHED),
        F.transform(WATCHED, lambda seen: (-seen["col1"]).cast("float")).alias(WEIGHTS),
    )


def media_rows(known: Interactions) -> DataFrame:
    """Return a row a media that was watched or is in the catalogue: media_id, key, about."""
    watched = known.pairs.where(F.col(schema.CONFIDENCE) > 0).select(schema.MEDIA_ID).distinct()
    rows = _told(watched, known.catalogue, schema.MEDIA_ID, _OF_MEDIA)
    return rows.select(schema.MEDIA_ID, key_of(schema.MEDIA_ID).alias(KEY), ABOUT)


def _told(rows: DataFrame, table: DataFrame | None, of: str, names: Sequence[str]) -> DataFrame:
    """Return the rows and those of the table that are not among them, with the keys of what the table tells."""
    if table is None:
        return rows.withColumn(ABOUT, F.array().cast(LIST))
    told = told_by([(name, kind) for name, kind in table.dtypes if name in names])
    return rows.join(table.select(of, told.alias(ABOUT)), of, how="full")


def embedded(net: bytes, of: str, inputs: Sequence[str]) -> Step:
    """Return the step from rows of keys to one vector each: the id ``of``, factors.

    ``inputs``: columns of keys, by which the net's inputs are called too; a null list is empty.
    """
    count, name_of_id, factors = facts_of(net)["places"], str(of), str(schema.FACTORS)

    def embed(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for start in range(0, batch.num_rows, _ROWS_AT_ONCE):
                rows = batch.slice(start, _ROWS_AT_ONCE)
                vectors = run_onnx(net, {name: places(keys_in(rows.column(name)), count) for name in inputs})
                offsets = pa.array(np.arange(len(vectors) + 1, dtype=np.int32) * vectors.shape[1])
                lists = pa.ListArray.from_arrays(offsets, pa.array(vectors.reshape(-1)))
                yield pa.RecordBatch.from_pydict({name_of_id: rows.column(name_of_id), factors: lists})

    def step(rows: DataFrame) -> DataFrame:
        ddl = f"{of} {dict(rows.dtypes)[of]}, {schema.FACTORS} {schema.FACTORS.type}"
        return rows.select(of, *inputs).mapInArrow(embed, ddl)

    return step
