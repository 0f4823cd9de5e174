"""What SECURITY.md and the lock say is so: every job and table is named, every package is pinned by its hashes."""

import importlib.util
import re
import runpy

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement

from conftest import PROJECT
from winnow import schema

PAGE = (PROJECT / "SECURITY.md").read_text(encoding="utf-8")
LOCKS = sorted((PROJECT / "tools" / "requirements").glob("*.txt"))
PYTHONS = ("3.11", "3.12", "3.13")


def pins(lock):
    """The requirements of a lock, each with the number of its hashes."""
    blocks = re.split(r"\n(?=[a-z0-9])", lock.read_text(encoding="utf-8"))
    blocks = [block for block in blocks if not block.startswith("#")]
    return [(Requirement(block.partition("\\")[0].strip()), block.count("--hash=sha256:")) for block in blocks]


def extras():
    """What setup.py asks for in the extras that make setup installs."""
    told = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("setuptools.setup", lambda **words: told.update(words))
        runpy.run_path(str(PROJECT / "setup.py"))
    return [Requirement(text) for name in ("spark", "dev") for text in told["extras_require"][name]]


def test_every_package_of_a_lock_has_one_version_and_its_hashes():
    assert [lock.stem for lock in LOCKS] == ["build", "dev"]
    for lock in LOCKS:
        for package, hashes in pins(lock):
            assert hashes, package
            assert [pin.operator for pin in package.specifier] == ["=="], package


@pytest.mark.parametrize("python", PYTHONS)
def test_the_lock_is_what_setup_py_asks_for_on_every_python(python):
    environment = {**default_environment(), "python_version": python, "python_full_version": f"{python}.1"}
    versions = {
        package.name: str(package.specifier).removeprefix("==")
        for package, _ in pins(PROJECT / "tools" / "requirements" / "dev.txt")
        if package.marker is None or package.marker.evaluate(environment)
    }
    wrong = [str(asked) for asked in extras() if not asked.specifier.contains(versions.get(asked.name, "0"))]
    assert not wrong, "run make lock"


def test_the_page_names_every_job_and_only_tables_that_there_are():
    table = PAGE.partition("## Least privileges")[2].partition("## Dependencies")[0]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if line.startswith("| `")
    ]
    jobs = {name for row in rows for name in re.findall(r"`(\w+)`", row[0])}
    assert jobs == {job.stem for job in (PROJECT / "jobs").glob("*.py")}
    named = {name for row in rows for cell in row[1:] for name in re.findall(r"`(\w+)`", cell)}
    assert named <= {table.name for table in schema.TABLES}


def test_the_files_that_the_page_leans_on_are_there():
    named = re.findall(r"`((?:tests|lib|conf|tools)/[\w/.*-]+)`", PAGE)
    assert len(named) > 6
    assert not [name for name in named if not list(PROJECT.glob(name.rstrip("/")))]


@pytest.fixture(scope="module")
def audit():
    spec = importlib.util.spec_from_file_location("audit", PROJECT / "tools" / "audit.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def answering(tmp_path, text, code):
    """A stand-in for pip-audit that gives one answer."""
    program = tmp_path / "bin" / "pip-audit"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{text}\nEND\nexit {code}\n")
    program.chmod(0o755)
    return tmp_path


FAULT = '{"id": "CVE-1", "fix_versions": ["2.0"], "aliases": [], "description": ""}'
CLEAN = '{"dependencies": [{"name": "a", "version": "1.0", "vulns": []}], "fixes": []}'
ANSWERS = [
    (CLEAN, 0, 0, "1 packages, 0 known"),
    (CLEAN.replace("[]}]", f"[{FAULT}]}}]"), 1, 1, "a 1.0: CVE-1, mended by 2.0"),
    ('{"dependencies": [{"name": "a", "skip_reason": "not found"}]}', 0, 2, "NOT DONE"),
    ("", 1, 2, "NOT DONE"),
]


@pytest.mark.parametrize(("answer", "code", "ends", "told"), ANSWERS)
def test_an_audit_that_could_not_ask_is_no_audit_without_findings(
    audit, tmp_path, monkeypatch, capsys, answer, code, ends, told
):
    monkeypatch.setattr(audit, "TOOLS", answering(tmp_path, answer, code))
    assert audit.main() == ends
    assert told in "".join(capsys.readouterr())
