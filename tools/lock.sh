#!/usr/bin/env bash
# Resolve the packages of `make setup` anew, within what setup.py allows, to tools/requirements/*.txt: each at one version,
# with the hashes of its files, for every Python that Winnow runs on. Needs the network.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

tools=build/lock
[ -x "$tools/bin/uv" ] || { .venv/bin/python -m venv "$tools" && "$tools/bin/python" -m pip install --quiet "uv>=0.13,<0.14"; }
# The lock names no index: each user has their own.
lock() {
    "$tools/bin/uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
        --no-emit-find-links --custom-compile-command "make lock" "$@"
}
printf 'setuptools\nwheel\n' | lock --upgrade - -o tools/requirements/build.txt
lock --upgrade setup.py --extra spark --extra dev -o tools/requirements/dev.txt
