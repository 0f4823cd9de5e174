"""Training by torch inside Spark, and nets in ONNX."""

import numpy as np
import pytest
from pyspark.sql import functions as F

from winnow.neural.nets import facts_of, run_onnx
from winnow.neural.training import train

torch = pytest.importorskip("torch", reason="needs the extra deep: make test-deep")

from winnow.neural.layers import Embeddings, as_onnx, perceptron  # noqa: E402 - they need torch


class Both(torch.nn.Module):
    """A net with an id, a list and numbers."""

    def __init__(self):
        super().__init__()
        self.table, self.layers = Embeddings(50, 8), perceptron([8 + 8 + 3, 16, 2])

    def forward(self, key, watched, numbers):
        return self.layers(torch.cat([self.table(key), self.table(watched), numbers], dim=1))


def test_onnx_says_what_torch_says_for_any_number_of_rows_and_lists_of_any_length():
    torch.manual_seed(1)
    net = Both()

    def inputs(rows, length):
        watched = torch.randint(0, 50, (rows, length))
        return {"key": torch.randint(0, 50, (rows,)), "watched": watched, "numbers": torch.randn(rows, 3)}

    stored = as_onnx(net, inputs(1, 1), {"places": 50}, lists=["watched"])
    assert facts_of(stored) == {"places": 50}
    for rows, length in ((1, 1), (7, 1), (1, 5), (300, 20)):
        asked = inputs(rows, length)
        found = run_onnx(stored, {name: value.numpy() for name, value in asked.items()})
        with torch.no_grad():
            np.testing.assert_allclose(found, net(**asked).numpy(), atol=1e-5, rtol=0)


def test_the_embedding_of_a_list_is_the_mean_of_its_places_without_nothing():
    table = Embeddings(10, 4)
    with torch.no_grad():
        found = table(torch.tensor([[3, 5, 0, 0], [0, 0, 0, 0]]))
        np.testing.assert_allclose(found[0], (table.table.weight[3] + table.table.weight[5]) / 2, atol=1e-7)
    assert found[1].tolist() == [0.0] * 4
    assert table(torch.tensor([0])).tolist() == [[0.0] * 4]


@pytest.mark.not_on("sail", "connect", why="torch trains in tasks of the session's own Spark")
def test_two_processes_learn_from_their_own_rows_and_end_with_the_same_net(spark):
    def learn(seed):
        import numpy as np
        import torch

        from winnow.neural.layers import Embeddings, Optimisers
        from winnow.neural.training import batches, most, rows_of_task, together, total

        rows = rows_of_task(seed)
        x = torch.tensor(rows.column("x").to_numpy()).float()
        key = torch.tensor(rows.column("key").to_numpy())

        class Net(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.slope, self.shift = torch.nn.Linear(1, 1), Embeddings(4, 1)

            def forward(self, x, key):
                return (self.slope(x[:, None]) + self.shift(key))[:, 0]

        net = Net()
        learning, optimisers, draw = together(net), Optimisers(net, 0.05), np.random.default_rng(seed)
        for _ in range(150):
            for batch in batches(len(x), 16, draw):
                own, wanted = (x[batch], key[batch]), 3 * x[batch] + key[batch]
                optimisers.step(((learning(*own) - wanted) ** 2).mean())
        weights = [float(weight) for tensor in net.parameters() for weight in tensor.detach().flatten()]
        return {
            "rows": len(x),
            "all": total([len(x)])[0],
            "most": most(len(x)),
            "mine": weights,
            "sums": total(weights),
        }

    rows = spark.range(90).select(
        ((F.col("id") % 7) / 7).alias("x"),
        (F.col("id") % 3 + 1).alias("key"),
        (F.col("id") % 3 % 2).cast("int").alias("of"),
    )
    found = train(learn, rows, F.col("of"), 2, 7)
    assert (found["rows"], found["all"], found["most"]) == (60, 90, 60)
    assert found["sums"] == pytest.approx([2 * weight for weight in found["mine"]], abs=1e-6), "both have the same net"
    slope, shift, nothing, *keys = found["mine"]
    assert slope == pytest.approx(3, abs=0.05)
    assert [shift + key for key in keys] == pytest.approx([1, 2, 3], abs=0.05)
    assert nothing == 0.0


@pytest.mark.not_on("sail", "connect", why="torch trains in tasks of the session's own Spark")
def test_a_process_without_a_row_is_told_of(spark):
    assert train(lambda: 1, spark.range(0), F.lit(0), 1) is None
