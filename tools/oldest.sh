#!/usr/bin/env bash
# Make .venv-4.0 (once, with the network): the oldest Spark and Delta that Winnow runs on, for `make test-oldest`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

venv=.venv-4.0
stamp=$venv/.winnow-setup
if [ ! "$stamp" -nt setup.py ] || [ ! "$stamp" -nt tools/oldest.sh ]; then
    echo "Installing Spark 4.0 into $venv (once) ..."
    rm -rf "$venv"
    .venv/bin/python -m venv "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
        "pyspark==4.0.1" "delta-spark==4.0.0" "pandas>=2.2,<3" "pyarrow>=18" "numpy>=2" -e ".[dev]"
    touch "$stamp"
fi
"$venv/bin/python" tools/resolve_jars.py
