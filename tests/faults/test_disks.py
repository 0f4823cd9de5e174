"""What is stored goes wrong: a full disk, broken files of rows, a broken log of a table."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from fault_fixtures import DAYS, FORMER, NEXT, PERIOD
from reliability import fault

DAY = DAYS[1]
MB = 1 << 20
#: Free space, in bytes, that a run of the day meets: from nothing to almost enough.
FREE = (0, 4096, 16_384, 65_536, 262_144, 1 * MB, 2 * MB, 3 * MB)


@pytest.fixture
def small_disk(root, tmp_path):
    """A disk of its own (tmpfs) with the published days on it, and some room."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={64 * MB}", "tmpfs", place], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no disk can be mounted here: {mounted.stderr.strip()}")
    try:
        shutil.copytree(root, place / "root")
        yield place
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


def fill(disk, free):
    """Fill the disk but for so many bytes; return the file that takes the room."""
    filler = disk / "filler"
    stat = os.statvfs(disk)
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(1, stat.f_bavail * stat.f_frsize - free))
    return filler


@fault(
    "disk full",
    done=f"the tables lie on a small disk (tmpfs), filled but for {len(FREE)} amounts of room from nothing to a few MB",
    promised="the run ends with 1 and says so in one line; readers see whole days; with room again a rerun is exact",
)
def test_a_full_disk_ends_the_run_and_harms_no_day(small_disk, arguments, run_job, look, all_next, outcome):
    place, codes = small_disk / "root", []
    for free in FREE:
        filler = fill(small_disk, free)
        ended = run_job("prepare_examples", place, "--date", DAY, *arguments, *NEXT)
        codes.append(ended.code)
        if ended.code:
            errors = [line for line in ended.err.splitlines() if line.startswith("error: ")]
            assert len(errors) == 1, ended.err
            assert "No space left on device" in errors[0], errors
        look(place)
        filler.unlink()
    assert set(codes) <= {0, 1}
    assert codes.count(1) >= 4, codes
    again = run_job("prepare_examples", place, *PERIOD, *arguments, *NEXT)
    assert again.code == 0, again.err
    assert all_next(place)
    outcome(
        f"{codes.count(1)} of {len(FREE)} runs found no room, ended with 1; 12 of 12 days whole each time; the rerun is exact"
    )


def live_file(table):
    """Return a file of the day that the newest version has; beside it may lie those of former versions."""
    from deltalake import DeltaTable

    return next(Path(file) for file in DeltaTable(table).file_uris() if f"event_date={DAY}" in file)


def cut(file):
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def empty(file):
    file.write_bytes(b"")


def scribble(file):
    """Change bytes in the middle, where rows are, and leave head and foot as they are."""
    data = bytearray(file.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 512] = bytes(byte ^ 0xFF for byte in data[middle : middle + 512])
    file.write_bytes(data)


def forget_checksums(folder):
    """Remove what Hadoop keeps beside files on a local disk; an object store has nothing like it."""
    for check in folder.rglob(".*.crc"):
        check.unlink()


