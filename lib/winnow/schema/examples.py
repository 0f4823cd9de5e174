"""The training data: label, rate and weight for each label of a run."""

from __future__ import annotations

from winnow.schema.kinds import Column, Table
from winnow.schema.logs import EVENT_DATE, IMPRESSION_ID, IMPRESSION_TS, IMPRESSIONS, USER_ID


def label_column(label: str) -> Column:
    """Return the column of a label's class: 1, 0, or null where the row is not in its sample."""
    return Column(f"{label}_label", "int", "1, 0, or null = not in this label's sample")


def reason_column(label: str) -> Column:
    """Return the column that says why a row has its label or has none (never stored)."""
    return Column(f"{label}_reason", "string", "outcome of the row: positive, negative, middle, ...")


def positive_column(label: str) -> Column:
    """Return the column that says whether a row is a positive (never stored)."""
    return Column(f"{label}_is_positive", "boolean", "whether the row is a positive")


def outcome_column(label: str) -> Column:
    """Return the column of the outcome as a number, its place among ``labelling.OUTCOMES`` (never stored)."""
    return Column(f"{label}_outcome", "tinyint", "code of the row's outcome")


def rate_column(label: str) -> Column:
    """Return the column of a row's inclusion probability in a label's sample."""
    return Column(f"{label}_rate", "double", "inclusion probability of the row, in (0, 1]")


def weight_column(label: str) -> Column:
    """Return the column of a row's training weight for a label."""
    return Column(f"{label}_weight", "double", "training weight: by watch time for positives, 1 for negatives")


def columns_of(label: str) -> tuple[Column, Column, Column]:
    """Return the columns that examples have of a label: its class, its rate and its weight."""
    return label_column(label), rate_column(label), weight_column(label)


EXAMPLES = Table(
    "examples",
    "the training data: the impression's columns, and label, rate and weight for each label of the run",
    (EVENT_DATE,),
    key=(IMPRESSION_ID,),
    partition=(EVENT_DATE,),
    filtered_by=(EVENT_DATE, IMPRESSION_TS, USER_ID),
    high_cardinality=(*IMPRESSIONS.high_cardinality, weight_column("*")),
)

SPLIT = Column("split", "string", "train, validation or test; null = used for nothing", is_required=False)

#: The plain view of one label, as a trainer wants it.
CLASS = Column("label", "int", "1 or 0")
RATE = Column("rate", "double", "inclusion probability of the row, in (0, 1]")
WEIGHT = Column("weight", "double", "training weight")
