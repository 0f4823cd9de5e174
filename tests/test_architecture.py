"""The borders of the library, read from its source: stages are lazy, repeatable and free of the session."""

import ast
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from winnow import schema

PROJECT = Path(__file__).resolve().parent.parent
LIBRARY = PROJECT / "lib" / "winnow"
MODULES = sorted(LIBRARY.rglob("*.py"))
JOBS = sorted((PROJECT / "jobs").glob("*.py"))

Finder = Callable[[ast.AST], bool]


@dataclass(frozen=True)
class Rule:
    """What a module must not have, why, and which modules may have it all the same."""

    name: str
    finds: Finder
    why: str
    allowed: tuple[str, ...] = ()


def calls(*names: str) -> Finder:
    """Find ``x.name(...)``."""
    return lambda node: isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in names


def functions(*names: str) -> Finder:
    """Find ``F.name(...)``."""
    return lambda node: calls(*names)(node) and isinstance(node.func.value, ast.Name) and node.func.value.id == "F"


def mentions(*names: str) -> Finder:
    """Find ``x.name``, called or not: a property, or a decorator."""
    return lambda node: isinstance(node, ast.Attribute) and node.attr in names


def but(finder: Finder, *receivers: str) -> Finder:
    """Find what the finder finds, except on a receiver of that name: our own verb of the same name."""
    own = re.compile(rf"(?:.*\.)?(?:{'|'.join(receivers)})")
    return lambda node: finder(node) and not own.fullmatch(ast.unparse(getattr(node, "func", node).value))


def any_of(*finders: Finder) -> Finder:
    """Find what any of the finders finds."""
    return lambda node: any(finds(node) for finds in finders)


def counts_a_frame(node: ast.AST) -> bool:
    """Find ``rows.count()``, which runs; ``F.count(...)`` and ``rows.groupBy(...).count()`` are lazy."""
    if not calls("count")(node) or node.args or node.keywords:
        return False
    return not calls("groupBy", "groupby", "rollup", "cube")(node.func.value)


def is_sql_text(node: ast.AST) -> bool:
    """Find ``rows.where("text")``: a condition in SQL."""
    return calls("where", "filter")(node) and len(node.args) == 1 and is_text(node.args[0])


def is_text(node: ast.AST) -> bool:
    """Whether it is a string, or an f-string."""
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def drops_some_copy(node: ast.AST) -> bool:
    """Find ``dropDuplicates([...])``, which keeps whichever copy comes first; without columns copies are equal."""
    return calls("dropDuplicates", "drop_duplicates")(node) and bool(node.args or node.keywords)


def pivots_unnamed(node: ast.AST) -> bool:
    """Find ``pivot(column)`` without its values, which runs a query to find them."""
    return calls("pivot")(node) and len(node.args) + len(node.keywords) < 2


def imports_bare_functions(node: ast.AST) -> bool:
    """Find ``from pyspark.sql.functions import col``: only as F are functions seen by the other rules."""
    return isinstance(node, ast.ImportFrom) and (node.module or "").startswith("pyspark.sql.functions")


