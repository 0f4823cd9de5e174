"""The draw: the same rows anywhere, and the very ones that an independent computation of the hash keeps."""

import random
import struct

import pytest
import xxhash
from pyspark.sql import functions as F

from winnow.contracts import stratum_hash
from winnow.sampling import (
    DRAW,
    PLACE,
    Quota,
    Quotas,
    SamplePlan,
    borders,
    draw,
    kept_rows,
    kept_value,
    last_draw,
    natural,
    sample,
)

SEED = 20_260_105


def drawn(seed, key):
    """The draw in Python: XXH64 of the seed under 42, of the id under that, and of it the upper 53 bits."""
    first = xxhash.xxh64_intdigest(struct.pack("<q", seed), 42)
    data = key.encode() if isinstance(key, str) else struct.pack("<q", key)
    return (xxhash.xxh64_intdigest(data, first) >> 11) / 2**53


@pytest.mark.parametrize("seed", [SEED, 0, -1, 2**63 - 1])
def test_the_draw_is_the_hash_of_seed_and_number(spark, seed):
    ids = [0, 1, -1, 2**31, 2**40, -(2**40), 2**62, 2**63 - 1, -(2**63), *random.Random(1).sample(range(10**12), 500)]
    found = spark.createDataFrame([(key,) for key in ids], "impression_id bigint").transform(draw(seed)).collect()
    assert {row.impression_id: row[DRAW] for row in found} == {key: drawn(seed, key) for key in ids}
    assert all(0 <= row[DRAW] < 1 for row in found)


def test_the_draw_of_a_text_is_that_of_its_utf8(spark):
    ids = ["", "a", "größe", "観た", "🎬", "x" * 100, "1-2-3", " ", *(f"{i}-{i * i}" for i in range(500))]
    found = spark.createDataFrame([(key,) for key in ids], "impression_id string").transform(draw(SEED)).collect()
    assert {row.impression_id: row[DRAW] for row in found} == {key: drawn(SEED, key) for key in ids}


N = 20_000
STRATA = ("a", None, "ü")
#: For each row: id, stratum, a second stratum column, and the classes of two labels.
ROWS = [
    (
        key,
        STRATA[key % 3],
        key % 2,
        None if key % 11 == 0 else int(key % 7 == 0),
        int(key % 5 == 0),
        key % 1000,
    )
    for key in range(N)
]
DDL = "impression_id bigint, s string, n int, watched_label int, liked_label int, value bigint"
CLASSES = {"watched": 3, "liked": 4}


@pytest.fixture(scope="module")
def log(spark):
    rows = spark.createDataFrame(ROWS, DDL)
    return rows.withColumns({f"{label}_is_positive": F.expr(f"{label}_label <=> 1") for label in CLASSES}).cache()


def rows_of(label, stratum, label_class):
    return [row for row in ROWS if row[1] == stratum and row[CLASSES[label]] == label_class]


def plan(kept, labels=("watched", "liked")):
    """A plan by s that keeps the share, or the number, of rows that ``kept(label, stratum, class)`` says."""
    quotas = {}
    for label in labels:
        pairs = []
        for stratum in STRATA:
            counts = [len(rows_of(label, stratum, label_class)) for label_class in (1, 0)]
            pairs.append(Quotas(*(Quota.of(n, kept(n, stratum, c)) for n, c in zip(counts, (1, 0), strict=True))))
        quotas[label] = tuple(pairs)
    return SamplePlan(("s",), tuple((stratum,) for stratum in STRATA), quotas)


def share(rate):
    return lambda n, *_: n * rate


def expected(chosen):
    """What ``sample`` must keep: id -> label and rate of each label, None where the row is not in its sample."""
    kept = {}
    for key, stratum, _, *classes, _ in ROWS:
        u, place = drawn(SEED, key), STRATA.index(stratum)
        told = []
        for label, label_class in zip(CLASSES, classes, strict=True):
            if label in chosen.quotas:
                pair = chosen.quotas[label][place]
                quota = pair.positives if label_class == 1 else pair.negatives
                is_in = label_class is not None and u < quota.threshold
                told += [label_class, quota.rate] if is_in else [None, None]
        if any(value is not None for value in told):
            kept[key] = tuple(told)
    return kept


def kept_of(log, chosen, seed=SEED):
    names = [f"{label}_{what}" for label in chosen.quotas for what in ("label", "rate")]
    rows = log.transform(draw(seed)).transform(sample(chosen))
    assert set(rows.columns) == {*log.columns, *names}
    return {row.impression_id: tuple(row[name] for name in names) for row in rows.collect()}


def test_the_sample_is_the_one_that_the_definition_gives_row_by_row(log):
    chosen = plan(lambda n, stratum, c: n * {"a": 0.1, None: 0.25, "ü": 0.0}[stratum] if c == 0 else n * 0.5)
    found = kept_of(log, chosen)
    assert found == expected(chosen)
    assert len(found) > 1000


@pytest.mark.parametrize("partitions", [1, 3, 17])
def test_the_same_rows_are_kept_however_the_log_is_partitioned(log, partitions):
    chosen = plan(share(0.05))
    assert kept_of(log.repartition(partitions, "value"), chosen) == expected(chosen)


