"""A page's contents with everything in it, some of it hostile; no Spark."""

import datetime as dt
import json

import pytest

from winnow.funnel import Funnel, LabelFunnel
from winnow.reporting import Alarm, Contents, Media, User

FIRST = dt.date(2026, 1, 5)
DAYS = [FIRST + dt.timedelta(days=place) for place in range(7)]
#: What a title, a label's stratum or an error may hold; none of it may run or end an element.
HOSTILE = '<script>window.hacked = 1</script><img src=x onerror="window.hacked = 2">\'"</style></title>'
_NOON = dt.datetime(2026, 1, 12, 12, tzinfo=dt.UTC)


def _funnel(day):
    watched = LabelFunnel(100 + day.day, 1500, 300, {"no_duration": 93 - day.day}, 100 + day.day, 120)
    return Funnel(day, 2050, 50, {"nan_watch": 7}, 12, {"watched": watched})


def _ledger(day, stratum, share):
    return {
        "event_date": day, "label": "watched", "stratum": stratum, "impression_rows": 1000, "positives": 50,
        "negatives": 750, "middle": 150, "unlabelled": 50, "kept_positives": 50, "kept_negatives": share, "run_id": "r1",
    }  # fmt: skip


def _metric(model, metric, value, k=10, slice_="{}", baseline=None, p_value=None, spread=0.02):
    known = spread is not None
    return {
        "end_date": DAYS[-1], "start_date": DAYS[-1], "model": model, "protocol": "by_time", "metric": metric, "k": k,
        "slice": slice_, "baseline": baseline, "value": value, "standard_error": spread, "p_value": p_value,
        "low": value - spread if known else None, "high": value + spread if known else None, "units": 1064, "run_id": "r1",
    }  # fmt: skip


def _trial(place, rank, value, status="done"):
    tried = {"retrieval.als.rank": rank, "weighting.balance": place / 10}
    return {
        "study": "als", "trial_id": f"t{place}", "trial": place, "tried": json.dumps(tried), "objective": "precision@10",
        "value": value, "fold_values": [value, value], "status": status, "error": None, "input_versions": "{}",
        "started_ts": _NOON, "finished_ts": _NOON + dt.timedelta(seconds=7), "run_id": "r1",
    }  # fmt: skip


def _run(place, status, error=None):
    return {
        "run_id": f"r{place}", "job": "prepare_examples", "arguments": "[]", "config_hash": "0123456789abcdef",
        "config": json.dumps({"sampling": {"strata": [HOSTILE], "exact": False}}), "seed": 1, "code_version": "0.1.0",
        "input_versions": '{"impressions": 7}', "output_versions": '{"examples": 9, "ledger": 9}', "funnel": "[]",
        "status": status, "error": error, "started_ts": _NOON, "finished_ts": _NOON + dt.timedelta(seconds=70),
    }  # fmt: skip


@pytest.fixture(scope="session")
def contents():
    strata = ['{"surface":"home"}', '{"surface":null}', json.dumps({"surface": HOSTILE})]
    models = {"als": 0.12, "popularity": 0.11, HOSTILE: 0.05}
    lists = [_metric(model, name, value) for model, value in models.items() for name in ("ndcg", "precision")]
    scores = [_metric("gbt", name, 0.8, k=None, spread=None) for name in ("auc", "ne")]
    compared = [_metric("als", "ndcg", 0.01, baseline="popularity", p_value=0.04)]
    sliced = [_metric("als", "ndcg", 0.2, slice_='{"device":"tv"}')]
    watched = [Media(1, "The Quiet Hour", "97% watched, 2026-01-11"), Media(2, None)]
    curve = [
        {
            "end_date": DAYS[-1], "start_date": DAYS[-1], "protocol": "by_time", "model": "gbt", "label": "watched",
            "slice": "{}", "bin": place, "rows": 100, "rows_weight": 100.0, "mean_score": place / 25,
            "positive_share": place / 24, "run_id": "r1",
        }
        for place in range(1, 11)
    ]  # fmt: skip
    return Contents(
        place="data/demo",
        made=_NOON,
        run_id="20260112T120000-0a1b2c3d",
        funnels=[_funnel(day) for day in DAYS],
        ledger=[_ledger(day, stratum, 40 + day.day) for day in DAYS for stratum in strata],
        alarms=[Alarm(DAYS[3], "row_count", "block", f"expected 50% to 200% of the rows, found {HOSTILE}")],
        natural_days=frozenset(DAYS[-1:]),
        weights=[{"label": "watched", "bin": place * 0.05, "rows": 1000 - 9 * place} for place in range(10, 100)],
        metrics=lists + scores + compared + sliced,
        reliability=curve,
        trials=[_trial(place, 8 * place, 0.01 * place % 0.04) for place in range(1, 7)]
        + [_trial(7, 64, None, "failed")],
        users=[User("u1", DAYS[-1], watched, watched[:1], {"als": [Media(1, HOSTILE, HOSTILE), Media(3, "Tide")]})],
        runs=[_run(1, "done"), _run(2, "failed", HOSTILE)],
        versions={"ledger": 9, "runs": 12},
    )
