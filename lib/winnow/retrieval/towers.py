"""The nets of two towers, and how they learn; imported only where they are trained, since it needs torch.

    user   = W2 relu(W1 [id, mean of what is told of the account, mean of the media watched])      both brought to length 1
    media  = V2 relu(V1 [id, mean of what is told of the media])
    loss   = cross entropy of s(i, j) = <user i, media j> / temperature - ln Q(j) over the media j of a batch

Each media of a batch is a negative for the users of the others, and popular media are so too often: Q(j), a media's share
of all pairs, takes that back (Yi et al., RecSys 2019, "Sampling-Bias-Corrected Neural Modeling for Large Corpus Item
Recommendations"). The media that is to be found is left out of those watched.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import nn
from torch.nn import functional

from winnow.neural.keys import NOTHING, Keys, keys_in, places
from winnow.neural.layers import Embeddings, Optimisers, as_onnx, perceptron
from winnow.neural.training import batches, rows_of_task, together, total
from winnow.retrieval.tower_settings import TwoTowerSettings
from winnow.retrieval.two_tower import ABOUT, IS_MEDIA, KEY, WATCHED, WEIGHTS


class UserTower(nn.Module):
    """From the places of ids, of what is told and of what was watched to vectors of users."""

    def __init__(self, media_ids: Embeddings, words: Embeddings, own: TwoTowerSettings) -> None:
        """Take the embeddings that both towers share."""
        super().__init__()
        self.ids, self.media_ids, self.words = Embeddings(own.places, own.width), media_ids, words
        self.layers = perceptron([3 * own.width, own.hidden, own.dimension])

    def forward(self, key: Any, about: Any, watched: Any) -> Any:
        """Return vectors of length 1."""
        known = torch.cat([self.ids(key), self.words(about), self.media_ids(watched)], dim=1)
        return functional.normalize(self.layers(known), dim=1)


class MediaTower(nn.Module):
    """From the places of ids and of what is told to vectors of media."""

    def __init__(self, media_ids: Embeddings, words: Embeddings, own: TwoTowerSettings) -> None:
        """Take the embeddings that both towers share."""
        super().__init__()
        self.ids, self.words = media_ids, words
        self.layers = perceptron([2 * own.width, own.hidden, own.dimension])

    def forward(self, key: Any, about: Any) -> Any:
        """Return vectors of length 1."""
        return functional.normalize(self.layers(torch.cat([self.ids(key), self.words(about)], dim=1)), dim=1)


class Towers(nn.Module):
    """Both, as they learn."""

    def __init__(self, own: TwoTowerSettings) -> None:
        """Make both, with random weights."""
        super().__init__()
        media_ids, words = (Embeddings(own.places, own.width) for _ in range(2))
        self.user, self.media = UserTower(media_ids, words, own), MediaTower(media_ids, words, own)

    def forward(self, people: tuple[Any, ...], media: tuple[Any, ...]) -> tuple[Any, Any]:
        """Return the vectors of users and of media."""
        return self.user(*people), self.media(*media)


@dataclass(frozen=True)
class Pairs:
    """What one process learns from: who watched what, by the numbers of their rows."""

    #: The places of each user's id, account and history, and the numbers of the media in the history, -1 filled up.
    people: tuple[Keys, ...]
    watched: Keys
    #: The places of each media's id and of what is told of it.
    media: tuple[Keys, ...]
    #: One a pair: the number of the user, that of the media, and the weight.
    user: Keys
    item: Keys
    weight: Any

    @property
    def log_share(self) -> Any:
        """Ln Q of each media: its share of all pairs."""
        counts = np.bincount(self.item, minlength=len(self.media[0]))
        return torch.tensor(np.log(np.maximum(counts, 1) / max(1, len(self.item)))).float()


def read_pairs(rows: pa.Table, count: int) -> Pairs:
    """Return the pairs of the rows of a process; ``count``: places of a table of embeddings."""
    is_media = rows.column(IS_MEDIA).to_numpy()
    # In the order of their keys, whatever order Spark sent them in.
    media = rows.filter(pa.array(is_media)).sort_by(KEY)
    people = rows.filter(pa.array(~is_media)).sort_by(KEY)
    known, history = keys_in(media.column(KEY)), keys_in(people.column(WATCHED))
    number = np.where(history == NOTHING, -1, np.searchsorted(known, history))
    user, place = np.nonzero(number >= 0)
    weights = people.column(WEIGHTS).combine_chunks().flatten().to_numpy()
    return Pairs(
        people=tuple(places(keys_in(people.column(name)), count) for name in (KEY, ABOUT, WATCHED)),
        watched=number,
        media=tuple(places(keys_in(media.column(name)), count) for name in (KEY, ABOUT)),
        user=user,
        item=number[user, place],
        weight=torch.tensor(weights).float(),
    )


def learn(own: TwoTowerSettings) -> tuple[bytes, bytes] | None:
    """Train on the rows of this process and return the users' and the media's tower as ONNX; None where a process has no pair."""
    pairs = read_pairs(rows_of_task(own.seed), own.places)
    towers = Towers(own)
    learning, optimisers = together(towers), Optimisers(towers, own.step)
    if total([len(pairs.item) == 0])[0]:
        return None
    draw = np.random.default_rng(own.seed)
    log_share = pairs.log_share
    for _ in range(own.epochs):
        for batch in batches(len(pairs.item), own.batch, draw):
            optimisers.step(_loss(learning, pairs, batch, log_share, own.temperature))
    people, media = (list(map(torch.tensor, side)) for side in (pairs.people, pairs.media))
    facts = {"places": own.places}
    return (
        as_onnx(towers.user, dict(zip((KEY, ABOUT, WATCHED), people, strict=True)), facts, lists=(ABOUT, WATCHED)),
        as_onnx(towers.media, dict(zip((KEY, ABOUT), media, strict=True)), facts, lists=(ABOUT,)),
    )


def _loss(towers: Any, pairs: Pairs, batch: Keys, log_share: Any, temperature: float) -> Any:
    user, item = pairs.user[batch], pairs.item[batch]
    key, about, history = (column[user] for column in pairs.people)
    others = np.where(pairs.watched[user] == item[:, None], NOTHING, history)
    people = tuple(map(torch.tensor, (key, about, others)))
    vectors, found = towers(people, tuple(torch.tensor(column[item]) for column in pairs.media))
    number = torch.tensor(item)
    scores = vectors @ found.T / temperature - log_share[number]
    # The same media once more in the batch is no negative.
    is_twin = (number[:, None] == number[None, :]) & ~torch.eye(len(batch), dtype=torch.bool)
    losses = functional.cross_entropy(
        scores.masked_fill(is_twin, -torch.inf), torch.arange(len(batch)), reduction="none"
    )
    weight = pairs.weight[torch.tensor(batch)]
    return (losses * weight).sum() / weight.sum()
