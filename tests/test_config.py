"""The settings of the whole line: layers of files and --set, traps and hostile texts, record and hash."""

import dataclasses
import datetime as dt
import json

import pytest

from winnow.config import Settings, check_location, load
from winnow.errors import SettingsError
from winnow.importing import ColumnSource
from winnow.labelling import Action, AnyAction, DurationQuantile, WatchedFraction
from winnow.settings import build


@pytest.fixture
def conf(tmp_path):
    """A maker of conf files."""

    def write(text, name="a.toml"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def refusal(files=(), sets=()):
    with pytest.raises(SettingsError) as told:
        load(files, sets)
    assert told.value.exit_code == 2
    return str(told.value)


def test_without_files_every_setting_has_its_default():
    assert load() == Settings()
    assert load().labels == {"watched": WatchedFraction()}


def test_later_files_win_and_set_wins_over_all(conf):
    base = conf("[sampling]\nnegatives_per_positive = 2.0\nexact = true\nstrata = ['surface', 'device']")
    over = conf("[sampling]\nnegatives_per_positive = 3.0\nstrata = ['country']", "b.toml")
    settings = load([base, over], ["sampling.seed=7", "sampling.seed=8"]).sampling
    assert (settings.negatives_per_positive, settings.exact, settings.strata) == (3.0, True, ("country",))
    assert settings.seed == 8


def test_a_label_of_another_kind_replaces_and_one_of_the_same_kind_is_merged(conf):
    base = conf("[labels.watched]\nkind = 'watched_fraction'\nnegative_at_most = 0.2")
    same = conf("[labels.watched]\npositive_at_least = 0.7", "same.toml")
    other = conf("[labels.watched]\nkind = 'duration_quantile'\n[labels.liked]\nkind = 'action'", "other.toml")
    assert load([base, same]).labels == {"watched": WatchedFraction(0.7, 0.2)}
    assert load([base, other]).labels == {"watched": DurationQuantile(), "liked": Action()}


def test_a_column_called_kind_is_mapped_as_any_other(conf):
    base = conf("[importing.columns]\nkind = 'a'\nuser_id = 'uid'\n[columns]\nkind = 'a'\nuser_id = 'uid'")
    over = conf("[importing.columns]\nkind = 'b'\n[columns]\nkind = 'b'", "b.toml")
    settings = load([base, over])
    assert {name: source.columns for name, source in settings.importing.columns.items()} == {
        "kind": ("b",),
        "user_id": ("uid",),
    }
    assert settings.columns == {"kind": "b", "user_id": "uid"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "[sampling]\nnegatives_per_positve = 1.0",
            "negatives_per_positve: no such setting; did you mean negatives_per",
        ),
        ("[smapling]\nexact = true", "smapling: no such setting; did you mean sampling?"),
        ("[sampling]\nexact = 1", "sampling.exact: expected true or false, found 1"),
        ("[sampling]\npositive_rows = true", "sampling.positive_rows: expected a whole number, found True"),
        ("[sampling]\nseed = 1.0", "sampling.seed: expected a whole number, found 1.0"),
        ("[weighting]\nbalance = '0.5'", "weighting.balance: expected a number, found '0.5'"),
        ("[weighting]\nbalance = nan", "weighting.balance: expected a finite number, found nan"),
        ("[weighting]\ncap_s = inf", "weighting.cap_s: expected a finite number, found inf"),
        ("[weighting]\nbalance = 1.5", "weighting.balance: expected a number from 0 to 1, found 1.5"),
        ("[weighting]\nbasis = 'time'", "weighting.basis: expected one of watch_time, log_watch_time, session_share"),
        ("[sampling]\nexact = true\nexact = false", "expected a TOML file, found a fault"),
        ("[sampling]\n[sampling]", "expected a TOML file, found a fault"),
        ("exact: true", "expected a TOML file, found a fault"),
        (b"\xff\xfe\x00", "expected a TOML file, found a fault"),
        ("[sampling]\nseed = " + "9" * 5000, "expected a TOML file, found a fault"),
        ("a = " + "[" * 100_000, "expected a TOML file, found a fault"),
        ("[sampling]\nseed = 9223372036854775808", "sampling.seed: expected a whole number of 64 bits"),
        ("sampling = 3", "sampling: expected a table of settings, found 3"),
        (
            "[labels.seen]\npositive_at_least = 0.8",
            "labels.seen.kind: expected one of watched_fraction, any_action",
        ),
        ("[labels]\nwatched = 'action'", "labels.watched: expected a table with a kind, found 'action'"),
        (
            "[labels.watched]\nkind = 'action'\npositive_at_least = 0.8",
            "labels.watched.positive_at_least: no such setting",
        ),
        ("[labels.'A b']\nkind = 'action'", "labels: expected a snake_case name such as watched, found 'A b'"),
        ("[labels]", "labels: expected at least one label"),
        ("[tables]\nexample = '/a/b'", "tables.example: no such table; did you mean examples?"),
        ("[tables]\nexamples = 3", "tables.examples: expected catalog.schema.table or a path, found 3"),
        ("[columns]\nuser_id = 'a.b'", "columns.user_id: expected a plain column name, found 'a.b'"),
        ("[sampling]\nstrata = ['watch_s']", "sampling.strata: expected columns known before the outcome"),
        (
            "[sampling]\nstrata = ['liked']\n[labels.liked]\nkind = 'action'",
            "sampling.strata: expected columns known before",
        ),
        (
            "[splitting]\nvalidation_start = 2026-01-05\ntest_start = 2026-01-05",
            "splitting.test_start: expected a day after",
        ),
    ],
)
def test_a_trap_in_a_file_is_told_with_the_file_the_key_and_what_is_allowed(conf, text, said):
    path = conf(text)
    told = refusal([path])
    assert told.startswith(f"{path}: ")
    assert said in told


