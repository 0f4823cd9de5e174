"""Neural models by the jobs: as any other ranker or source of candidates, stored as ONNX."""

import pytest

from winnow.store import ModelStore

pytest.importorskip("torch", reason="needs the extra deep: make test-deep")

pytestmark = pytest.mark.not_on("sail", "connect", why="torch trains in tasks of the session's own Spark")

DAYS = ("--start", "2026-01-05", "--end", "2026-01-08")
SPLIT = ("--set", "splitting.validation_start=2026-01-07", "--set", "splitting.test_start=2026-01-08")
WORLD = (
    "--set", "synthetic.rows_per_day=2000", "--set", "synthetic.users=100", "--set", "synthetic.media=80",
    "--set", "synthetic.engaged_rate=0.2", "--set", "synthetic.searches_per_day=200",
)  # fmt: skip
DEEP = (
    "--set", "ranking.model=deep", "--set", "ranking.deep.epochs=3", "--set", "ranking.deep.places=500",
    "--set", 'ranking.columns=["surface", "media_duration_s"]', "--set", "ranking.least_auc=0",
    "--set", 'ranking.deep.lists={user_media = "media_id", user_terms = "term"}', "--set", 'features.crosses=["media"]',
)  # fmt: skip
TOWERS = (
    "--set", 'retrieval.sources=["two_tower"]', "--set", "retrieval.two_tower.epochs=2", "--set", "retrieval.candidates=10",
    "--set", "retrieval.two_tower.places=500", "--set", "retrieval.gates.validation_days=0",
)  # fmt: skip


@pytest.fixture(scope="module")
def root(run_job, tmp_path_factory):
    """A root with four days of examples."""
    place = tmp_path_factory.mktemp("deep")
    assert run_job("make_impressions", place, *DAYS, *WORLD).code == 0
    assert run_job("prepare_examples", place, *DAYS, *SPLIT, *WORLD).code == 0
    assert run_job("build_profiles", place, *DAYS, "--set", 'features.crosses=["media"]').code == 0
    return place


def test_a_deep_ranker_is_calibrated_scored_and_stored_as_any_other(run_job, root, read):
    ended = run_job("train_ranker", root, *DAYS, *SPLIT, *DEEP)
    assert ended.code == 0, ended.err
    scores = read(root, "scores")
    held_out = read(root, "examples").where("event_date >= date'2026-01-07' and watched_label is not null")
    assert scores.where("model = 'deep' and score between 0 and 1").count() == held_out.count() > 0
    store = ModelStore(str(root))
    assert {"watched.onnx", "rankers.json"} == set(
        store.open("deep", store.versions("deep")[-1].version).manifest.files
    )


def test_lists_are_made_by_a_net_that_embeds_what_users_watched_and_searched_for(run_job, root, read):
    from winnow.neural.nets import facts_of

    popular = ("--set", 'retrieval.sources=["popularity"]', "--set", "retrieval.candidates=30")
    assert run_job("generate_candidates", root, "--date", "2026-01-08", *popular).code == 0
    ended = run_job("recommend", root, "--date", "2026-01-08", *DEEP, "--set", "ranking.context.surface=home")
    assert ended.code == 0, ended.err
    assert read(root, "recommendations").select("user_id").distinct().count() == 100
    stored = ModelStore(str(root)).open("deep")
    assert facts_of(stored.read("watched.onnx"))["lists"] == {"user_media": "media_id", "user_terms": "term"}
    lists = ("--set", 'ranking.deep.lists={user_media = "media_id", user_words = "term"}')
    ended = run_job("train_ranker", root, *DAYS, *SPLIT, *DEEP, *lists)
    assert (ended.code, "user_words" in ended.err, "user_terms" in ended.err) == (3, True, True), ended.err


def test_two_towers_are_trained_stored_and_asked_by_the_jobs(run_job, root, read):
    ended = run_job("train_retrieval", root, "--date", "2026-01-08", *TOWERS)
    assert ended.code == 0, ended.err
    files = set(ModelStore(str(root)).open("two_tower").manifest.files)
    assert {"user.onnx", "media.onnx"} <= files
    ended = run_job("generate_candidates", root, "--date", "2026-01-08", *TOWERS)
    assert ended.code == 0, ended.err
    assert "two_tower is that of" in ended.err
    lists = read(root, "candidates").where("source = 'two_tower'")
    assert lists.select("user_id").distinct().count() == 100, "every account has a vector"
    assert lists.groupBy("user_id").count().where("count > 10").count() == 0
