"""A ranker: all that turns a row's columns into the probability of one label, and what it must be asked with."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from winnow import schema
from winnow.moments import Moments
from winnow.ranking import calibrators
from winnow.ranking.calibrators import Calibrator
from winnow.ranking.learners import LEARNERS, Model
from winnow.ranking.vectors import Vector


@dataclass(frozen=True)
class Ranker:
    """A fitted model with what it learnt from, and how its scores become probabilities of the world."""

    label: str
    #: The learner's name.
    learner: str
    model: Model
    vector: Vector
    #: What each number of the vector was like in training, by its name; a mean stands for "not known" when a score is explained.
    trained: Mapping[str, Moments]
    #: How much each number of the vector matters, 1 in sum.
    importances: tuple[float, ...]
    #: Column -> share of the training rows that had no usable value, and its default instead; others had one in every row.
    defaulted: Mapping[str, float]
    #: How the sampling was undone: none, on_scores or by_weights.
    correction: str
    #: Columns of the strata, and stratum, positive_rate, negative_rate of each, where scores are to be corrected.
    strata: tuple[str, ...] = ()
    rates: tuple[tuple[str, float | None, float | None], ...] = ()
    #: What the corrected scores are put through; None = nothing.
    calibrator: Calibrator | None = None

    def importance_by_column(self) -> dict[str, float]:
        """Return how much each column matters, the most first: the sum over its numbers."""
        found = dict.fromkeys(self.vector.columns, 0.0)
        for column, share in zip(self.vector.column_of, self.importances, strict=True):
            found[column] += share
        return dict(sorted(found.items(), key=lambda item: -item[1]))

    def as_record(self) -> dict[str, Any]:
        """Return all but the model as plain values."""
        return {
            str(schema.LABEL): self.label,
            "learner": self.learner,
            "vector": self.vector.as_record(),
            "means": [one.mean for one in self.trained.values()],
            "deviations": [one.deviation for one in self.trained.values()],
            "importances": list(self.importances),
            "importance_method": LEARNERS[self.learner].importance,
            "defaulted": dict(self.defaulted),
            "correction": self.correction,
            "strata": list(self.strata),
            "rates": [list(rate) for rate in self.rates],
            "calibration": None if self.calibrator is None else self.calibrator.as_record(),
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any], model: Model) -> Ranker:
        """Return the ranker that ``as_record`` told of, with its model."""
        vector, means = Vector.from_record(record["vector"]), record["means"]
        deviations = record.get("deviations") or [math.inf] * len(means)  # not told of by rankers of earlier versions
        return cls(
            label=record[schema.LABEL],
            learner=record["learner"],
            model=model,
            vector=vector,
            trained=dict(zip(vector.names, map(Moments, means, deviations), strict=True)),
            importances=tuple(record["importances"]),
            defaulted=record.get("defaulted", {}),  # not told of by rankers of earlier versions
            correction=record["correction"],
            strata=tuple(record["strata"]),
            rates=tuple((stratum, positive, negative) for stratum, positive, negative in record["rates"]),
            calibrator=calibrators.from_record(record["calibration"]),
        )
