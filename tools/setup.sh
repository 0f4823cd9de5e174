#!/usr/bin/env bash
# Make .venv with everything that Winnow needs, and link the Delta jars into its Spark.
# Fast and offline when all is there: `make run` and `make test` call it every time.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

fail() {
    echo "$1" >&2
    exit 1
}

# ---- Java: looked for each time, since every command needs it -----------------------------------------------------

java=java
[ -z "${JAVA_HOME:-}" ] || java="$JAVA_HOME/bin/java"
# "17.0.15" is Java 17 and "1.8.0_392" is Java 8. The program may be a stub that only says where to get Java.
java_says=$("$java" -version 2>&1) || true
version=$(sed -nE 's/.* version "(1\.)?([0-9]+).*/\2/p' <<<"$java_says" | head -n 1)
advice="install a JDK such as openjdk-17-jdk-headless and put java on PATH or set JAVA_HOME"
where=""
[ -z "${JAVA_HOME:-}" ] || where=" in JAVA_HOME=$JAVA_HOME"
[ -n "$version" ] || fail "Winnow needs Java 17 or later: $advice (found: no Java$where)"
[ "$version" -ge 17 ] || fail "Winnow needs Java 17 or later: $advice (found: Java $version$where)"

# ---- The venv: made once, and again when setup.py, the lock or this script changed, or the checkout was moved ----------------

venv_python=.venv/bin/python
stamp=.venv/.winnow-setup
is_current() {
    [ -x "$venv_python" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$PWD" ] &&
        [ "$stamp" -nt setup.py ] && [ "$stamp" -nt tools/setup.sh ] && [ "$stamp" -nt tools/requirements/dev.txt ]
}
is_new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

if ! is_current; then
    # Spark starts its JVM with this module, which trimmed runtimes lack.
    "$java" --list-modules 2>/dev/null | grep -q jdk.incubator.vector ||
        fail "Winnow needs a whole JDK: $advice (found: Java $version without the module jdk.incubator.vector)"

    candidates=${PYTHON:-python3 python3.11 python3.12 python3.13}
    python=""
    for candidate in $candidates; do
        if is_new_enough "$candidate"; then
            python=$candidate
            break
        fi
    done
    if [ -z "$python" ]; then
        found=$("${candidates%% *}" -c 'import sys; print("Python %d.%d" % sys.version_info[:2])' 2>/dev/null) ||
            found="no Python under the name ${candidates%% *}"
        fail "Winnow needs Python 3.11 or later: install one such as python3.11, or name it: make setup PYTHON=/path/to/python (found: $found)"
    fi

    echo "Installing the Python packages into .venv (once) ..."
    # The programs in .venv/bin name the folder that they were made in: a moved checkout needs new ones.
    [ ! -e "$stamp" ] || [ "$(cat "$stamp")" = "$PWD" ] || rm -rf .venv
    rm -f "$stamp"
    if ! is_new_enough "$venv_python"; then
        rm -rf .venv
        "$python" -c 'import ensurepip, venv' >/dev/null 2>&1 ||
            fail "Winnow needs Python's venv: install a package such as python3-venv (found: $python without it)"
        "$python" -m venv .venv
    fi
    pip() { "$venv_python" -m pip install --quiet --disable-pip-version-check "$@"; }
    if [ "${LOCKED:-yes}" = yes ]; then
        # The same files for everybody: pip takes none whose hash is not in the lock. What builds the packages that come as
        # sources (pyspark) is locked too, and is what builds Winnow itself.
        pip --require-hashes -r tools/requirements/build.txt &&
            pip --require-hashes --no-build-isolation -r tools/requirements/dev.txt &&
            pip --no-deps --no-build-isolation -e .
    else
        pip -e ".[spark,dev]"
    fi || fail "The Python packages could not be installed: see pip's message above, then run make setup again. Where a file of the lock (tools/requirements) is not to be had for this machine, make setup LOCKED=no takes what setup.py allows"
    echo "$PWD" >"$stamp"
fi

# ---- The Delta jars ------------------------------------------------------------------------------------------------

"$venv_python" tools/resolve_jars.py

# ---- Spark's classes for shorter starts ------------------------------------------------------------------------------

"$venv_python" tools/archive_classes.py "$java_says"