#: Each engine's own room: what engines do differently, and nothing of what rows mean.
ENGINES = ("engines/spark.py", "engines/sail.py")
RULES = (
    Rule(
        "collects",
        any_of(
            calls("collect", "toPandas", "toArrow", "toLocalIterator", "head", "tail", "first", "isEmpty", "show"),
            but(calls("take"), "pc"),  # Arrow's own, of arrays
        ),
        "a stage is lazy and brings no row to the driver; line.py and what it fetches by know the small tables",
        ("local.py", "line.py", *ENGINES),
    ),
    Rule(
        "counts",
        any_of(counts_a_frame, pivots_unnamed, calls("approxQuantile", "crosstab", "freqItems")),
        "a stage is lazy: it starts no query. Count with F.count in an aggregate",
        ("pipeline.py", *ENGINES),
    ),
    Rule(
        "keeps",
        calls("cache", "persist", "unpersist", "checkpoint", "localCheckpoint"),
        "a stage keeps nothing; what reads rows in several passes keeps them between its first and last line (local.kept)",
        # And Spark's engine lets go of what Spark ML keeps.
        ("local.py", "engines/spark.py"),
    ),
    Rule(
        "reads or writes",
        any_of(
            but(mentions("read"), "tables", "stored"),
            mentions("readStream", "write", "writeTo", "writeStream", "saveAsTable", "insertInto"),
            but(mentions("save"), "store"),
        ),
        "tables.py is the only reader and writer",
        # Files of others are read for it by foreign.py. The store of models does for models what tables.py does for tables;
        # and progress is a line on the terminal.
        ("tables.py", "foreign.py", "job.py", "store/models.py", "store/files.py", "tuning/progress.py", *ENGINES),
    ),
    Rule(
        "leaves Connect",
        mentions("sparkContext", "rdd", "toJSON", "_jvm", "_jdf", "_jsc", "_jsparkSession", "_sc"),
        "the same code runs over Spark Connect, where these are not",
        # The lineage of kept rows is cut where there is a context, which is asked first; a session that starts here has one.
        ("job.py", "local.py", "engines/sessions.py", *ENGINES),
    ),
    Rule(
        "runs Python on rows",
        mentions(
            *("udf", "pandas_udf", "arrow_udf", "udtf", "mapInPandas", "mapInArrow", "applyInPandas", "applyInArrow"),
            *("foreach", "foreachPartition"),
        ),
        "each row would leave the JVM and come back, which costs more than what most functions of F do with it",
        # A block of users at a time, as Arrow: inner products of matrices are what numpy is for.
        # Passes of an SVD over such blocks are products of matrices too.
        # Trees of XGBoost are walked by XGBoost, and nets by onnxruntime, a batch of vectors at a time.
        # Lists are chosen one after the other, a batch of users at a time.
        # Ids are sorted by the million, where Spark would shuffle and group each as a row: four times the CPU.
        (
            "duplicates.py",
            *("retrieval/scoring.py", "retrieval/svd.py", "retrieval/two_tower.py"),
            *("ranking/xgb.py", "ranking/deep.py", "reranking/choosing.py"),
        ),
    ),
    Rule(
        "has SQL text",
        any_of(
            calls("expr", "selectExpr", "sql", "call_function", "reflect", "try_reflect", "java_method"), is_sql_text
        ),
        "text from a setting could run as code; columns are looked up and values are literals",
        ENGINES,
    ),
    Rule(
        "draws at random",
        any_of(
            functions(
                "rand", "randn", "uniform", "randstr", "shuffle", "uuid", "input_file_name", "spark_partition_id"
            ),
            calls("monotonically_increasing_id", "sampleBy", "randomSplit"),
            but(calls("sample"), "sampling"),
        ),
        "after a shuffle or a retry other rows come out: draw by a hash of the key",
        ENGINES,
    ),
    Rule(
        "depends on the order of rows",
        any_of(
            drops_some_copy,
            functions("first", "first_value", "last", "last_value", "any_value"),
            functions("collect_set", "collect_list", "array_agg"),
        ),
        "rows have no order after a shuffle; name it: F.max_by, F.sort_array(F.collect_list(...))",
    ),
    Rule(
        "imports bare functions",
        imports_bare_functions,
        "write `functions as F`: the rules of this file look for F.name",
    ),
)


def findings(rule: Rule, source: str, file: str) -> Iterator[str]:
    """Say each place of ``source`` that breaks the rule."""
    tree = ast.parse(source)
    sorts = functions("sort_array", "array_sort")
    in_order = {id(node.args[0]) for node in ast.walk(tree) if sorts(node) and node.args}
    for node in ast.walk(tree):
        if rule.finds(node) and id(node) not in in_order:
            yield f"{file}:{node.lineno} {rule.name} ({ast.unparse(node)[:60]}): {rule.why}"


def relative(file: Path) -> str:
    """Return the file's path from the project's root."""
    return file.relative_to(PROJECT).as_posix()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name.replace(" ", "_"))
def test_no_stage(rule):
    files = [file for file in MODULES if relative(file).removeprefix("lib/winnow/") not in rule.allowed]
    broken = [line for file in files for line in findings(rule, file.read_text(), relative(file))]
    assert not broken, "\n".join(["", *broken])


BAD = {
    "collects": ["rows.collect()", "rows.toPandas()", "rows.limit(3).toArrow()", "rows.show()"],
    "counts": ["rows.count()", "n = rows.where(x).count()", "rows.groupBy('a').pivot('b')"],
    "keeps": ["rows.cache()", "rows.persist(level)", "rows.checkpoint()"],
    "reads or writes": ["spark.read.parquet(path)", "rows.write.format('delta').save(path)", "rows.writeTo(name)"],
    "leaves Connect": ["rows.rdd.map(f)", "spark.sparkContext", "spark._jvm"],
    "runs Python on rows": ["@F.udf\ndef f(x): ...", "F.pandas_udf(f)", "rows.mapInPandas(f, ddl)", "rows.foreach(f)"],
    "has SQL text": ["F.expr(text)", "rows.selectExpr('a')", "spark.sql('select 1')", "rows.where(f'{a} = 1')"],
    "draws at random": [
        "F.rand(7)",
        "F.randn()",
        "rows.sample(0.1)",
        "rows.sampleBy('a', {})",
        "F.monotonically_increasing_id()",
    ],
    "depends on the order of rows": ["F.first('a')", "F.collect_set('a')", "rows.dropDuplicates(['a'])"],
    "imports bare functions": ["from pyspark.sql.functions import rand"],
}
GOOD = (
    "from pyspark.sql import functions as F",
    "rows.groupBy('a').agg(F.count('b'), F.max_by('c', 'd'))",
    "rows.groupBy('a').count()",
    "text.count('x')",
    "rows.where(F.col('a') == 1).distinct().dropDuplicates()",
    "rows.groupBy('a').pivot('b', ['c'])",
    "F.filter('a', lambda x: x > 1)",
    "F.sort_array(F.collect_list('a'))",
    "draws.uniform('place', key)",
    "run.tables.read(schema.LEDGER)",
    "sampling.sample(plan)",
)


