"""From examples to candidates by the jobs: which models serve, and that nobody and nothing new is left out."""

import datetime as dt
import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from pyspark.sql import functions as F

DAYS = [dt.date(2026, 1, 5) + dt.timedelta(days=number) for number in range(4)]
#: Users and media of two colours, each user watches the own colour; nobody has watched NEW, which came on the last day.
USERS, MEDIA, NEW, LATER = 24, 20, (100, 101), 200
#: Two users without a past: one said what they like when they came.
CHOOSES, SAYS_NOTHING = 900, 901
COLOURS = ("light", "dark")
SETTINGS = (
    "--set", 'retrieval.sources=["popularity", "svd", "content"]', "--set", "retrieval.candidates=8",
    "--set", "retrieval.svd.rank=2", "--set", "retrieval.svd.blocks=2", "--set", "retrieval.svd.iterations=1",
    "--set", "retrieval.merging.reserved.content=2", "--set", "retrieval.content.dimensions=16",
)  # fmt: skip
POPULARITY = ("--set", 'retrieval.sources=["popularity"]')
POPULARITY_FIRST = ("--set", 'retrieval.sources=["popularity", "content"]')
APPROXIMATE = ("--set", "retrieval.scoring.index=hnsw")
UNMEASURED = ("--set", "retrieval.gates.validation_days=0")


@pytest.fixture(scope="module")
def trained(run_job, make_log, spark, tmp_path_factory):
    """A root with examples of three days and two versions of each model: as of the third day, and of the fourth."""
    root = tmp_path_factory.mktemp("trained")
    shown = [
        (day, user, media)
        for number, day in enumerate(DAYS[:3])
        for user in range(USERS)
        for media in range(MEDIA)
        if (user * 7 + media * 3 + number) % 5 == 0
    ]
    make_log(
        root,
        [
            (place, user, media, day, 9.5 if user % 2 == media % 2 else 0.5, 10.0, "home")
            for place, (day, user, media) in enumerate(shown)
        ],
    )
    # Each has a genre of its own beside the colour, and what is new has none: it is the nearest to whoever likes the colour.
    catalogue = [(media, [COLOURS[media % 2], f"genre {media}"], DAYS[0]) for media in range(MEDIA)]
    catalogue += [(media, [COLOURS[media % 2]], DAYS[3]) for media in NEW] + [
        (LATER, ["light"], DAYS[3] + dt.timedelta(1))
    ]
    tables = {
        "media": (catalogue, "media_id bigint, genres array<string>, added_date date"),
        "users": ([(user,) for user in (*range(USERS), CHOOSES, SAYS_NOTHING)], "user_id bigint"),
        "onboarding": ([(CHOOSES, ["dark"])], "user_id bigint, genres array<string>"),
    }
    for name, (rows, columns) in tables.items():
        spark.createDataFrame(rows, columns).write.format("delta").save(f"{root}/{name}")
    assert run_job("prepare_examples", root, "--start", DAYS[0], "--end", DAYS[2]).code == 0
    for day, more in zip(DAYS[2:], ((), APPROXIMATE), strict=True):
        ended = run_job("train_retrieval", root, *SETTINGS, *UNMEASURED, *more, "--date", day)
        assert ended.code == 0, ended.err
    return root


@pytest.fixture
def root(trained, tmp_path):
    """A copy of the root, to do as one likes with."""
    return Path(shutil.copytree(trained, tmp_path / "root"))


def served(root):
    """Return model -> the version that serves; versions begin with the day as of which they were trained."""
    pointers = (root / "models").glob("*/serving.json")
    return {pointer.parent.name: json.loads(pointer.read_text())["versions"][-1] for pointer in pointers}


def days(versions):
    return {name: version[:8] for name, version in versions.items()}


def of_day(day):
    return dict.fromkeys(("popularity", "svd", "content"), f"{day:%Y%m%d}")


@pytest.fixture(scope="module")
def generated(trained, run_job, tmp_path_factory):
    """A root with the lists as of the fourth day."""
    root = Path(shutil.copytree(trained, tmp_path_factory.mktemp("generated") / "root"))
    ended = run_job("generate_candidates", root, *SETTINGS, "--date", DAYS[3])
    assert ended.code == 0, ended.err
    return root


@pytest.fixture(scope="module")
def lists(generated, read):
    """Source -> user -> media in the order of their ranks."""
    found = {}
    for row in read(generated, "candidates").orderBy("source", "user_id", "rank").collect():
        found.setdefault(row["source"], {}).setdefault(row["user_id"], []).append(row["media_id"])
    return found


def test_what_is_trained_last_serves(trained):
    assert days(served(trained)) == of_day(DAYS[3])


def test_what_an_approximate_index_finds_of_the_exact_lists_stands_in_the_manifest(trained):
    told = {}
    for name, version in served(trained).items():
        card = json.loads((trained / "models" / name / version / "manifest.json").read_text())["card"]
        told[name] = card["metrics"].get("index_recall")
    assert told.pop("popularity") is None, "it has no vectors"
    assert set(told) == {"svd", "content"}
    assert all(0.9 <= share <= 1 for share in told.values()), told


def test_every_user_has_a_merged_list_and_those_without_a_past_too(lists):
    assert set(lists["merged"]) == {*range(USERS), CHOOSES, SAYS_NOTHING}
    assert set(lists["svd"]) == set(range(USERS)), "factors know nobody new"
    assert lists["merged"][SAYS_NOTHING] == lists["popularity"][SAYS_NOTHING]
    assert set(lists["content"][CHOOSES]) <= {media for media in (*range(MEDIA), *NEW) if media % 2}
    assert set(lists["content"][CHOOSES][:2]) <= set(lists["merged"][CHOOSES])


