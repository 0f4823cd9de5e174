"""The balance of satisfaction and watch time, from the weights to what is chosen: in a world whose truth is known."""

import numpy as np
import pytest

from winnow.ranking import LEARNERS, RankingSettings, Vector

ROWS, BALANCES = 4_000, (0.0, 0.5, 1.0)
VECTOR = Vector(("taste", "log_length"), {})


@pytest.mark.not_on("sail", why="it has no Spark ML")
def test_more_balance_chooses_more_watch_time_and_less_engagement(spark):
    """Long media are engaged with less often: what is chosen moves to them as watch time counts more."""
    draw = np.random.default_rng(3)
    taste, log_length = draw.normal(size=ROWS), draw.normal(size=ROWS)
    truth = 1 / (1 + np.exp(-(1.5 * taste - 0.7 * log_length - 1)))
    watch = np.exp(log_length)
    label = draw.random(ROWS) < truth
    engagement, watched = [], []
    for balance in BALANCES:
        weight = np.where(label, (1 - balance) + balance * watch / watch[label].mean(), 1.0)
        columns = zip(taste, log_length, label.astype(int), weight, range(ROWS), strict=True)
        made = [(float(a), float(b), int(y), float(w), place) for a, b, y, w, place in columns]
        rows = spark.createDataFrame(made, "taste double, log_length double, label int, weight double, place int")
        assembled = rows.coalesce(1).transform(VECTOR.assemble()).persist()
        model = LEARNERS["logistic"].fit(assembled, RankingSettings(model="logistic"))
        scores = model.transform(assembled).select("place", "score").orderBy("place").collect()
        assembled.unpersist()
        best = np.argsort([-row["score"] for row in scores])[: ROWS // 5]
        engagement.append(truth[best].mean())
        watched.append((truth * watch)[best].mean())
    assert engagement == sorted(engagement, reverse=True)
    assert watched == sorted(watched)
    assert engagement[0] > 1.02 * engagement[-1]
    assert watched[-1] > 1.1 * watched[0]
