"""The store of models: what is loaded is what was saved, and one version serves whatever dies on the way."""

import json
import pickle
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from pyarrow import fs

from conftest import JOB_ENVIRONMENT, PROJECT
from winnow.errors import GuardError, InputNotReadyError, ModelError, SettingsError
from winnow.store import Card, ModelStore, at_least, at_most
from winnow.store.files import Files

CARD = Card(
    kind="gbt",
    code_version="0.1.0",
    config_hash="abc",
    input_versions={"examples": 7},
    id_map_version=3,
    label="watched",
    features=("hour", "genre_rate"),
    correction="by_weights",
    metrics={"auc": 0.8, "ece": 0.01},
)
FILES = {"net.onnx": b"weights", "means.json": b"[1, 2]"}


@pytest.fixture
def store(tmp_path):
    """A store in which the version v1 of ranker serves."""
    made = ModelStore(str(tmp_path))
    made.save("ranker", "v1", FILES, CARD)
    made.promote("ranker", "v1")
    return made


@pytest.fixture
def version(store, tmp_path):
    """Folder of v1."""
    return tmp_path / "models" / "ranker" / "v1"


def forge(folder):
    """Make the manifest of a version tell the files that are there now, as somebody could who may write to the folder."""
    path, files = folder / "manifest.json", Files(str(folder))
    sizes = {file: size for file, size in files.sizes("").items() if file != path.name}
    told = {file: {"size": size, "sha256": files.sha256(file)} for file, size in sizes.items()}
    path.write_text(json.dumps(json.loads(path.read_text()) | {"files": told}))


def test_what_is_opened_is_what_was_saved(store):
    found = store.open("ranker")
    assert found.manifest.card == CARD
    assert {part: found.read(part) for part in FILES} == FILES
    assert found.manifest == store.open("ranker", "v1").manifest == store.versions("ranker")[0]
    assert store.names() == ["ranker"]
    with pytest.raises(ModelError, match=r"expected the part other.onnx, found means.json, net.onnx"):
        found.read("other.onnx")


def test_rows_come_back_as_they_were(spark, tmp_path):
    rows = spark.createDataFrame([(2**40, [0.5, 1.5]), (2, [0.25, 2.5])], "user_id bigint, factors array<float>")
    store = ModelStore(str(tmp_path))
    store.save("als", "v1", {"users": rows}, replace(CARD, kind="als"))
    found = store.open("als", "v1").rows(spark, "users")
    assert found.schema == rows.schema
    assert sorted(map(tuple, found.collect())) == sorted(map(tuple, rows.collect()))


@pytest.mark.not_on("sail", why="it has no Spark ML")
def test_a_pipeline_of_spark_ml_predicts_after_loading_what_it_did_before(spark, tmp_path):
    from pyspark.ml import Pipeline
    from pyspark.ml.classification import LogisticRegression
    from pyspark.ml.feature import SQLTransformer, VectorAssembler

    rows = spark.createDataFrame([(float(n % 2), n % 3 - n % 2 * 1.5) for n in range(40)], "label double, x double")
    assembled = VectorAssembler(inputCols=["x"], outputCol="features")
    fitted = Pipeline(stages=[assembled, LogisticRegression()]).fit(rows)
    store = ModelStore(f"file://{tmp_path}")
    store.save("ranker", "v1", {"model": fitted, "means.json": b"{}"}, CARD)
    loaded = store.open("ranker", "v1").spark_model("model")

    def predicted(model):
        return [row["probability"].toArray().tolist() for row in model.transform(rows).orderBy("x", "label").collect()]

    assert predicted(loaded) == predicted(fitted)

    # A class that runs text is refused when it is saved, and when it was smuggled in with a manifest that fits.
    runs_text = Pipeline(stages=[SQLTransformer(statement="SELECT * FROM __THIS__")]).fit(rows)
    with pytest.raises(ModelError, match=r"the class org.apache.spark.ml.feature.SQLTransformer"):
        store.save("ranker", "v2", {"model": runs_text}, CARD)
    assert [one.version for one in store.versions("ranker")] == ["v1"]
    folder = tmp_path / "models" / "ranker" / "v1"
    shutil.rmtree(folder / "model")
    runs_text.write().save(f"file://{folder}/model")
    forge(folder)
    with pytest.raises(ModelError, match="SQLTransformer"):
        store.open("ranker", "v1")


