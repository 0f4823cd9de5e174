"""The peers of the benchmark do the same work as Winnow, and what is told of them is so."""

import datetime as dt
import itertools
import runpy
import subprocess
import sys
import xml.etree.ElementTree as ET

import pytest

from conftest import PROJECT

BENCHMARKS = PROJECT / "benchmarks"
DAY = dt.date(2026, 1, 5)
TWO_PASSES = ("duckdb_two_pass", "polars_two_pass")
ON_SPARK = ("spark_sample_by", "spark_row_number")


@pytest.fixture(scope="module")
def bench():
    """The folders of the benchmark's modules, as its scripts have them."""
    before = list(sys.path)
    sys.path[:0] = [str(BENCHMARKS), str(BENCHMARKS / "peers")]
    yield
    sys.path[:] = before


@pytest.fixture(scope="module")
def log(spark, tmp_path_factory):
    """A day with some of each fault that a row can have."""
    from winnow.synthetic import DirtSettings, SyntheticSettings, impressions

    dirt = DirtSettings(
        nan_watch_rate=0.01,
        negative_watch_rate=0.01,
        null_watch_rate=0.02,
        infinite_watch_rate=0.01,
        zero_duration_rate=0.02,
        null_duration_rate=0.02,
        ahead_rate=0.01,
    )
    place = tmp_path_factory.mktemp("bench") / "impressions"
    rows = impressions(spark, SyntheticSettings(rows_per_day=20_000, users=2_000, dirt=dirt), DAY)
    rows.write.format("delta").partitionBy("event_date").save(str(place))
    return place


@pytest.fixture(scope="module")
def prepared(spark, log):
    """Winnow's own work on the day."""
    from winnow.config import load
    from winnow.pipeline import prepare

    sets = ['sampling.strata=["surface", "device", "country"]', "sampling.duplicates=trust"]
    return prepare(spark.read.format("delta").load(str(log)), DAY, load(sets=sets))


@pytest.fixture(scope="module")
def winnows(bench, prepared, tmp_path_factory):
    """The sample that Winnow keeps."""
    from same_rows import sample_of

    place = tmp_path_factory.mktemp("winnow") / "examples"
    prepared.examples.write.format("delta").partitionBy("event_date").save(str(place))
    return sample_of(place)


@pytest.fixture
def sample_of_peer(bench, log, tmp_path, monkeypatch, engine):
    """Return the function that runs a peer and tells what it kept."""
    from same_rows import sample_of

    def run(peer, *arguments):
        words = [str(BENCHMARKS / "peers" / f"{peer}.py"), "--input", str(log), "--output", str(tmp_path / "out")]
        if peer in TWO_PASSES:
            subprocess.run([sys.executable, *words, *arguments], check=True)
        elif engine == "spark":
            monkeypatch.setattr(sys, "argv", words)
            runpy.run_path(words[0], run_name="__main__")
        else:
            pytest.skip("a peer on Spark")
        return sample_of(tmp_path / "out")

    return run


@pytest.mark.parametrize("peer", TWO_PASSES)
def test_with_winnows_draw_a_peer_keeps_the_very_rows_of_winnow(peer, winnows, sample_of_peer):
    from same_rows import Keeps, differences

    assert differences(sample_of_peer(peer, "--draw=winnow"), winnows, Keeps.SAME) == ""


@pytest.mark.parametrize("peer", TWO_PASSES + ON_SPARK)
def test_a_peer_keeps_the_same_positives_and_as_many_negatives_of_each_stratum(peer, winnows, sample_of_peer):
    from same_rows import Keeps, differences

    mine = sample_of_peer(peer)
    assert differences(mine, winnows, Keeps.AS_MANY if peer == "spark_row_number" else Keeps.ALIKE) == ""
    assert differences(mine, winnows, Keeps.SAME) != "", "another draw keeps other negatives, and that is seen"


def test_the_samples_hold_what_winnow_counted(prepared, winnows):
    found = prepared.funnel.labels["watched"]
    kept = {label: sum(kept.rows for key, kept in winnows.items() if key[-1] == label) for label in (0, 1)}
    assert kept[1] == found.positives > 100
    assert abs(kept[0] - kept[1]) < 7 * kept[1] ** 0.5 + 1
    assert len({key[:-1] for key in winnows}) > 50


