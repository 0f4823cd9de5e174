# Winnow's commands. A bare `make` lists them.

# The Python that .venv is made of; unset = python3, or else the first of python3.11, python3.12, python3.13 that is there.
PYTHON ?=
# yes: the packages of tools/requirements, by their hashes; no: what setup.py allows and the index has today.
LOCKED ?= yes
# Where `make run` keeps its tables, and how many impressions it generates a day.
ROOT ?= data/demo
ROWS_PER_DAY ?= 200000
# How many impressions the largest log of `make bench` has.
ROWS ?= 20000000
# How many simulated days `make soak` runs, and the seed of their faults.
DAYS ?= 60
SEED ?= 20260105
# What runs the line in `make run` and `make soak`: spark, or sail, which needs no Java.
ENGINE ?= spark
# More arguments for pytest: make test ARGS="-k calibration -x".
ARGS ?=

# Files of tests that run at a time, each in a process with a session of its own.
WORKERS ?= 2

VENV_PYTHON := .venv/bin/python
AT_ONCE := -n $(WORKERS) --dist loadfile --no-loadscope-reorder
# What is held where Spark is the Spark of the other tests, at the other end of Connect, and on the oldest one.
DATA_STAGES := tests/labelling tests/sampling tests/test_duplicates.py tests/test_census.py tests/test_pipeline.py \
    tests/test_tables.py tests/jobs/test_records.py
# Whole jobs, one after another, each of many passes: on Spark they have a command of their own.
WHOLE_JOBS := tests/jobs tests/test_readme.py
DEMO := --conf conf/local.toml --conf conf/demo.toml
WEEK := --start 2026-01-05 --end 2026-01-11
HAS_DEEP := import importlib.util as u, sys; sys.exit(not all(map(u.find_spec, ("torch", "onnx", "onnxscript", "onnxruntime"))))
MADE := $(ROOT)/.made-$(ROWS_PER_DAY)-rows-per-day

.DEFAULT_GOAL := help
.PHONY: help setup lock audit run demo report test test-jobs test-deep test-oldest cluster-up cluster-down cluster-test fault-test real-test soak check format bench dist clean

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

setup: ## make .venv and fetch the Delta jars; at once when both are there
	@PYTHON='$(PYTHON)' LOCKED='$(LOCKED)' tools/setup.sh

run: setup ## generate a week of impressions (once) and make training examples of it: ROOT=data/demo ROWS_PER_DAY=200000 ENGINE=spark
	@if [ ! -e '$(MADE)' ]; then \
	    rm -f '$(ROOT)'/.made-*; \
	    $(VENV_PYTHON) jobs/make_impressions.py --engine '$(ENGINE)' --root '$(ROOT)' $(WEEK) --set synthetic.rows_per_day=$(ROWS_PER_DAY) \
	        && touch '$(MADE)'; \
	fi
	@$(VENV_PYTHON) jobs/prepare_examples.py --engine '$(ENGINE)' --root '$(ROOT)' $(WEEK) --conf conf/local.toml

demo: setup ## after make run, with its ROOT: profiles, candidates, a ranker, recommendations, metrics and the report
	@$(VENV_PYTHON) jobs/prepare_examples.py --root '$(ROOT)' --start 2026-01-10 --end 2026-01-11 $(DEMO) # of natural balance
	@$(VENV_PYTHON) jobs/build_profiles.py --root '$(ROOT)' $(WEEK) $(DEMO)
	@$(VENV_PYTHON) jobs/generate_candidates.py --root '$(ROOT)' --date 2026-01-11 $(DEMO)
	@$(VENV_PYTHON) jobs/train_ranker.py --root '$(ROOT)' $(WEEK) $(DEMO)
	@$(VENV_PYTHON) jobs/recommend.py --root '$(ROOT)' --date 2026-01-11 $(DEMO)
	@$(VENV_PYTHON) jobs/evaluate.py --root '$(ROOT)' --date 2026-01-11 $(DEMO)
	@$(VENV_PYTHON) jobs/report.py --root '$(ROOT)' $(DEMO)

report: setup ## write what the tables of ROOT told as one page, ROOT/report.html: ROOT=data/demo
	@$(VENV_PYTHON) jobs/report.py --engine '$(ENGINE)' --root '$(ROOT)'

