"""What the sample says of the whole: totals, weights and probabilities of a clean day whose truth is known."""

import datetime as dt
import json
import math

import pyarrow.parquet as pq
import pytest

import oracle
from conftest import ON_SAIL
from winnow import synthetic
from winnow.synthetic import SyntheticSettings

DAY = dt.date(2026, 1, 6)
ROWS = 60_000
FOUR_KINDS = {
    "watched": {"kind": "watched_fraction"},
    "longer": {"kind": "duration_quantile", "groups": 5},
    "liked": {"kind": "action"},
    "engaged": {"kind": "any_action", "actions": ["watched", "commented", "shared"]},
}


def as_toml(value):
    return json.dumps(value) if not isinstance(value, list) else "[" + ", ".join(map(as_toml, value)) + "]"


def as_arguments(labels):
    """Return the labels as --set arguments, each kind before what steers it."""
    sets = [
        f"labels.{name}={{{', '.join(f'{k} = {as_toml(v)}' for k, v in conf.items())}}}"
        for name, conf in labels.items()
    ]
    return [word for text in sets for word in ("--set", text)]


@pytest.fixture(scope="module")
def log(spark, tmp_path_factory):
    """A clean day of impressions."""
    place = tmp_path_factory.mktemp("clean")
    settings = SyntheticSettings(rows_per_day=ROWS, users=6_000, media=2_000, engaged_rate=0.1, start_date=DAY)
    rows = synthetic.impressions(spark, settings, DAY)
    rows.write.format("delta").partitionBy("event_date").save(f"{place}/impressions")
    return place


@pytest.fixture(scope="module")
def prepare(run_job, log, tmp_path_factory):
    """Return the function that prepares the day by some settings and returns its root."""

    def run(*settings):
        place = tmp_path_factory.mktemp("prepared")
        arguments = [word for text in settings for word in ("--set", text)]
        log_place = ("--set", f"tables.impressions={log}/impressions")
        ended = run_job("prepare_examples", place, "--date", DAY, *log_place, *arguments)
        assert ended.code == 0, ended.err
        return place

    return run


@pytest.fixture(scope="module")
def by_surface(prepare):
    """The day, balanced in each surface."""
    return prepare("sampling.strata=['surface']", "weighting.balance=0.3")


def test_sums_of_one_over_rate_recover_the_counts_of_every_stratum(by_surface, read):
    from pyspark.sql import functions as F

    totals = {
        (row.surface, row.watched_label): row.total
        for row in read(by_surface, "examples")
        .groupBy("surface", "watched_label")
        .agg(F.sum(1 / F.col("watched_rate")).alias("total"))
        .collect()
    }
    ledger = read(by_surface, "ledger").collect()
    assert len(ledger) > 3
    for row in ledger:
        surface = json.loads(row.stratum)["surface"]
        for label, there, rate in ((1, row.positives, row.positive_rate), (0, row.negatives, row.negative_rate)):
            error = math.sqrt(there * (1 - rate) / rate)
            assert abs(totals[surface, label] - there) <= 4 * error + 1e-6, (surface, label)
        assert row.negative_rate < 1, "there is something to recover"


def test_columns_of_many_values_are_stored_without_a_dictionary_and_those_of_few_with_one(by_surface, engine):
    if engine == "sail":
        pytest.skip("its writer asks for none")
    file = next(file for file in (by_surface / "examples").rglob("*.parquet") if "_delta_log" not in str(file))
    stored = pq.ParquetFile(file).metadata.row_group(0)
    has_dictionary = {
        column.path_in_schema: column.has_dictionary_page
        for column in (stored.column(place) for place in range(stored.num_columns))
    }
    many = ("impression_id", "user_id", "watch_s", "watched_weight")
    assert {name for name, has in has_dictionary.items() if has}.isdisjoint(many)
    assert all(has_dictionary[name] for name in ("surface", "watched_label", "watched_rate"))


@pytest.mark.parametrize("balance", [pytest.param(0.0, marks=ON_SAIL), 0.3, pytest.param(1.0, marks=ON_SAIL)])
def test_positive_weights_sum_to_the_number_of_positives(by_surface, prepare, read, balance):
    from pyspark.sql import functions as F

    root = by_surface if balance == 0.3 else prepare(f"weighting.balance={balance}")
    positives = read(root, "examples").where("watched_label = 1")
    total, rows, distinct = positives.agg(
        F.sum("watched_weight"), F.count(F.lit(1)), F.count_distinct("watched_weight")
    ).head()
    assert math.isclose(total, rows, rel_tol=1e-9)
    assert (distinct == 1) == (balance == 0)
    negatives = read(root, "examples").where("watched_label = 0")
    assert negatives.agg(F.min("watched_weight"), F.max("watched_weight")).head() == (1.0, 1.0)


def test_labels_of_all_four_kinds_share_one_table_and_each_equals_the_oracle(
    run_job, log, tmp_path, read, as_dicts, content
):
    # A smaller log: the oracle counts quantiles row by row.
    read(log, "impressions").where("impression_id % 5 = 0").write.format("delta").partitionBy("event_date").save(
        f"{tmp_path}/impressions"
    )
    arguments = (*as_arguments(FOUR_KINDS), "--set", "weighting.basis=session_share", "--set", "weighting.cap_s=600")
    ended = run_job("prepare_examples", tmp_path, "--date", DAY, "--set", "sampling.strata=['device']", *arguments)
    assert ended.code == 0, ended.err
    labels = {"watched": {"kind": "watched_fraction"}, **FOUR_KINDS}
    rules = oracle.Rules(labels=labels, strata=("device",), basis="session_share", cap_s=600)
    expected = oracle.prepare(as_dicts(read(tmp_path, "impressions")), rules)
    told = oracle.differences(expected.kept, as_dicts(read(tmp_path, "examples")), labels, tolerance=1e-6)
    assert told == [], f"{len(told)} differences, {told[:5]}"
    ledger = {(row.label, json.loads(row.stratum)["device"]): row for row in read(tmp_path, "ledger").collect()}
    for label, counts in expected.strata.items():
        for (device,), (positives, negatives) in counts.items():
            assert (ledger[label, device].positives, ledger[label, device].negatives) == (positives, negatives)


