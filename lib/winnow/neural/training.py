"""Training by torch inside Spark: a net learns from rows where they are, in one process or in several that agree."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyspark.sql import Column, DataFrame

from winnow.errors import SettingsError

#: How the distributor says that a task has no row; in pyspark 4.2 it then stumbles, and only the latter is told.
_NO_ROW = re.compile(r"Empty Spark partition|KeyError: 'SPARK_PARTITION_ARROW_DATA_FILE'")


@contextlib.contextmanager
def needs_torch(key: str) -> Iterator[None]:
    """Say what to do where what follows finds no torch; ``key``: the setting that asks for it."""
    try:
        yield
    except ImportError as missing:
        raise SettingsError(
            f"{key}: expected torch to train with, found none ({missing}). Install winnow[deep], here and where Spark's "
            "workers run, or choose what needs no torch."
        ) from missing


def train(learn: Callable[..., Any], rows: DataFrame, task: Column, processes: int, *arguments: Any) -> Any:
    """Return what ``learn(*arguments)`` returns in the first of so many processes, each in a task of Spark of its own.

    ``task``: the process that a row is for, from 0; in each, ``rows_of_task`` gives its rows. All tasks run at once (barrier
    execution), so as many must be free. What ``learn`` returns is pickled on its way back: a net in ONNX, say.

    Returns None where a process has no row.
    """
    from pyspark.ml.torch.distributor import TorchDistributor

    distributor = TorchDistributor(num_processes=processes, local_mode=False, use_gpu=False)
    dealt = rows.repartitionById(processes, task)
    try:
        # What processes say goes to the distributor's stdout, where a job's record stands alone.
        with contextlib.redirect_stdout(sys.stderr):
            # The distributor's one way to rows that are in no file; pyspark's own ml.connect trains by it.
            return distributor._train_on_dataframe(learn, dealt, *arguments)
    except Exception as fault:  # of a class of its own, of Py4J's or of Connect's, as the session is
        if _NO_ROW.search(str(fault)):
            return None
        raise


def rows_of_task(seed: int) -> pa.Table:
    """Return the rows of this process, and make torch draw the same numbers each time; called by what ``train`` runs."""
    import torch
    from pyspark.ml.torch.distributor import SPARK_PARTITION_ARROW_DATA_FILE

    torch.manual_seed(seed)
    torch.set_num_threads(1)  # a task of Spark has one core; and sums of more threads have another order
    torch.use_deterministic_algorithms(True)
    if _processes() > 1:
        torch.distributed.init_process_group("gloo")
    with pa.memory_map(os.environ[SPARK_PARTITION_ARROW_DATA_FILE]) as file:
        return pa.ipc.open_stream(file).read_all()


def together(net: Any) -> Any:
    """Return the net as it learns with those of the other processes, by the mean of their gradients; alone, the net itself."""
    import torch

    return net if _processes() == 1 else torch.nn.parallel.DistributedDataParallel(net)


def most(number: int) -> int:
    """Return the largest of the processes' numbers: all take as many steps, or some would wait for ever."""
    import torch

    return int(_of_all([float(number)], torch.distributed.ReduceOp.MAX)[0])


def batches(count: int, size: int, draw: np.random.Generator) -> Iterator[npt.NDArray[np.intp]]:
    """Yield the places of ``count`` rows in batches of a random order, each row once.

    A process that has fewer rows than another begins again until that is done.
    """
    order = draw.permutation(count)
    own = -(-count // size)
    for at in range(most(own)):
        yield order[at % own * size :][:size]


def total(numbers: Sequence[float]) -> list[float]:
    """Return each of the numbers summed over the processes."""
    import torch

    return _of_all(numbers, torch.distributed.ReduceOp.SUM)


def _of_all(numbers: Sequence[float], operation: Any) -> list[float]:
    import torch

    found = torch.tensor(numbers, dtype=torch.float64)
    if _processes() > 1:
        torch.distributed.all_reduce(found, op=operation)
    return [float(value) for value in found]


def _processes() -> int:
    return int(os.environ.get("WORLD_SIZE", "1"))