def test_media_that_nobody_has_watched_stand_in_merged_lists_once_they_are_there(lists, generated, read):
    known = {media for source in ("popularity", "svd") for mine in lists[source].values() for media in mine}
    assert not known & {*NEW, LATER}, "content alone knows them"
    listed = {media for mine in lists["merged"].values() for media in mine}
    assert set(NEW) <= listed
    assert LATER not in listed
    rows = read(generated, "candidates").where("source = 'merged'").where(f"media_id in {NEW}").collect()
    assert {found["source"] for row in rows for found in row["found_by"]} == {"content"}


@pytest.mark.parametrize("act", ["generate_candidates", "train_retrieval --rollback"])
def test_a_model_that_was_changed_is_refused_by_name_and_the_former_one_can_serve(root, run_job, act):
    day, before = (DAYS[2] if "--rollback" in act else DAYS[3]), served(root)
    version = next((root / "models" / "svd").glob(f"{day:%Y%m%d}-*"))
    changed = next((version / "media").glob("*.parquet"))
    changed.write_bytes(changed.read_bytes()[:-1] + b"!")
    name, *words = act.split()
    ended = run_job(name, root, *SETTINGS, *(words or ("--date", DAYS[3])))
    assert ended.code == 3
    assert f"models/svd/{version.name}" in ended.err
    assert f"changed media/{changed.name}" in ended.err
    assert served(root) == before
    if not words:
        assert not (root / "candidates").exists(), "nothing is published by a part of the models"


def test_after_a_rollback_the_former_models_make_the_lists(root, run_job, read):
    assert run_job("train_retrieval", root, *SETTINGS, "--rollback").code == 0
    assert days(served(root)) == of_day(DAYS[2])
    ended = run_job("generate_candidates", root, *SETTINGS, *POPULARITY, "--date", DAYS[3])
    assert ended.code == 0, ended.err
    assert f"popularity is that of {served(root)['popularity']}" in ended.err
    again = run_job("train_retrieval", root, *SETTINGS, "--rollback")
    assert again.code == 4, "nothing served before"
    assert days(served(root)) == of_day(DAYS[2])


def test_a_training_that_fails_leaves_all_former_models_serving(root, run_job):
    before = served(root)
    sets = (*SETTINGS, *UNMEASURED, *POPULARITY_FIRST, "--set", "retrieval.content.fields={plot = 1.0}")
    ended = run_job("train_retrieval", root, *sets, "--date", DAYS[3])
    assert ended.code == 4
    assert "found none of plot" in ended.err
    assert len(list((root / "models" / "popularity").glob("2*"))) == 3, "it was fitted and stored"
    assert served(root) == before


def test_a_gate_that_one_source_misses_leaves_all_former_models_serving(root, run_job):
    before = served(root)
    manifest = root / "models" / "popularity" / before["popularity"] / "manifest.json"
    told = json.loads(manifest.read_text())
    told["card"]["metrics"]["recall"] = (
        1.0  # half of what is watched is of the other colour; content has no gate to pass
    )
    manifest.write_text(json.dumps(told))
    sets = (*SETTINGS, "--set", 'retrieval.sources=["content", "popularity"]')
    ended = run_job("train_retrieval", root, *sets, "--date", DAYS[3])
    assert ended.code == 3
    assert "expected recall at least 0.8, found 0.5" in ended.err
    assert "What served before serves on" in ended.err
    newest = max((root / "models" / "content").glob("2*/manifest.json"), key=lambda path: path.stat().st_mtime_ns)
    assert newest.parent.name != before["content"], "it was stored"
    assert json.loads(newest.read_text())["card"]["metrics"]["recall"] > 0.5
    assert served(root) == before


def test_stored_vectors_are_a_feature_by_a_model_that_knows_nothing_of_the_day(root, run_job, read, spark):
    from winnow.config import load
    from winnow.errors import InputNotReadyError
    from winnow.publishing.featured import with_features
    from winnow.tables import Tables

    assert run_job("build_profiles", root, "--start", DAYS[0], "--end", DAYS[2]).code == 0
    settings = load(sets=["features.vectors=svd"])
    said = []
    run = SimpleNamespace(
        tables=Tables(spark, settings, str(root)), settings=settings, say=said.append, warn=said.append
    )
    pairs = read(root, "examples").select("user_id", "media_id").distinct().limit(20)
    for day in DAYS[2:]:  # the version of each day, though the later one serves
        (version,) = (root / "models" / "svd").glob(f"{day:%Y%m%d}-*")
        of = {
            name: {row[0]: row["factors"] for row in spark.read.parquet(str(version / part)).collect()}
            for name, part in (("user", "users"), ("media", "media"))
        }
        found = with_features(run, pairs.withColumn("as_of_date", F.lit(day)), [day]).collect()
        assert len(found) == 20
        for row in found:
            mine, its = of["user"].get(row["user_id"]), of["media"].get(row["media_id"])
            product = sum(one * other for one, other in zip(mine, its, strict=True)) if mine and its else 0.0
            assert row["cross_vector_similarity"] == pytest.approx(product, abs=1e-6)
        assert f"vectors of svd, fitted to what was before {day}" in said[-2]
    with pytest.raises(InputNotReadyError, match=f"Run train_retrieval.py --date {DAYS[1]}"):
        with_features(run, pairs.withColumn("as_of_date", F.lit(DAYS[1])), [DAYS[1]])