def test_changed_missing_and_extra_files_are_all_told_and_nothing_is_loaded(store, version):
    store.save("ranker", "v2", FILES | {"tree.ubj": b"tree"}, CARD)
    v2 = version.with_name("v2")
    (v2 / "net.onnx").write_bytes(b"Weights")
    (v2 / "means.json").unlink()
    (v2 / ".hidden.json").write_bytes(b"{}")
    for act in (store.open, store.promote):
        with pytest.raises(ModelError, match=r"v2: .* missing means.json; extra .hidden.json; changed net.onnx\. Res"):
            act("ranker", "v2")
    assert store.serving("ranker") == "v1"
    store.open("ranker")


@pytest.mark.parametrize("part", ["model.pkl", "model.joblib", "model.pt", "a/b.onnx", "../b.onnx", ".onnx", "model"])
def test_bytes_of_no_native_format_are_refused_before_anything_is_written(store, part, tmp_path):
    with pytest.raises(SettingsError, match="a file of json, onnx or ubj"):
        store.save("ranker", "v2", {"net.onnx": b"x", part: pickle.dumps(1)}, CARD)
    assert not (tmp_path / "models" / "ranker" / "v2").exists()


def test_a_pickle_is_refused_even_where_the_manifest_names_it(store, version):
    (version / "model.pkl").write_bytes(pickle.dumps(1))
    forge(version)
    with pytest.raises(ModelError, match=r"found the file model.pkl\. Save it in its own format, without pickle"):
        store.open("ranker")


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../ranker", "a/b", "/etc", "a\\b", "a b", "a\n", "v1;rm", "é", "-x", ".hidden", "x" * 129]
)
def test_names_with_tricks_are_refused(store, name):
    for act in (
        lambda: store.save(name, "v1", FILES, CARD),
        lambda: store.save("ranker", name, FILES, CARD),
        lambda: store.open("ranker", name),
        lambda: store.promote(name, "v1"),
        lambda: store.remove("ranker", name),
        lambda: store.versions(name),
    ):
        with pytest.raises(SettingsError, match="a plain name"):
            act()


def test_a_version_never_changes(store):
    with pytest.raises(ModelError, match="never changes"):
        store.save("ranker", "v1", {"net.onnx": b"other"}, CARD)
    assert store.open("ranker").read("net.onnx") == b"weights"


def test_a_version_under_another_name_is_refused(store, version):
    shutil.copytree(version, version.with_name("v2"))
    with pytest.raises(ModelError, match="found that of ranker/v1"):
        store.open("ranker", "v2")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"name": "ranker"}'])
def test_a_broken_manifest_is_refused(store, version, text):
    (version / "manifest.json").write_text(text)
    with pytest.raises(ModelError, match=r"manifest.json: expected what the store wrote"):
        store.open("ranker")


def test_a_model_serves_only_after_all_its_gates_are_passed(store):
    metrics = {"auc": 0.7, "ece": 0.5}
    store.save("ranker", "v2", FILES, replace(CARD, metrics=metrics))
    gates = [at_least("auc", 0.75), at_most("ece", 0.02), at_least("ndcg", 0.1)]
    with pytest.raises(GuardError, match=r"auc at least 0.75, found 0.7; ece at most 0.02, found 0.5; ndcg .* no such"):
        store.promote("ranker", "v2", gates)
    assert store.serving("ranker") == "v1"
    store.promote("ranker", "v2", [at_least("auc", 0.7)])
    assert store.serving("ranker") == "v2"
    with pytest.raises(SettingsError, match=r"metrics.auc: expected a finite number, found nan"):
        store.save("ranker", "v3", FILES, replace(CARD, metrics={"auc": float("nan")}))


def test_rollback_goes_back_one_version_at_a_time(store):
    for name in ("v2", "v3"):
        store.save("ranker", name, FILES, CARD)
        store.promote("ranker", name)
    store.promote("ranker", "v2")  # what served is listed once: v1, v3, v2
    assert [store.rollback("ranker"), store.rollback("ranker")] == ["v3", "v1"]
    assert store.serving("ranker") == "v1"
    with pytest.raises(InputNotReadyError, match="found none"):
        store.rollback("ranker")
    assert [one.version for one in store.versions("ranker")] == ["v1", "v2", "v3"]


def test_rollback_to_a_damaged_version_is_refused_and_the_present_one_serves_on(store, version):
    store.save("ranker", "v2", FILES, CARD)
    store.promote("ranker", "v2")
    (version / "net.onnx").unlink()
    with pytest.raises(ModelError, match="v1"):
        store.rollback("ranker")
    assert store.serving("ranker") == "v2"


def test_a_version_that_serves_is_not_removed_and_another_is_gone_for_good(store, version):
    store.save("ranker", "v2", FILES, CARD)
    store.promote("ranker", "v2")
    with pytest.raises(ModelError, match="Promote another"):
        store.remove("ranker", "v2")
    store.remove("ranker", "v1")
    assert not version.exists()
    with pytest.raises(InputNotReadyError):
        store.rollback("ranker")


