"""The settings of the two towers."""

from __future__ import annotations

from dataclasses import dataclass

from winnow.settings import check, check_between


@dataclass(frozen=True)
class TwoTowerSettings:
    """``[retrieval.two_tower]``: a net for users and one for media; needs the extra ``deep``."""

    #: Rows of each table of embeddings, into which ids and words are hashed: some of them share one.
    places: int = 100_000
    #: Numbers of an embedding.
    width: int = 32
    #: Units of the layer between.
    hidden: int = 64
    #: Numbers of the vectors that the towers make.
    dimension: int = 32
    #: Media of a user that are learnt from, the most confident first.
    history: int = 50
    #: Passes over all pairs.
    epochs: int = 10
    #: Pairs that are looked at at once: each one's media is a negative for the users of the others.
    batch: int = 1024
    #: Size of a step of Adam.
    step: float = 0.002
    #: What cosines are divided by: less tells near media further apart.
    temperature: float = 0.1
    #: Tasks that train together; each takes a share of the users and its own batches, so that another number is another fit.
    processes: int = 1
    #: Seed of the first weights and of the order of the pairs.
    seed: int = 7

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_between("places", self.places, 2, 50_000_000)
        check_between("width", self.width, 1, 1024)
        check_between("hidden", self.hidden, 1, 16_384)
        check_between("dimension", self.dimension, 1, 1024)
        check_between("history", self.history, 1, 10_000)
        check_between("epochs", self.epochs, 1, 1000)
        check_between("batch", self.batch, 2, 1_000_000)
        check(0 < self.step <= 1, "step", "a number above 0, at most 1", self.step)
        check(0 < self.temperature <= 100, "temperature", "a number above 0, at most 100", self.temperature)
        check_between("processes", self.processes, 1, 10_000)