def test_a_file_that_is_not_there_or_no_file_is_told(tmp_path):
    assert refusal([tmp_path / "no.toml"]).startswith(f"{tmp_path / 'no.toml'}: no such file")
    assert "expected a TOML file" in refusal([tmp_path])


def test_the_file_at_fault_is_named_though_others_are_right(conf):
    right, wrong = conf("[sampling]\nexact = true"), conf("[sampling]\nexact = 'yes'", "wrong.toml")
    assert refusal([right, wrong]).startswith(f"{wrong}: sampling.exact")


@pytest.mark.parametrize(
    ("text", "section", "key", "value"),
    [
        ("sampling.exact=true", "sampling", "exact", True),
        (" sampling . exact = true ", "sampling", "exact", True),
        ("sampling.strata=['surface', 'device']", "sampling", "strata", ("surface", "device")),
        ("sampling.strata=[]", "sampling", "strata", ()),
        ("sampling.allocation=equal", "sampling", "allocation", "equal"),
        ("sampling.allocation='equal'", "sampling", "allocation", "equal"),
        ("sampling.seed=-5", "sampling", "seed", -5),
        ("weighting.balance=1e-1", "weighting", "balance", 0.1),
        ("splitting.test_start=2026-01-05", "splitting", "test_start", dt.date(2026, 1, 5)),
        ("columns.user_id=uid", "columns", "user_id", "uid"),
        ("tables.examples=s3a://bucket/examples", "tables", "locations", {"examples": "s3a://bucket/examples"}),
        ("labels.liked={kind='any_action', actions=['liked']}", "labels", "liked", AnyAction(("liked",))),
    ],
)
def test_set_takes_toml_values_and_bare_words(text, section, key, value):
    found = getattr(load(sets=[text]), section)
    assert (found[key] if isinstance(found, dict) else getattr(found, key)) == value