test: setup ## run every test on Sail, all but whole jobs on Spark, and some over Spark Connect: 16 minutes; ARGS="-k name": some, on Spark
ifeq ($(ARGS),)
	@$(VENV_PYTHON) -m pytest $(AT_ONCE) --engine sail
	@$(VENV_PYTHON) -m pytest $(AT_ONCE) --engine connect $(DATA_STAGES)
	@$(VENV_PYTHON) -m pytest $(AT_ONCE) $(WHOLE_JOBS:%=--ignore=%)
else
	@$(VENV_PYTHON) -m pytest $(ARGS)
endif

test-jobs: setup ## run whole jobs on Spark, from a log to a report, and the commands of the README: half an hour
	@$(VENV_PYTHON) -m pytest $(AT_ONCE) $(WHOLE_JOBS) $(ARGS)

test-deep: setup ## install torch (once, some 3 GB) and run the tests of the neural models, which make test skips without it
	@$(VENV_PYTHON) -c '$(HAS_DEEP)' || { \
	    echo "Installing the extra deep into .venv (once, some 3 GB) ..."; \
	    $(VENV_PYTHON) -m pip install --quiet --disable-pip-version-check -e '.[deep]'; \
	}
	@$(VENV_PYTHON) -m pytest tests/deep tests/jobs/test_deep.py tests/retrieval/test_edges.py $(ARGS)

test-oldest: setup ## install Spark 4.0 into .venv-4.0 (once, some 700 MB) and run the tests of the data stages there
	@tools/oldest.sh
	@.venv-4.0/bin/python -m pytest $(AT_ONCE) -W "ignore::ResourceWarning" $(DATA_STAGES) $(ARGS)

cluster-up: setup ## start a Spark master and two workers on this machine, as processes of their own
	@$(VENV_PYTHON) tools/cluster.py up

cluster-down: setup ## end them, whatever state they are in
	@$(VENV_PYTHON) tools/cluster.py down

cluster-test: setup ## run every job on such a cluster of the tests' own, and with a worker lost in each: 45 minutes
	@$(VENV_PYTHON) -m pytest -o timeout=3600 tests/cluster $(ARGS)

fault-test: setup ## try every fault of docs/reliability.md, print what came out and keep it there: 45 minutes
	@$(VENV_PYTHON) -m pytest -o timeout=1800 tests/faults tests/cluster/test_lost_worker.py $(ARGS)

real-test: setup ## fit every source of candidates and the rankers to the real log, and hold what docs tell of them: minutes
	@$(VENV_PYTHON) -m pytest tests/real $(ARGS)

soak: setup ## publish simulated days in a row under random faults, and hold them against the oracle: DAYS=60 ENGINE=sail
	@$(VENV_PYTHON) -m pytest tests/soak --engine $(ENGINE) --days $(DAYS) --seed $(SEED)

check: setup ## lint, formatting, types and borders, in seconds
	@.venv/bin/ruff check
	@.venv/bin/ruff format --check --output-format concise || { echo "Run make format" >&2; exit 1; }
	@.venv/bin/mypy
	@.venv/bin/lint-imports --no-logo

format: setup ## format the code, and fix what can be fixed
	@.venv/bin/ruff check --fix --exit-zero
	@.venv/bin/ruff format

bench: setup ## measure the main job beside its peers, an hour at 100M rows: ROWS=20000000 ARGS="--only Sail --runs 1"
	@$(VENV_PYTHON) benchmarks/bench.py --rows $(ROWS) $(ARGS)

lock: setup ## resolve the packages of make setup anew, to tools/requirements
	@tools/lock.sh

audit: setup ## hold the locked packages against the known vulnerabilities; needs the network, and says so where there is none
	@$(VENV_PYTHON) tools/audit.py

dist: setup ## pack dist/winnow.zip for spark-submit --py-files
	@$(VENV_PYTHON) tools/make_zip.py

clean: ## remove what the commands made, but not .venv, .jars and data
	rm -rf build dist lib/*.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis spark-warehouse metastore_db derby.log
	find . -path ./.venv -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +
