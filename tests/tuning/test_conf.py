"""What was found, as a conf that loads; and progress, for who looks."""

import io
import tomllib

import pytest

from winnow.config import Settings, load
from winnow.errors import SettingsError
from winnow.tuning import Progress, conf_text

TRIED = {
    "retrieval.als.rank": 24,
    "retrieval.als.alpha": 3.5e-07,
    "sampling.strata": ("surface", "device"),
    "sampling.exact": True,
    "evaluation.relevance.watched": 2,
    "retrieval.label": "watched",
}


def test_the_best_settings_are_a_conf_that_loads(tmp_path):
    file = tmp_path / "best.toml"
    file.write_text(conf_text(TRIED, {"precision@10": "0.1\n[evil]\nx = 1"}))
    settings = load([file])
    assert settings.retrieval.als.rank == 24
    assert settings.retrieval.als.alpha == 3.5e-07
    assert settings.sampling.strata == ("surface", "device")
    assert settings.evaluation.relevance == {"watched": 2}
    assert settings == Settings().changed({**TRIED, "sampling.strata": ["surface", "device"]})
    assert set(tomllib.loads(file.read_text())) == {"retrieval", "sampling", "evaluation"}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"retrieval.als.rnak": 3}, "did you mean rank"),
        ({"retrieval.als.rank": "many"}, "a whole number"),
        ({"retrieval.als.rank": 0}, "from 1 to 1024"),
        ({"retrival.rank": 3}, "did you mean retrieval"),
        ({"retrieval.label.kind": 3}, "no such setting"),
    ],
)
def test_what_is_no_setting_cannot_be_changed(values, said):
    with pytest.raises(SettingsError) as refused:
        Settings().changed(values)
    assert said in str(refused.value)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress_tells_the_time_left_on_a_terminal_only():
    moments = iter([0.0, 30.0, 60.0])
    screen, log = Terminal(), io.StringIO()
    shown = Progress(4, screen, clock=lambda: next(moments))
    shown.tell(0.25)
    shown.tell(0.5)
    assert screen.getvalue().split("\r\x1b[K")[1:] == [
        "1 of 4 trials, best 0.2500, about 2 min left",
        "2 of 4 trials, best 0.5000, about 1 min left",
    ]
    hidden = Progress(4, log)
    hidden.tell(0.25)
    hidden.end()
    assert log.getvalue() == ""