@fault(
    "broken Parquet file",
    done="a file of the day's impressions is cut in half, emptied, scribbled in the middle, removed; then one of the stored examples",
    promised="the run ends with 1 and names the file; nothing is published; other days go on; a rerun mends broken examples",
)
@pytest.mark.not_on("sail", "connect", why="it does not name the file")
def test_a_broken_file_is_told_and_nothing_of_it_is_published(
    log, arguments, root, tmp_path, run_job, look, all_next, read, outcome
):
    broken = 0
    for number, harm in enumerate((cut, empty, scribble, os.unlink)):
        own = shutil.copytree(log, tmp_path / f"log{number}")
        forget_checksums(own)
        file = live_file(own)
        harm(file)
        mine = (*arguments, "--set", f"tables.impressions={own}")
        ended = run_job("prepare_examples", root, "--date", DAY, *mine, *NEXT)
        assert ended.code == 1, (harm, ended.err)
        (error,) = [line for line in ended.err.splitlines() if line.startswith("error: ")]
        assert file.name in error, (harm, error)
        assert set(look(root).values()) == {look(root)["examples", DAYS[0]]}, "nothing was published"
        broken += 1
    other = run_job("prepare_examples", root, "--date", DAYS[2], *mine, *NEXT)
    assert other.code == 0, other.err
    assert all_next(root, [DAYS[2]])
    forget_checksums(root / "examples")
    cut(live_file(root / "examples"))
    with pytest.raises(Exception, match=r"(?i)parquet"):
        look(root, [DAY])
    mended = run_job("prepare_examples", root, *PERIOD, *arguments, *NEXT)
    assert mended.code == 0, mended.err
    assert all_next(root)
    outcome(
        f"{broken} of 4 kinds of harm end with 1 and the file's name, 0 rows published; the other day and the mended day exact"
    )


def last_commit(table):
    return max((table / "_delta_log").glob("*.json"))


def not_json(table):
    last_commit(table).write_text('{"commitInfo": {"times')


def without_a_commit(table):
    """Remove a commit from the middle of the log."""
    sorted((table / "_delta_log").glob("*.json"))[-2].unlink()


def lost_action(table):
    """Let the last commit that adds files (VACUUM leaves commits too) name files that are not there."""
    commit = max(file for file in (table / "_delta_log").glob("*.json") if '"add"' in file.read_text())
    text = commit.read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    for line in lines:
        if "add" in line:
            line["add"]["path"] = line["add"]["path"].replace("part-", "gone-")
    commit.write_text("".join(f"{json.dumps(line)}\n" for line in lines))


#: A table's log, and what is done to it. Of our own table a file that is not there is no fault: a rerun of its day mends it.
BROKEN_LOGS = [
    ("impressions", not_json), ("impressions", without_a_commit), ("impressions", lost_action),
    ("examples", not_json), ("examples", without_a_commit),
]  # fmt: skip


@fault(
    "broken _delta_log",
    done="in the log of the impressions, and in that of the examples: half a commit, a commit lost from the middle; in that of the "
    "impressions a file that is not there",
    promised="the run ends with 1, says it in one line and writes no row; with the log put back a rerun is exact",
)
def test_a_broken_log_of_a_table_ends_the_run(log, arguments, published, tmp_path, run_job, all_next, outcome):
    day = DAYS[-1]  # the one that the last commit of either table is about
    for table, harm in BROKEN_LOGS:
        place = tmp_path / f"{harm.__name__}-{table}"
        shutil.copytree(published[FORMER], place)
        shutil.copytree(log, place / "impressions")
        kept = shutil.copytree(place / table, tmp_path / "kept" / place.name)
        forget_checksums(place / table / "_delta_log")
        harm(place / table)
        before = sorted(file.name for file in (place / "examples").rglob("*.parquet"))
        mine = (*arguments, "--set", f"tables.impressions={place}/impressions")
        ended = run_job("prepare_examples", place, "--date", day, *mine, *NEXT)
        assert ended.code == 1, (harm, table, ended.code, ended.err)
        errors = [line for line in ended.err.splitlines() if line.startswith("error: ")]
        assert len(errors) == 1, ended.err
        assert sorted(file.name for file in (place / "examples").rglob("*.parquet")) == before, (harm, table)
        mended = shutil.move(place, tmp_path / "mended" / place.name)  # the session remembers logs by their place
        shutil.rmtree(mended / table)
        shutil.copytree(kept, mended / table)
        mine = (*arguments, "--set", f"tables.impressions={mended}/impressions")
        again = run_job("prepare_examples", mended, "--date", day, *mine, *NEXT)
        assert again.code == 0, again.err
        assert all_next(mended, [day])
    tried = len(BROKEN_LOGS)
    outcome(f"{tried} of {tried} runs end with 1 and one line, no file written; {tried} of {tried} reruns exact")