@pytest.mark.parametrize(
    "allocation",
    [pytest.param("per_stratum", marks=ON_SAIL), pytest.param("proportional", marks=ON_SAIL), "equal"],
)
def test_asked_for_rows_are_shared_out_as_the_allocation_says_and_positives_are_cut_too(prepare, read, allocation):
    root = prepare(
        "sampling.strata=['surface']",
        f"sampling.allocation='{allocation}'",
        "sampling.positive_rows=2000",
        "sampling.negative_rows=5000",
        "sampling.exact=true",
        "weighting.balance=1.0",
    )
    ledger = read(root, "ledger").collect()
    kept = [(row.positives, row.negatives, row.kept_positives, row.kept_negatives) for row in ledger]
    assert (sum(k for _, _, k, _ in kept), sum(k for _, _, _, k in kept)) == (2_000, 5_000)
    assert all(row.kept_positives == row.target_positives for row in ledger)
    for positives, negatives, kept_positives, kept_negatives in kept:
        if allocation == "equal":
            is_all = kept_negatives == negatives
            most = max(k for _, _, _, k in kept)
            assert is_all or most - kept_negatives <= 1
        elif allocation == "proportional":
            assert abs(kept_negatives - 5_000 * negatives / sum(n for _, n, _, _ in kept)) <= 1
        else:
            assert abs(kept_negatives - 2.5 * kept_positives) <= 3 or kept_negatives == negatives
        if allocation != "equal":
            assert abs(kept_positives - 2_000 * positives / sum(p for p, _, _, _ in kept)) <= 1
    weights = read(root, "examples").where("watched_label = 1").agg({"watched_weight": "sum"}).head()[0]
    assert math.isclose(weights, 2_000, rel_tol=1e-9), "the mean is that of the kept positives"


@pytest.mark.not_on("sail", why="it has no Spark ML")
def test_a_model_of_the_sample_corrected_in_each_stratum_tells_the_true_probability(spark, tmp_path, run_job, read):
    """A logistic regression with an intercept a stratum is calibrated in each stratum of its own sample.

    Positives enough in each surface (rows, engaged_rate) that the error of their number is below the 2 % asked for.
    """
    from pyspark.ml import Pipeline
    from pyspark.ml.classification import LogisticRegression
    from pyspark.ml.feature import RFormula
    from pyspark.ml.functions import vector_to_array
    from pyspark.sql import functions as F

    from winnow.calibration import correct_scores, pooled_rates
    from winnow.pipeline import training_view

    settings = SyntheticSettings(rows_per_day=240_000, users=20_000, engaged_rate=0.3, start_date=DAY)
    synthetic.impressions(spark, settings, DAY).write.format("delta").partitionBy("event_date").save(
        f"{tmp_path}/impressions"
    )
    arguments = ("--set", "sampling.strata=['device']", "--set", "sampling.negatives_per_positive=0.5")
    assert run_job("prepare_examples", tmp_path, "--date", DAY, *arguments).code == 0

    def features(rows):
        return rows.withColumns(
            {
                "log_duration": F.log("media_duration_s"),
                "log_position": F.log("position"),
                "hour": F.hour("impression_ts").cast("string"),
            }
        )

    sample = read(tmp_path, "examples").transform(training_view("watched")).transform(features)
    formula = RFormula(formula="label ~ device + surface + log_duration + log_position + device:log_duration + hour")
    pipeline = Pipeline(stages=[formula, LogisticRegression(maxIter=30)])
    model = pipeline.fit(sample.repartition(2).cache())
    stratum = F.to_json(F.struct("device"), {"ignoreNullFields": "false"})
    rates = pooled_rates(read(tmp_path, "ledger"), "watched")
    day = read(tmp_path, "impressions").transform(features)
    scored = (
        model.transform(day)
        .select("device", "true_probability", vector_to_array("probability")[1].alias("raw"), stratum.alias("stratum"))
        .join(F.broadcast(rates), on="stratum", how="left")
        .withColumn("score", F.col("raw"))
        .transform(correct_scores("score"))
        .groupBy("device")
        .agg(
            *(F.avg(name).alias(name) for name in ("true_probability", "raw", "score", "negative_rate")),
            F.count(F.lit(1)).alias("rows"),
        )
        .collect()
    )
    assert len(scored) > 2
    for row in scored:
        told = (
            f"{row.device}: {row.rows} rows, true {row.true_probability:.4f}, told {row.score:.4f}, raw {row.raw:.4f}"
        )
        assert abs(row.score / row.true_probability - 1) < 0.02, told
        odds = row.raw / (1 - row.raw) / (row.true_probability / (1 - row.true_probability))
        # Of means, not of rows: the odds of a mean are not the mean of odds.
        assert abs(odds * row.negative_rate - 1) < 0.25, f"uncorrected, the odds are off by the rate: {told}"
        assert row.raw / row.true_probability > 1.2, told
