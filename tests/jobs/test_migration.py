"""Tables of an earlier and of a later Winnow: read as they are, brought forward without their rows, or refused by name."""

import datetime as dt
import shutil

import pytest
from deltalake import DeltaTable

from winnow import schema

FIRST, SECOND = dt.date(2026, 1, 5), dt.date(2026, 1, 6)
#: What version 2 brought.
BROUGHT = {"ledger": schema.NULL_ROWS, "runs": schema.FINDINGS}


def log_rows(day):
    return [
        (day.toordinal() * 1000 + i, i % 7, i % 5, day, 60.0 if i % 4 == 0 else 3.0, 60.0, "home") for i in range(200)
    ]


@pytest.fixture(scope="module")
def older(tmp_path_factory, make_log, run_job, read):
    """A day prepared, with ledger and runs as version 1 made them: fewer columns, and nothing that tells the version."""
    made, place = tmp_path_factory.mktemp("made"), tmp_path_factory.mktemp("older")
    make_log(place, [*log_rows(FIRST), *log_rows(SECOND)])
    ended = run_job("prepare_examples", made, "--date", FIRST, "--set", f"tables.impressions={place}/impressions")
    assert ended.code == 0, ended.err
    shutil.copytree(made / "examples", place / "examples")
    for name, column in BROUGHT.items():
        rows = read(made, name).drop(str(column)).coalesce(1)
        rows.write.format("delta").partitionBy(*(["event_date"] if name == "ledger" else [])).save(f"{place}/{name}")
    return place


@pytest.fixture
def root(older, tmp_path):
    shutil.copytree(older, tmp_path / "root")
    return tmp_path / "root"


def files(root, name):
    return sorted(DeltaTable(f"{root}/{name}").file_uris())


def told(root, name):
    table = DeltaTable(f"{root}/{name}")
    comments = {field.name: field.metadata.get("comment") for field in table.schema().fields}
    return table.metadata().configuration.get(schema.VERSION_PROPERTY), comments


def test_a_new_table_tells_its_version(older, run_job, tmp_path):
    ended = run_job("prepare_examples", tmp_path, "--date", FIRST, "--set", f"tables.impressions={older}/impressions")
    assert ended.code == 0, ended.err
    assert {name: told(tmp_path, name)[0] for name in BROUGHT} == {"ledger": "2", "runs": "2"}
    again = run_job("maintain", tmp_path, "--migrate")
    assert "ledger: columns of version 2, the newest" in again.err


def test_an_older_table_is_brought_forward_and_no_row_is_written_anew(root, run_job, read, content):
    before = {name: (files(root, name), content(read(root, name))) for name in BROUGHT}
    shown = run_job("maintain", root, "--migrate", "--dry-run")
    assert shown.code == 0, shown.err
    assert "ledger: would bring columns to version 2; added: null_rows" in shown.err
    assert {name: told(root, name)[0] for name in BROUGHT} == dict.fromkeys(BROUGHT)
    ended = run_job("maintain", root, "--migrate")
    assert ended.code == 0, ended.err
    assert "runs: brought columns to version 2; added: findings" in ended.err
    for name, column in BROUGHT.items():
        version, comments = told(root, name)
        assert (version, comments[column]) == ("2", column.doc)
        kept, digest = before[name]
        if name == "ledger":
            assert files(root, name) == kept
            assert content(read(root, name), without=[str(column)]) == digest
        else:  # the run of the migration has its record there too
            assert set(kept) < set(files(root, name))
        assert read(root, name).where(f"{column} is null").count() > 0
    assert run_job("prepare_examples", root, "--date", SECOND).code == 0
    assert read(root, "ledger", SECOND).where("null_rows is not null").count() == 1


def test_an_older_table_is_read_and_written_to_as_it_is_too(root, run_job, read):
    ended = run_job("prepare_examples", root, "--date", SECOND)
    assert ended.code == 0, ended.err
    assert "short_history" not in ended.err, "the older day is compared with"
    assert run_job("verify", root, "--date", FIRST).code == 0
    assert {row.event_date: row.null_rows is None for row in read(root, "ledger").collect()} == {
        FIRST: True,
        SECOND: False,
    }


def test_a_table_of_a_later_winnow_is_refused_by_name_with_what_to_do(root, run_job):
    DeltaTable(f"{root}/ledger").alter.set_table_properties({schema.VERSION_PROPERTY: "3"}, raise_if_not_exists=False)
    before = DeltaTable(f"{root}/examples").version()
    for job, arguments in (("prepare_examples", ("--date", SECOND)), ("maintain", ("--migrate",))):
        ended = run_job(job, root, *arguments)
        assert ended.code == 3, ended.err
        assert f"ledger at {root}/ledger: expected columns of version 2 at most, found version 3" in ended.err
        assert "a newer Winnow wrote it. Use that one, or a later one" in ended.err
    assert DeltaTable(f"{root}/examples").version() == before
