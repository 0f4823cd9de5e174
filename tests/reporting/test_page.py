"""The page: one file that asks nothing of a network, tells what is missing, and lets nothing in it run."""

import datetime as dt
import re
import shlex
import subprocess
import sys
import zipfile
from html.parser import HTMLParser

import pytest

from conftest import PROJECT
from winnow.config import load
from winnow.reporting import Contents, ReportingSettings, page, summaries
from winnow.reporting.page import sections

EMPTY = Contents("data/none", dt.datetime(2026, 1, 12, tzinfo=dt.UTC), "r0")
NAMES = [
    "glance",
    "flow",
    "balance",
    "weights",
    "ledger",
    "metrics",
    "reliability",
    "sweep",
    "tuning",
    "users",
    "lineage",
]


class Elements(HTMLParser):
    """The elements and attributes of a page, and that each is closed."""

    def __init__(self, html):
        super().__init__()
        self.found, self.open = [], []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in ("meta", "br", "img", "path", "rect", "circle"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if tag not in ("path", "rect", "circle"):
            assert self.open.pop() == tag


@pytest.fixture(scope="module")
def html(contents):
    return page(contents, ReportingSettings())


def test_every_section_is_there_once_and_none_is_missing(contents, html):
    assert [section.name for section in sections(contents, ReportingSettings())] == NAMES
    assert not [section.name for section in sections(contents, ReportingSettings()) if section.missing]
    assert [attributes["id"] for tag, attributes in Elements(html).found if tag == "section"] == NAMES


def test_what_is_not_there_is_told_with_the_job_that_makes_it():
    shown = {section.name: section.missing for section in sections(EMPTY, ReportingSettings())}
    jobs = {name: re.search(r"python jobs/(\w+)\.py", told)[1] for name, told in shown.items()}
    assert jobs == {
        **dict.fromkeys(("glance", "flow", "balance", "weights", "ledger", "lineage"), "prepare_examples"),
        **dict.fromkeys(("metrics", "reliability"), "evaluate"),
        **dict.fromkeys(("sweep", "tuning"), "tune"),
        "users": "generate_candidates",
    }
    words = shlex.split(shown["sweep"])
    sets = [words[place + 1] for place, word in enumerate(words) if word == "--set"]
    assert [*load(sets=sets).tuning.dimensions] == ["weighting.balance"], "which no search tries by default"
    html = page(EMPTY, ReportingSettings())
    assert all(f"python jobs/{job}.py" in html for job in jobs.values())
    assert not [tag for tag, _ in Elements(html).found if tag == "svg"]


def test_texts_of_the_tables_are_shown_and_never_run(html):
    elements = Elements(html)
    assert not elements.open, "every element is closed"
    assert [tag for tag, _ in elements.found].count("script") == 1
    assert "img" not in [tag for tag, _ in elements.found]
    assert not [name for _, attributes in elements.found for name in attributes if name.startswith("on")]
    assert "&lt;script&gt;window.hacked" in html


def test_the_page_asks_nothing_of_a_network(html):
    asked = [
        value
        for _, attributes in Elements(html).found
        for name, value in attributes.items()
        if name in ("src", "href", "srcset", "data", "action") and not value.startswith("#")
    ]
    assert asked == []
    assert "@import" not in html
    assert "url(" not in html
    (policy,) = [
        value for _, value in ((t, a.get("content", "")) for t, a in Elements(html).found) if "default-src" in value
    ]
    assert policy.startswith("default-src 'none'")


def test_numbers_are_those_of_the_tables(html):
    text = re.sub(r"<[^>]+>", " ", html)
    for told in (
        "14,350",  # 7 days of 2,050 impressions
        "2.78%",  # (50 + 7) of 2,050 left out
        "0.1200",  # ndcg of als
        "0.0400",  # the p-value
        "the best of 7 trials has precision@10 0.0300",
    ):
        assert told in text, told


def test_the_templates_are_found_in_the_zip_of_py_files(tmp_path):
    subprocess.run([sys.executable, PROJECT / "tools" / "make_zip.py"], check=True, capture_output=True)
    packed = PROJECT / "dist" / "winnow.zip"
    assert "winnow/reporting/templates/page.html" in zipfile.ZipFile(packed).namelist()
    source = (
        "import datetime as dt, winnow.reporting as r\n"
        "assert 'winnow.zip' in r.__file__, r.__file__\n"
        "print(len(r.page(r.Contents('x', dt.datetime(2026, 1, 1), 'r'), r.ReportingSettings())))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(packed)!r})\n{source}"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert int(ended.stdout) > 5_000


def test_two_models_of_one_name_are_told_apart_where_both_have_lists():
    rows = [
        {"model": "als", "measured": "candidates"},
        {"model": "als", "measured": "recommendations"},
        {"model": "gbt", "measured": "recommendations"},
        {"model": "gbt", "measured": "scores"},
    ]
    found = [row["model"] for row in summaries.told_apart(rows)]
    assert found == ["als (candidates)", "als (recommendations)", "gbt", "gbt"]
    assert summaries.told_apart(None) is None
