"""The page in a real browser: nothing fails, nothing is empty, nothing is wider than a phone, keys are enough.

Screenshots stay in build/report, for whoever wants to look.
"""

import pytest

from conftest import PROJECT
from reporting import browser
from winnow.reporting import ReportingSettings, page

SHOTS = PROJECT / "build" / "report"
#: Contrast of a colour with the page, by the formula of WCAG 2.
CONTRAST = """
(name) => {
  const probe = document.body.appendChild(document.createElement("i"));
  const light = (variable) => {
    probe.style.color = ""; probe.className = ""; probe.setAttribute("color", "");
    const text = getComputedStyle(document.documentElement).getPropertyValue(variable).trim();
    const parts = [1, 3, 5].map((at) => parseInt(text.slice(at, at + 2), 16) / 255);
    const linear = parts.map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  };
  const [one, other] = [light(name), light("--page")].sort((a, b) => b - a);
  probe.remove();
  return (one + 0.05) / (other + 0.05);
}
"""


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    program = browser.find()
    if program is None:
        pytest.skip(f"no browser is installed: {', '.join(browser.NAMES)}")
    with browser.started(program, tmp_path_factory.mktemp("browser")) as opened:
        yield opened


@pytest.fixture(scope="module")
def file(contents, tmp_path_factory):
    place = tmp_path_factory.mktemp("page") / "report.html"
    place.write_text(page(contents, ReportingSettings()), encoding="utf-8")
    return place


@pytest.mark.parametrize(
    ("name", "width", "dark"),
    [("light", 1440, False), ("dark", 1440, True), ("phone", 360, False), ("tablet", 800, True)],
)
def test_the_page_is_whole(shown, file, name, width, dark):
    shown.open(file, width, dark=dark)
    shown.screenshot(SHOTS / f"{name}.png")
    assert shown.faults == []
    assert {url for url in shown.asked if not url.startswith("file:")} == set()
    assert shown.ask("document.documentElement.scrollWidth") <= width, "nothing is wider than the page"
    empty = shown.ask(
        "Array.from(document.querySelectorAll('svg')).filter((svg) => svg.getBBox().width < 100 || svg.getBBox().height < 20"
        " || svg.querySelectorAll('circle, rect').length === 0).map((svg) => svg.getAttribute('aria-label'))"
    )
    assert empty == []
    assert shown.ask("document.querySelectorAll('svg').length") >= 12
    assert shown.ask("window.hacked") is None, "a title ran as a script"
    colours = ["--ink", "--soft", "--link", "--good", "--alarm", *(f"--c{place}" for place in range(7))]
    pale = {colour: ratio for colour in colours if (ratio := shown.ask(f"({CONTRAST})('{colour}')")) < 4.5}
    assert pale == {}


def test_the_theme_is_switched_by_its_button(shown, file):
    shown.open(file, 1200)
    background = "getComputedStyle(document.body).backgroundColor"
    before = shown.ask(background)
    shown.ask("document.getElementById('theme').focus()")
    shown.press("Enter", 13)
    assert shown.ask("document.documentElement.dataset.theme") == "dark"
    assert shown.ask(background) != before
    shown.press("Enter", 13)
    assert shown.ask(background) == before
    shown.ask("localStorage.removeItem('winnow-theme')")


def test_a_table_is_sorted_by_the_keyboard_alone(shown, file):
    shown.open(file, 1200)
    shown.press("Tab", 9)
    assert shown.ask("document.activeElement.textContent") == "Skip to the content"
    table = "document.querySelector('#flow table')"
    column = f"Array.from({table}.tBodies[0].rows).map((row) => row.cells[0].textContent)"
    days = shown.ask(column)
    shown.ask(f"{table}.querySelector('th button').focus()")
    shown.press("Enter", 13)
    assert shown.ask(f"{table}.querySelector('th').getAttribute('aria-sort')") == "ascending"
    shown.press("Enter", 13)
    assert shown.ask(f"{table}.querySelector('th').getAttribute('aria-sort')") == "descending"
    assert shown.ask(column) == sorted(days, reverse=True)


def test_numbers_are_sorted_as_numbers(shown, file):
    shown.open(file, 1200)
    table = "document.querySelector('#tuning table')"
    place = shown.ask(f"Array.from({table}.querySelectorAll('th')).findIndex((head) => head.textContent === 'value')")
    shown.ask(f"{table}.querySelectorAll('th button')[{place}].click()")
    column = f"Array.from({table}.tBodies[0].rows).map((row) => row.cells[{place}].dataset.number)"
    values = shown.ask(column)
    assert values[-1] is None, "what has no value is last"
    assert [float(value) for value in values[:-1]] == sorted(float(value) for value in values[:-1])