def test_a_smaller_rates_sample_lies_inside_a_larger_ones(log):
    small, large = (set(kept_of(log, plan(share(rate)))) for rate in (0.02, 0.1))
    assert small < large


def test_labels_of_one_rate_share_their_rows(log):
    found = kept_of(log, plan(share(0.1)))
    alone = set(kept_of(log, plan(share(0.1), ["liked"])))
    assert set(found) == alone  # the rows of the first label are among those of the second, which has no null
    assert all(liked is not None for _, _, liked, _ in found.values())


def test_another_seed_is_another_independent_sample(log):
    rate, chosen = 0.2, plan(share(0.2), ["liked"])
    one, two = set(kept_of(log, chosen)), set(kept_of(log, chosen, SEED + 1))
    # Binomial around N rate^2 = 800, with a deviation of 28.
    assert abs(len(one & two) - N * rate**2) < 5 * (N * rate**2 * (1 - rate**2)) ** 0.5
    assert abs(len(two) - N * rate) < 5 * (N * rate * (1 - rate)) ** 0.5


def test_a_rate_of_one_keeps_every_row_and_a_rate_of_zero_none(log):
    everything = kept_of(log, plan(share(1), ["liked"]))
    assert len(everything) == N
    assert kept_of(log, plan(share(0))) == {}


def test_a_log_without_strata_has_one_plan_for_all_rows(log):
    chosen = SamplePlan((), ((),), {"liked": tuple(natural([(4000, 16000)], 0.3))})
    found = kept_of(log, chosen)
    assert set(found) == {key for key in range(N) if drawn(SEED, key) < 0.3}
    assert {rate for _, rate in found.values()} == {0.3}


def test_several_columns_make_a_stratum(log):
    keys = tuple((stratum, n) for stratum in STRATA for n in (0, 1))
    quotas = tuple(Quotas(Quota.of(10, place), Quota.of(10, place)) for place in range(len(keys)))
    chosen = SamplePlan(("s", "n"), keys, {"liked": quotas})
    rates = {key: place / 10 for place, key in enumerate(keys)}
    assert set(kept_of(log, chosen)) == {row[0] for row in ROWS if drawn(SEED, row[0]) < rates[row[1], row[2]]}


def test_a_label_may_be_called_as_another_and_its_class(spark):
    # Helper columns of the first label must not be taken for columns of the second.
    rows = spark.createDataFrame(
        [(key, key % 2, key % 2, key % 2 == 1, key % 2 == 1) for key in range(100)],
        "impression_id bigint, a_label int, a_positive_label int, a_is_positive boolean, a_positive_is_positive boolean",
    )
    quotas = {"a": tuple(natural([(50, 50)], 0.5)), "a_positive": tuple(natural([(50, 50)], 0.25))}
    found = rows.transform(draw(SEED)).transform(sample(SamplePlan((), ((),), quotas))).collect()
    assert {row.impression_id for row in found} == {key for key in range(100) if drawn(SEED, key) < 0.5}
    assert {row.a_rate for row in found} == {0.5}
    assert {row.a_positive_rate for row in found} == {0.25, None}


def test_a_log_may_call_its_columns_as_it_likes(log):
    names = [
        "draw",
        "rows",
        "below",
        "total",
        "group",
        "reason",
        "stratum",
        "stratum_key_0",
        "watched_positive_threshold",
        "geo.x",
    ]
    rows = log.withColumns({name: F.lit(name) for name in names})
    chosen = plan(share(0.05))
    kept = rows.transform(draw(SEED)).transform(sample(chosen))
    assert {name for name in kept.columns if name in names} == set(names)
    row = kept.select(*(f"`{name}`" for name in names)).head()
    assert list(row) == names


def smallest(label, stratum, label_class, k):
    """The k-th smallest draw of the rows of a class in a stratum."""
    return sorted(drawn(SEED, row[0]) for row in rows_of(label, stratum, label_class))[k - 1] if k else None


def borders_of(log, chosen, sigmas):
    rows = log.transform(draw(SEED)).transform(borders(chosen, "value", sigmas)).collect()
    return {STRATA[row[PLACE]]: row.asDict() for row in rows}


def places_told(chosen, sigmas):
    """The strata in which a row is near a border or below it: of a label whose positives, or negatives, are cut anywhere."""
    for place, stratum in enumerate(STRATA):
        for label, pairs in chosen.quotas.items():
            for label_class, what in ((1, "positives"), (0, "negatives")):
                quotas = [getattr(pair, what) for pair in pairs]
                if any(quota.is_cut for quota in quotas) and (quotas[place].is_cut or label_class == 1):
                    _, high = quotas[place].bracket(sigmas)
                    if any(drawn(SEED, row[0]) < high for row in rows_of(label, stratum, label_class)):
                        yield place


