"""What the README says is so: its commands run, its Python runs, its tables are those of the schema."""

import re
import runpy
import shlex
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
LOG = "data/walk"
#: What runs on every engine; the other jobs fit models, which takes Spark ML.
DATA_JOBS = ("make_impressions", "import_impressions", "prepare_examples")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def walked(spark, engine, tmp_path_factory):
    """The folder after the commands of the README were run that the engine is for, and each command's exit code."""
    root = tmp_path_factory.mktemp("walk")
    codes = {}
    for line in "\n".join(blocks("sh")).splitlines():
        words = shlex.split(line.replace(LOG, str(root)))
        assert words[0] == "python", line
        if engine == "sail" and Path(words[1]).stem not in DATA_JOBS:
            continue
        before, sys.argv = sys.argv, words[1:]
        try:
            with pytest.raises(SystemExit) as ended:
                runpy.run_path(str(ROOT / words[1]), run_name="__main__")
        finally:
            sys.argv = before
        codes[line] = ended.value.code
    return root, codes


@pytest.mark.timeout(2400)  # the whole line, from a log to a report, on a slow machine too
def test_every_command_of_the_readme_succeeds(walked):
    _, codes = walked
    assert len(codes) >= 4
    assert set(codes.values()) == {0}, codes


def test_the_python_of_the_readme_runs(walked, spark):
    root, _ = walked
    (source,) = blocks("python")
    names = {"spark": spark}
    exec(source.replace(LOG, str(root)), names)
    train = names["train"]
    assert {"label", "rate", "weight"} <= set(train.columns)
    counts = {row["label"]: row["count"] for row in train.groupBy("label").count().collect()}
    assert counts[0] == pytest.approx(2 * counts[1], rel=0.2)


def test_the_data_dictionary_is_that_of_the_schema():
    data_dictionary = runpy.run_path(str(ROOT / "tools" / "data_dictionary.py"))
    written = data_dictionary["PAGE"].read_text(encoding="utf-8")
    assert data_dictionary["dictionary"]() == written, "run .venv/bin/python tools/data_dictionary.py"


def test_every_path_that_the_readme_names_is_there():
    named = set(re.findall(r"`((?:lib|conf|jobs|tools|tests|benchmarks)/[\w./-]+)`", README))
    assert len(named) > 10
    assert not [path for path in named if not (ROOT / path).exists()]


def test_every_make_target_that_the_readme_names_is_there():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z-]+)\b", README)) <= targets