def test_a_missing_row_another_rate_and_another_value_are_seen(bench, winnows):
    from dataclasses import replace

    from same_rows import Keeps, differences

    key, kept = next((key, kept) for key, kept in winnows.items() if key[-1] == 0 and kept.lowest_rate < 1)
    for changed in (replace(kept, rows=kept.rows - 1), replace(kept, values="1"), replace(kept, highest_rate=0.5)):
        assert str(key[0]) in differences({**winnows, key: changed}, winnows, Keeps.SAME)
    assert "rate" in differences({**winnows, key: replace(kept, lowest_rate=0.5)}, winnows, Keeps.ALIKE)
    assert "rows" in differences({**winnows, key: replace(kept, rows=kept.rows + 500)}, winnows, Keeps.ALIKE)
    positives = next(key for key in winnows if key[-1] == 1)
    assert differences({**winnows, positives: replace(winnows[positives], ids="1")}, winnows, Keeps.ALIKE)


def test_a_promise_is_kept_up_to_its_limit_and_failed_beyond_it(bench):
    from bounds import judge
    from contenders import DUCKDB, SPARK
    from measure import Cost
    from results import Result, Results

    def verdict(cpu_s):
        costs = {SPARK: cpu_s, DUCKDB: 10.0}
        results = [Result(name, "", 0, 100, 1, "", (Cost(cpu, 1.0, 1.0, 0.0),)) for name, cpu in costs.items()]
        return next(one for one in judge(Results(results), 100) if f"{SPARK} <= 2.2" in one.promise).is_kept

    assert verdict(22.0) is True
    assert verdict(22.1) is False
    assert next(iter(judge(Results([]), 100))).is_kept is None


def test_a_chart_is_whole_and_its_names_do_not_overlap(bench):
    from chart import Bars, Line, Lines, svg

    lines = [Line(f"<{place}>", [(5e6, 10.0), (1e8, 100.0 + place)], place) for place in range(4)]
    drawn = ET.fromstring(
        svg([Lines("CPU", "rows", lines), Bars("CPU", [("a & b", 3.0, 0)]), Lines("CPU", "rows", [], is_log=False)])
    )
    texts = [(element.text, float(element.get("y"))) for element in drawn.iter("{http://www.w3.org/2000/svg}text")]
    names = sorted(y for text, y in texts if text.startswith("<"))
    assert len(names) == 4
    assert min(later - earlier for earlier, later in itertools.pairwise(names)) >= 13
    assert {"100M", "5M", "a & b", "not measured"} <= {text for text, _ in texts}


def test_what_scaling_says_of_retrieval_follows_from_the_newest_results(bench):
    from retrieval_scaling import PAGE, RESULTS, part, slopes

    assert part(slopes(RESULTS.read_text())) in PAGE.read_text()
    race = "{} users x 1,000 media, rank 64, top-100:\n| winnow.retrieval.scoring.best | 30 | {} |\n"
    fits = "- ALS, rank 32, 10 iterations, {:,} interactions, start included: {} CPU s\n"
    told = race.format("500", 9.0) + race.format("1,000", 2.0)
    found = slopes(told + "".join(fits.format(pairs * 1_000_000, 30 + 17 * pairs) for pairs in (1, 5, 20)))
    assert found.per_score == pytest.approx(2e-6)
    assert (found.per_pair, found.fixed) == pytest.approx((17e-6, 30))
    assert found.off_the_line < 1e-9
    bent = slopes(told + "".join(fits.format(pairs * 1_000_000, pairs**2) for pairs in (1, 5, 20)))
    assert bent.off_the_line > 0.2


MEASURED = """
import sys
from pathlib import Path
from measure import measure
inner = "sum(range(10**7))"
cost = measure([sys.executable, "-c", f"import subprocess, sys; subprocess.run([sys.executable, '-c', '{inner}'])"], Path("log"))
assert cost.cpu_s > 0.05 and cost.wall_s > 0.05
measure([sys.executable, "-c", "raise SystemExit(3)"], Path("log"))
"""


def test_a_command_is_measured_with_its_children_and_a_failed_one_is_told(tmp_path):
    # In a process of its own: who measures waits for all children, and the tests' Spark is one of ours.
    environment = {"PYTHONPATH": str(BENCHMARKS), "PATH": ""}
    ended = subprocess.run(
        [sys.executable, "-c", MEASURED], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert ended.stderr.strip().endswith("exit code 3; its output is in log")