@pytest.mark.parametrize("sigmas", [6.0, 50.0, 1e9])
def test_the_borders_are_exactly_the_kth_smallest_draws(log, sigmas):
    """k is 0, 1, all but one, all, and some hundreds, by stratum, class and label."""
    ks = {("a", 1): 0, ("a", 0): 1, (None, 1): 317, (None, 0): -1, ("ü", 1): -1, ("ü", 0): 0}

    def k_of(n, stratum, c):
        return n + 1 + ks[stratum, c] if ks[stratum, c] < 0 else ks[stratum, c]

    def k_less(n, stratum, c):  # -1 is all of the rows above, and all but one here
        return n - 1 if ks[stratum, c] < 0 else ks[stratum, c]

    for choose in (k_of, k_less):
        chosen = plan(choose)
        found = borders_of(log, chosen, sigmas)
        assert set(found) == {STRATA[place] for place in places_told(chosen, sigmas)}
        for label in CLASSES:
            for place, stratum in enumerate(STRATA):
                pair, row = chosen.quotas[label][place], found.get(stratum, {})
                for name, label_class, quota in (("positive", 1, pair.positives), ("negative", 0, pair.negatives)):
                    k = round(quota.target)
                    last = smallest(label, stratum, label_class, k) if 0 < k < quota.available else None
                    assert row.get(last_draw(label, name)) == last
                    if label_class == 1:
                        values = sorted((drawn(SEED, one[0]), one[5]) for one in rows_of(label, stratum, 1))[:k]
                        assert row.get(kept_rows(label), 0) == k
                        assert row.get(kept_value(label), 0) == sum(value for _, value in values)


def test_a_border_outside_the_bracket_is_told_as_missing(log):
    chosen = plan(lambda n, *_: n // 3)
    near, far = borders_of(log, chosen, 1e-6), borders_of(log, chosen, 1e9)
    names = [last_draw(label, name) for label in CLASSES for name in ("positive", "negative")]
    assert all(row[name] is None for row in near.values() for name in names)
    assert all(row[name] is not None for row in far.values() for name in names)


def test_with_no_deviation_at_all_the_rows_of_the_rate_are_summed(log):
    chosen = plan(share(0.3))
    for stratum, row in borders_of(log, chosen, 0.0).items():
        kept = [one[5] for one in rows_of("watched", stratum, 1) if drawn(SEED, one[0]) < 0.3]
        assert (row[kept_rows("watched")], row[kept_value("watched")]) == (len(kept), sum(kept))


def test_of_a_stratum_without_rows_nothing_is_told(log):
    chosen = plan(share(0.3))
    assert borders_of(log.where("value < 0"), chosen, 6.0) == {}
    assert set(borders_of(log.where("s = 'a'"), chosen, 6.0)) == {"a"}


def test_a_class_that_is_kept_whole_is_not_asked_for(log):
    chosen = plan(lambda n, _, c: n if c == 1 else n // 10)
    found = borders_of(log, chosen, 6.0)
    asked = {last_draw(label, "negative") for label in CLASSES}
    assert set(found) == set(STRATA)
    assert all(set(row) == {PLACE, *asked} and None not in row.values() for row in found.values())


def test_rows_of_one_draw_are_counted_each(spark):
    """The log has a copy of every row, as one may that duplicates="trust" is told of."""
    ids = [*range(1000), *range(1000)]
    rows = spark.createDataFrame(
        [(key, 1, True, key) for key in ids], "impression_id bigint, a_label int, a_is_positive boolean, value bigint"
    )
    draws = sorted(drawn(SEED, key) for key in ids)
    for k in (1, 500, 501, 1999):
        chosen = SamplePlan((), ((),), {"a": (Quotas(Quota.of(2000, k), Quota.of(0, 0)),)})
        (row,) = rows.transform(draw(SEED)).transform(borders(chosen, "value", 1e9)).collect()
        assert row[last_draw("a", "positive")] == draws[k - 1]
        kept = [key for key in ids if drawn(SEED, key) <= draws[k - 1]]
        assert (row[kept_rows("a")], row[kept_value("a")]) == (len(kept), sum(kept))


@pytest.mark.parametrize("is_hashed", [True, False])
def test_strata_are_told_by_their_hash_where_no_two_have_one(spark, is_hashed):
    """Spark's hash leaves nulls out: ("x", null) and (null, "x") have one."""
    keys = ((None, "x"), ("x", "x")) if is_hashed else ((None, "x"), ("x", None))
    hashes = spark.createDataFrame(keys, "p string, q string").select(stratum_hash(["p", "q"])).collect()
    assert (len({row[0] for row in hashes}) == 2) is is_hashed
    rows = spark.createDataFrame(
        [(key, *keys[key % 2], 0, False) for key in range(1000)],
        "impression_id bigint, p string, q string, a_label int, a_is_positive boolean",
    )
    quotas = {"a": tuple(Quotas(Quota.of(0, 0), Quota.of(500, target)) for target in (50, 400))}
    chosen = SamplePlan(("p", "q"), keys, quotas, tuple(row[0] for row in hashes))
    found = rows.transform(draw(SEED)).transform(sample(chosen)).collect()
    assert {row.impression_id for row in found} == {
        key for key in range(1000) if drawn(SEED, key) < (0.8 if key % 2 else 0.1)
    }
    assert chosen.are_told_by_hash is is_hashed