def test_a_model_that_is_not_there_is_told(store):
    for act in (store.open, store.serving, store.rollback):
        with pytest.raises(InputNotReadyError, match="models/other: expected"):
            act("other")
    with pytest.raises(InputNotReadyError, match="models/ranker/v9: expected a version"):
        store.open("ranker", "v9")


def test_a_model_of_other_features_label_or_correction_is_refused_by_name(store):
    found = store.open("ranker")
    found.check(kind="gbt", label="watched", features=("hour", "genre_rate"), correction="by_weights")
    with pytest.raises(ModelError, match=r"label 'liked', found 'watched'; features \('hour',\), found \('hour', 'gen"):
        found.check(kind="gbt", label="liked", features=("hour",))


def test_versions_promoted_at_once_all_have_served_and_one_serves(store):
    names = [f"w{n}" for n in range(8)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda name: store.save("ranker", name, FILES, CARD), names))
        list(threads.map(lambda name: ModelStore.promote(store, "ranker", name), names))
    served = [store.serving("ranker")] + [store.rollback("ranker") for _ in names]
    assert sorted(served[:-1]) == names
    assert served[-1] == "v1"


def test_of_two_saves_of_one_version_at_once_one_is_refused(store):
    def save(content):
        try:
            return store.save("ranker", "w", {"net.onnx": content}, CARD)
        except ModelError:
            return None

    with ThreadPoolExecutor(4) as threads:
        saved = [one for one in threads.map(save, [b"1", b"2", b"3", b"4"]) if one]
    assert len(saved) == 1
    assert store.open("ranker", "w").manifest == saved[0]


#: Dies as by kill -9 right after the N-th file that the store writes itself.
DIES = """
import os, signal, sys
from winnow.store import Card, ModelStore
from winnow.store.files import Files

left, write = int(sys.argv[2]), Files.write

def deadly(self, path, content):
    global left
    write(self, path, content)
    left -= 1
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)

Files.write = deadly
store = ModelStore(sys.argv[1])
store.save("ranker", "v2", {"net.onnx": b"new", "means.json": b"{}"}, Card("gbt", "0.1.0", "abc"))
store.promote("ranker", "v2")
"""


@pytest.mark.parametrize(
    ("writes", "is_saved"), [(1, False), (3, False), (4, True)], ids=["a_part", "the_manifest", "the_pointer"]
)
def test_a_save_killed_on_the_way_leaves_the_former_version_serving(store, tmp_path, writes, is_saved):
    killed = subprocess.run(
        [sys.executable, "-c", DIES, str(tmp_path), str(writes)],
        env=JOB_ENVIRONMENT | {"PYTHONPATH": str(PROJECT / "lib")},
        check=False,
        timeout=60,
    )
    assert killed.returncode == -signal.SIGKILL
    assert store.serving("ranker") == "v1"
    assert store.open("ranker").read("net.onnx") == b"weights"
    assert [one.version for one in store.versions("ranker")] == (["v1", "v2"] if is_saved else ["v1"])
    store.save("ranker", "v3", FILES, CARD)  # neither the dead one's lock nor what it left is in the way
    store.promote("ranker", "v3")
    assert store.serving("ranker") == "v3"


def test_elsewhere_than_on_a_local_disk_it_works_without_a_lock(tmp_path, monkeypatch):
    class Remote:
        @staticmethod
        def from_uri(uri):
            assert uri == "s3://bucket/winnow/models"
            (tmp_path / "bucket").mkdir(exist_ok=True)
            return fs.SubTreeFileSystem(str(tmp_path / "bucket"), fs.LocalFileSystem()), "winnow/models"

    monkeypatch.setattr(fs, "FileSystem", Remote)
    store = ModelStore("s3a://bucket/winnow/")
    for name in ("v1", "v2"):
        store.save("ranker", name, FILES, CARD)
        store.promote("ranker", name)
    assert store.rollback("ranker") == "v1"
    assert store.open("ranker").read("net.onnx") == b"weights"
    assert not list(tmp_path.rglob(".lock"))


def test_rows_that_spark_wrote_elsewhere_are_missed_at_once(tmp_path, spark, monkeypatch):
    monkeypatch.setattr(Files, "sizes", lambda *_: {})  # as where Spark's own file system is another
    with pytest.raises(ModelError, match="Give the root as a URI"):
        ModelStore(str(tmp_path)).save("als", "v1", {"users": spark.range(1)}, CARD)