HOSTILE = [
    "",
    "=",
    "sampling",
    "sampling=1",
    "sampling.exact",
    ".exact=true",
    "sampling..exact=true",
    "sampling.exact=",
    "sampling.exact=true; DROP TABLE examples",
    "sampling.exact=true\nsampling.seed=1",
    "sampling.exact=tr\r\nue",
    "sampling.exact\x00=true",
    "sampling.exact=true\x00",
    "sampling.`exact`=true",
    "sampling.__class__=1",
    "sampling.__post_init__=1",
    "__class__.__init__=1",
    "sampling.strata=['user_id`; DROP TABLE x --']",
    "sampling.strata=[\"a' OR '1'='1\"]",
    "sampling.strata=['*']",
    "sampling.strata=['a.b']",
    "sampling.allocation=equal' OR 1=1 --",
    "sampling.seed=1) OR (1=1",
    "sampling.seed=" + "9" * 5000,
    "sampling.seed=" + "[" * 100_000,
    "weighting.balance=" + "9" * 400,
    "weighting.balance=1e999",
    "sampling.exact=" + "x" * 1_000_000,
    "sampling.еxact=true",  # a Cyrillic e
    "sampling.exact=ｔｒｕｅ",  # full-width letters
    "sampling.seed=١",  # an Arabic digit
    "tables.examples=../../etc/passwd",
    "tables.examples=/data/../etc",
    "tables.examples=/data/..",
    "tables.examples='/data/`x`'",
    'tables.examples="/data/\\u0000x"',
    'tables.examples="/data/\\u202Ex"',
    "tables.examples='a.b.c.d'",
    "tables.examples='a.b; DROP TABLE c'",
    "tables.examples='delta.`/data/x`'",
    "tables.examples='/data/*'",
    "tables.__init__=x",
    "columns.user_id='a` AS b, `c'",
    "columns.'user_id'=x",
    "labels.watched={kind='os.system'}",
    "labels.x;y={kind='action'}",
    "labels.watched.__init__=1",
    "splitting.test_start='2026-01-05 OR 1=1'",
    "splitting.test_start=2026-02-30",
    "importing.options.path='/etc/passwd'",
    "importing.columns.user_id={from='a`b'}",
    "importing.columns.user_id={from='a', time_zone=\"UTC'); DROP\"}",
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_set_is_refused(text):
    assert refusal(sets=[text]).startswith("--set ")


@pytest.mark.parametrize(
    "location",
    [
        "/data/examples",
        "data/examples",
        "s3a://bucket/a-b/c=d",
        "file:/a b/c",
        "/größe/観た",
        "cat.db.examples",
        "db.t",
        "t",
    ],
)
def test_tables_stand_at_names_and_at_paths(location):
    check_location("tables.examples", location)
    assert load(sets=[f"tables.examples='{location}'"]).tables.locations == {"examples": location}


@pytest.mark.parametrize(
    "location",
    [
        "",
        "..",
        "../x",
        "/a/../b",
        "/a/ ../b",
        "/a/..\t/b",
        "a.b.c.d",
        "a..b",
        ".a",
        "a b",
        "1a.b",
        "größe.t",
        "/a`b",
        "/a;b",
        "/a'b",
        '/a"b',
        "/a\\b",
        "/a\nb",
        "/a\x00b",
        "/a\x7fb",
        "/a\x85b",
        "/a\u2028b",
        "/a\u202eb",
        "/a\u200bb",
        "/a*",
        "/a?",
        "/[ab]",
        "/{a,b}",
        "/$HOME",
        "/a|b",
        "/a&b",
        "/" + "a" * 1024,
        3,
        None,
        True,
    ],
)
def test_other_locations_are_refused(location):
    with pytest.raises(SettingsError, match=r"^tables\.examples: expected"):
        check_location("tables.examples", location)


FULL = [
    "labels.watched={kind='watched_fraction', not_played='negative'}",
    "labels.loved={kind='any_action', actions=['liked', 'watched']}",
    "labels.liked.kind='action'",
    "labels.long={kind='duration_quantile', groups=5}",
    "columns.user_id=uid",
    "sampling.strata=['surface']",
    "sampling.negative_rows=10",
    "splitting.validation_start=2026-01-05",
    "tables.examples='/data/examples'",
    "importing.columns={impression_id={from=['a', 'b']}, watch_s={from='ms', unit='ms'}, user_id='uid'}",
    "importing.options.sep=';'",
]


def test_the_record_is_plain_and_makes_the_same_settings():
    for settings in (load(), load(sets=FULL)):
        record = json.loads(json.dumps(settings.as_record()))
        again = build(Settings, record, "")
        assert again == settings
        assert again.hash() == settings.hash()


def test_the_hash_does_not_depend_on_the_order_in_which_things_are_said():
    assert load(sets=FULL).hash() == load(sets=[*FULL[6:], *FULL[:6]]).hash()
    assert load(sets=["sampling.exact=false"]).hash() == load().hash()
    assert Settings().hash() == Settings().hash()
    assert len(Settings().hash()) == 64


def leaves(settings, path=()):
    """Every plain setting, by its path of field names."""
    for item in dataclasses.fields(settings):
        value = getattr(settings, item.name)
        if dataclasses.is_dataclass(value):
            yield from leaves(value, (*path, item.name))
        elif isinstance(value, bool | int | float | dt.date | None):
            yield (*path, item.name), value


def changed(settings, path, value):
    """The settings with another value at the path, past the checks."""
    copy = dataclasses.replace(settings)
    inner = copy if len(path) == 1 else changed(getattr(copy, path[0]), path[1:], value)
    object.__setattr__(copy, path[0], value if len(path) == 1 else inner)
    return copy


def test_the_hash_changes_with_every_setting():
    settings = load(sets=FULL)
    hashes = {settings.hash()}
    paths = list(leaves(settings))
    for path, value in paths:
        other = dt.date(2030, 1, 1) if isinstance(value, dt.date) else (not value if isinstance(value, bool) else -77)
        hashes.add(changed(settings, path, other).hash())
    assert len(hashes) == len(paths) + 1
    assert len(paths) > 40


def test_a_label_named_otherwise_or_of_another_kind_has_another_hash():
    one, two = (Settings(labels={"liked": kind}) for kind in (Action(("liked",)), AnyAction(("liked",))))
    assert one.hash() != two.hash()
    assert Settings(labels={"loved": Action(("liked",))}).hash() != one.hash()


def test_a_source_of_a_column_is_a_name_or_a_table():
    settings = load(sets=FULL).importing.columns
    assert settings["user_id"] == ColumnSource(("uid",))
    assert settings["impression_id"] == ColumnSource(("a", "b"))
    assert "importing.columns.user_id: expected a key from" in refusal(
        sets=["importing.columns.user_id={columns=['a']}"]
    )


def test_a_default_label_is_set_key_by_key_as_any_other_default():
    settings = load(sets=["labels.watched.positive_at_least=0.7"])
    assert settings.labels == {"watched": WatchedFraction(positive_at_least=0.7)}
