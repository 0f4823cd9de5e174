"""The net of the deep ranker, and how it learns; imported only where it is trained, since it needs torch.

    P(positive) = sigmoid(w relu(W2 relu(W1 [numbers, e_1, e_2, ...])) + the sum over a < b of <e_a, e_b>)

e: an embedding of each id, and the mean embedding of each list. Numbers are brought to mean 0 and deviation 1 by the training
rows', and cut at 10 deviations. The layers are those of Covington, Adams and Sargin, RecSys 2016, "Deep Neural Networks for
YouTube Recommendations", section 4; the inner products, by which a taste for what is alike is learnt from fewer rows than layers
need, those of Guo, Tang, Ye, Li and He, IJCAI 2017, "DeepFM", section 2.1.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import nn
from torch.nn import functional

from winnow.neural.keys import keys_in, places
from winnow.neural.layers import Embeddings, Optimisers, as_onnx, perceptron
from winnow.neural.training import batches, most, rows_of_task, together, total
from winnow.ranking.deep import DAY, IDS, NUMBERS, ORDER, POSITIVE, WEIGHT, numbers_in
from winnow.ranking.settings import DeepSettings

_MOST_DEVIATIONS = 10.0
#: A column that varies less than this is constant.
_LEAST_DEVIATION = 1e-9


class DeepNet(nn.Module):
    """From numbers, places of ids and places of lists to the log odds of a positive."""

    def __init__(self, numbers: int, ids: int, lists: int, own: DeepSettings) -> None:
        """Make the net for so many of each, with random weights."""
        super().__init__()
        self.embeddings = Embeddings(own.places, own.width)
        self.layers = perceptron([numbers + (ids + lists) * own.width, *own.hidden, 1])
        self.register_buffer("mean", torch.zeros(numbers))
        self.register_buffer("deviation", torch.ones(numbers))

    def forward(self, numbers: Any, ids: Any, *lists: Any) -> Any:
        """Return the log odds, one a row."""
        standard = ((numbers - self.mean) / self.deviation).clamp(-_MOST_DEVIATIONS, _MOST_DEVIATIONS)
        known = torch.cat([self.embeddings.table(ids), *(self.embeddings(own)[:, None] for own in lists)], dim=1)
        pairs = (known.sum(dim=1) ** 2 - (known**2).sum(dim=1)).sum(dim=1) / 2  # of all with all, less with themselves
        return self.layers(torch.cat([standard, known.flatten(1)], dim=1)).squeeze(1) + pairs


class Probability(nn.Module):
    """The net with its log odds as a probability: what is stored."""

    def __init__(self, net: DeepNet) -> None:
        """Keep the net."""
        super().__init__()
        self.net = net

    def forward(self, numbers: Any, ids: Any, *lists: Any) -> Any:
        """Return the probability of each row."""
        return torch.sigmoid(self.net(numbers, ids, *lists))


@dataclass(frozen=True)
class Rows:
    """Rows as a net takes them."""

    inputs: tuple[Any, ...]
    positive: Any
    weight: Any

    def part(self, which: Any) -> Rows:
        """Return some of the rows."""
        return Rows(tuple(column[which] for column in self.inputs), self.positive[which], self.weight[which])

    def loss(self, net: Any) -> Any:
        """Return the weighted sum of the rows' log losses."""
        losses = functional.binary_cross_entropy_with_logits(net(*self.inputs), self.positive, reduction="none")
        return (losses * self.weight).sum()

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.positive)


def read_rows(table: pa.Table, lists: Iterable[str], count: int) -> tuple[Rows, Any]:
    """Return the rows of a process, and the day of each; ``count``: places of the table of embeddings."""
    # By their hash, whatever order Spark sent them in: rows of one hash are equal.
    ordered = table.sort_by(ORDER)
    numbers = torch.tensor(numbers_in(ordered.column(NUMBERS).combine_chunks()))
    inputs = (numbers, *(torch.tensor(places(keys_in(ordered.column(name)), count)) for name in (IDS, *lists)))
    positive, weight = (torch.tensor(ordered.column(name).to_numpy()).float() for name in (POSITIVE, WEIGHT))
    return Rows(inputs, positive, weight), torch.tensor(ordered.column(DAY).to_numpy())


def learn(own: DeepSettings, seed: int) -> bytes | None:
    """Train on the rows of this process and return the net as ONNX; None where a process has nothing to train on.

    The last ``held_out_days`` are not trained on: when their loss has not fallen for ``patience`` passes, the weights of the
    pass of least loss stay. With no earlier day left, all passes are taken.
    """
    rows, day = read_rows(rows_of_task(seed), own.lists, own.places)
    first_held_out = most(int(day.max())) - own.held_out_days + 1
    is_train = day < first_held_out
    if not total([float(is_train.sum())])[0]:
        is_train = torch.ones_like(is_train)
    train, held_out = rows.part(is_train), rows.part(~is_train)
    if total([len(train) == 0])[0]:
        return None
    net = DeepNet(train.inputs[0].shape[1], train.inputs[1].shape[1], len(own.lists), own)
    _standardise(net, train.inputs[0])
    learning, optimisers = together(net), Optimisers(net, own.step)
    weight, count = total([float(train.weight.sum()), len(train)])
    draw = np.random.default_rng(seed)
    best, least, since = copy.deepcopy(net.state_dict()), float("inf"), 0
    for _ in range(own.epochs):
        for batch in batches(len(train), own.batch, draw):
            some = train.part(torch.tensor(batch))
            optimisers.step(some.loss(learning) * count / weight / len(some))
        loss = _mean_loss(net, held_out, own.batch)
        if loss is None or loss < least:
            best, least, since = copy.deepcopy(net.state_dict()), loss or least, 0
        elif (since := since + 1) >= own.patience:
            break
    net.load_state_dict(best)
    inputs = dict(zip((NUMBERS, IDS, *own.lists), rows.inputs, strict=True))
    first = net.layers[0].weight.detach().abs().sum(dim=0)[: len(net.mean)]
    facts = {"ids": own.ids, "lists": own.lists, "places": own.places, "first_layer": first.tolist()}
    return as_onnx(Probability(net), inputs, facts, own.lists)


def _mean_loss(net: Any, rows: Rows, size: int) -> float | None:
    """Return the weighted mean loss over the processes' rows, None without any."""
    with torch.no_grad():
        parts = [rows.part(slice(start, start + size)) for start in range(0, len(rows), size)]
        loss, weight = total([sum(float(part.loss(net)) for part in parts), float(rows.weight.sum())])
    return loss / weight if weight else None


def _standardise(net: DeepNet, numbers: Any) -> None:
    """Give the net the mean and the deviation of the numbers over the processes' rows."""
    wide = numbers.double()
    count, *sums = total([len(wide), *wide.sum(dim=0).tolist(), *(wide**2).sum(dim=0).tolist()])
    mean, square = torch.tensor(sums).double().reshape(2, -1) / count
    deviation = (square - mean**2).clamp(min=0).sqrt()
    net.mean.copy_(mean)
    net.deviation.copy_(torch.where(deviation > _LEAST_DEVIATION, deviation, 1.0))