@pytest.mark.parametrize(("rule", "source"), [(rule, bad) for rule in RULES for bad in BAD[rule.name]])
def test_the_rule_sees(rule, source):
    assert list(findings(rule, source, "bad.py"))


@pytest.mark.parametrize("source", GOOD)
def test_no_rule_refuses(source):
    assert not [line for rule in RULES for line in findings(rule, source, "good.py")]


# ---- names ---------------------------------------------------------------------------------------------------------

COLUMN_NAMES = {str(value) for value in vars(schema).values() if isinstance(value, schema.Column)}
#: Columns whose names are words of their own too: outcomes of a row, parts of a number, kinds of a count.
ALSO_WORDS = {"middle", "unlabelled", "rows", "value", "low", "high", "k"}


def other_names(tree: ast.AST) -> Iterator[ast.AST]:
    """Find strings that name something else: a module's exports, a setting, the purpose of a draw, part of a text."""
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield from ast.walk(node)
        elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            yield from ast.walk(node.value)
        elif isinstance(node, ast.Call) and node.args and re.match(r"check|draws\.", ast.unparse(node.func)):
            yield node.args[0]
            yield from [argument for argument in node.args[1:2] if ast.unparse(node.func) == "check"]


def column_literals(source: str, file: str) -> Iterator[str]:
    """Say each string that is a column's name."""
    tree = ast.parse(source)
    others = {id(node) for node in other_names(tree)}
    for node in ast.walk(tree):
        is_name = isinstance(node, ast.Constant) and node.value in COLUMN_NAMES - ALSO_WORDS
        if is_name and id(node) not in others:
            yield f'{file}:{node.lineno} writes "{node.value}": use winnow.schema\'s constant'


def test_only_the_schema_writes_the_name_of_a_column():
    assert {"user_id", "event_date"} <= COLUMN_NAMES
    files = [file for file in MODULES if file.parent != LIBRARY / "schema"]
    broken = [line for file in files for line in column_literals(file.read_text(), relative(file))]
    assert not broken, "\n".join(["", *broken])


def test_the_name_of_a_column_is_seen():
    assert list(column_literals("rows.select('user_id')", "bad.py"))
    assert not list(
        column_literals("rows.select(schema.USER_ID, 'my_own'); check(ok, 'seed', 'a number', 0)", "good.py")
    )


def test_no_module_is_a_drawer_for_the_rest():
    drawers = {"utils", "util", "common", "helpers", "helper", "misc"}
    names = [*LIBRARY.rglob("*"), *JOBS]
    assert not [relative(file) for file in names if file.stem in drawers], "name it by what it does"


@pytest.mark.parametrize("file", [*MODULES, *JOBS], ids=relative)
def test_a_module_is_read_in_one_sitting(file):
    lines = len(file.read_text().splitlines())
    assert lines <= 300, f"{relative(file)} has {lines} lines: split it by the words of its stage"


# ---- what must not be in any file ----------------------------------------------------------------------------------

MACHINE_PATH = re.compile(r"""(?:^|[\s"'`=(:])/(?:work|root|home|Users|mnt|opt)/\w""")
REGISTRY_HOST = re.compile(
    r"(?:pypi|pythonhosted|jfrog|sonatype|spark-packages)\.(?:org|io|com)|repo\d?\.maven|maven\.org|maven\.apache"
    r"|artifactor[y]|nexus\.",
    re.IGNORECASE,
)


def tracked_files() -> list[Path]:
    """Return the text files that git knows."""
    git = shutil.which("git")
    if git is None or not (PROJECT / ".git").exists():
        pytest.skip("not a git checkout")
    listed = subprocess.run([git, "-C", PROJECT, "ls-files", "-z"], capture_output=True, text=True, check=True).stdout
    files = [PROJECT / name for name in listed.split("\0") if name]
    return [file for file in files if file.is_file() and b"\0" not in file.read_bytes()]


@pytest.mark.parametrize(
    ("forbidden", "why"),
    [(MACHINE_PATH, "a path of one machine"), (REGISTRY_HOST, "the host of a registry: each user has their own")],
    ids=["path_of_a_machine", "registry_host"],
)
def test_no_file_names_a(forbidden, why):
    broken = [
        f"{relative(file)}:{number} {why}: {line.strip()[:80]}"
        for file in tracked_files()
        for number, line in enumerate(file.read_text().splitlines(), 1)
        if forbidden.search(line)
    ]
    assert not broken, "\n".join(["", *broken])


def test_paths_and_hosts_are_seen():
    place = "home"
    assert MACHINE_PATH.search(f'path = "/{place}/me/data"')
    assert not MACHINE_PATH.search("https://example.org/home/page, ~/data, ./work/x")
    assert REGISTRY_HOST.search("https://" + "pypi" + ".org/simple")
