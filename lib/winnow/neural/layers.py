"""What nets are made of in torch, and how they become ONNX; imported only where nets are trained, for it needs torch."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Collection, Mapping
from itertools import pairwise
from typing import Any

import torch
from torch import nn

from winnow.neural.keys import NOTHING
from winnow.neural.nets import FACTS


class Embeddings(nn.Module):
    """A table of embeddings: a vector a place, and of a list of places their mean. Nothing is the zero vector."""

    def __init__(self, rows: int, width: int) -> None:
        """Make small random vectors; their gradients are sparse, so that a step costs what its batch does."""
        super().__init__()
        self.table = nn.Embedding(rows, width, padding_idx=NOTHING, sparse=True)
        nn.init.normal_(self.table.weight, std=0.1)
        with torch.no_grad():
            self.table.weight[NOTHING] = 0.0

    def forward(self, places: Any) -> Any:
        """Return (rows, width) of places (rows) or (rows, length)."""
        if places.ndim == 1:
            return self.table(places)
        count = (places != NOTHING).sum(dim=1, keepdim=True).clamp(min=1)
        return self.table(places).sum(dim=1) / count


def perceptron(widths: list[int]) -> nn.Sequential:
    """Return linear layers from each width to the next, with ReLU between."""
    layers: list[Any] = []
    for wide, narrow in pairwise(widths):
        layers += [nn.Linear(wide, narrow), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


class Optimisers:
    """Adam for dense weights, and its sparse form for embeddings, which moves only the rows that a batch has."""

    def __init__(self, net: nn.Module, step: float) -> None:
        """Take the net's parameters; ``step``: the learning rate."""
        tables = [part.table.weight for part in net.modules() if isinstance(part, Embeddings)]
        held = {id(table) for table in tables}
        others = [weight for weight in net.parameters() if id(weight) not in held]
        self._both = [torch.optim.Adam(others, lr=step), torch.optim.SparseAdam(tables, lr=step)]

    def step(self, loss: Any) -> None:
        """Go one step down the loss."""
        for one in self._both:
            one.zero_grad()
        loss.backward()
        for one in self._both:
            one.step()


class _Asked(nn.Module):
    """A net that is asked with any number of inputs, which the exporter wants told apart."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, *inputs: Any) -> Any:
        return self.net(*inputs)


def as_onnx(net: nn.Module, inputs: Mapping[str, Any], facts: Mapping[str, Any], lists: Collection[str] = ()) -> bytes:
    """Return the net as ONNX, for any number of rows.

    ``inputs``: an example of each input by name; ``lists``: those whose rows may be of any length; ``facts``: what whoever
    asks the net has to know, as plain values: it travels in the file (``nets.facts_of``).
    """
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it tells of packages that no net of ours has a use for
    rows = torch.export.Dim("rows")
    shapes = [{0: rows} | ({1: torch.export.Dim(f"{name}_length")} if name in lists else {}) for name in inputs]
    examples = [_two_by_two(value) if name in lists else _two(value) for name, value in inputs.items()]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter, about itself
        exported = torch.onnx.export(
            _Asked(net).eval(),
            tuple(examples),
            input_names=list(inputs),
            output_names=["output"],
            dynamic_shapes=(tuple(shapes),),
            dynamo=True,
            verbose=False,
        )
    stored = exported.model_proto
    stored.metadata_props.add(key=FACTS, value=json.dumps(facts))
    return bytes(stored.SerializeToString())


def _two(rows: Any) -> Any:
    """Return two rows, however few there are: one would be taken for what never changes."""
    return torch.cat([rows, rows])[:2]


def _two_by_two(lists: Any) -> Any:
    return _two(torch.cat([lists, lists], dim=1)[:, :2])
