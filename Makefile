# XETrade. Needs only Python 3.11 and make; everything else goes into .venv, from the hashed locks in requirements/.
# Package indexes, proxies and certificates are the machine's own: whatever pip is configured with is used.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help install demo test faults up sim bench lint format lock docs docs-check clean

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/python requirements/run_uv.py
STAMP := $(VENV)/.installed
BENCH_STAMP := $(VENV)/.installed-bench
COMPILE := pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --quiet

# Three workers keep two cores busy, the smallest machine we know of: the longest tests wait for processes and venues.
# What they share out together, and what comes first, is said in tests/conftest.py.
PYTEST_ARGS ?= -n 3 --dist loadgroup --no-loadscope-reorder
UP_ARGS ?=

help: ## what there is to make
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/make \1\t\2/' | expand -t 20

$(BIN)/uv: requirements/uv.txt
	@test -n "$(PYTHON)" || { echo "error: Python 3.11 is not on the PATH; set PYTHON=/path/to/python3.11" >&2; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' \
	  || { echo "error: $(PYTHON) is not Python 3.11 to 3.13; set PYTHON=/path/to/python3.11" >&2; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --require-hashes --no-deps -r requirements/uv.txt
	@touch $@

$(STAMP): requirements/dev.txt pyproject.toml $(BIN)/uv
	@echo "installing into $(VENV) (about a minute on the first time)"
	@$(UV) pip sync --quiet --python $(BIN)/python --require-hashes --compile-bytecode requirements/dev.txt
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip --upgrade >/dev/null
	@$(MAKE) --no-print-directory -s $(BIN)/uv
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	@$(BIN)/python -m compileall -q xetrade_core xetrade_pipelines
	@rm -f $(BENCH_STAMP)
	@touch $@

install: $(STAMP) ## create .venv from the hashed lock (quick when it is current)

demo: install ## the main job on simulated venues, about two minutes
	@$(BIN)/xetrade demo

# Byte code is kept even where the environment says not to: the tests start hundreds of processes.
test: install ## all tests; PYTEST_ARGS="-k book" for some
	@PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest $(PYTEST_ARGS)

faults: install ## ten thousand seeded mixes of faults and kills of the order service; SEED=7 for one
	@$(BIN)/python -m tests.faults.campaign $(if $(SEED),--seed $(SEED)) $(FAULTS_ARGS)

up: install ## Dagster UI, daemon, code server and simulated venues until Ctrl-C
	@exec $(BIN)/xetrade up $(UP_ARGS)

sim: install ## simulated venues only, until Ctrl-C
	@exec $(BIN)/xetrade sim

$(BENCH_STAMP): requirements/bench.txt $(STAMP)
	@$(UV) pip sync --quiet --python $(BIN)/python --require-hashes --compile-bytecode requirements/bench.txt
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

bench: $(BENCH_STAMP) ## measure against the usual libraries; rewrites the table in docs
	@$(BIN)/python -m benchmarks

lint: install ## ruff, mypy --strict, import-linter
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

format: install ## put the code into ruff's format
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

lock: $(BIN)/uv ## renew the hashed locks after a change of pyproject.toml
	@$(UV) $(COMPILE) --extra polars --extra postgres -o requirements/runtime.txt
	@$(UV) $(COMPILE) --all-extras --group dev -o requirements/dev.txt -c requirements/runtime.txt
	@$(UV) $(COMPILE) --all-extras --group dev --group bench -o requirements/bench.txt -c requirements/dev.txt

docs: install ## regenerate the generated pages
	@$(BIN)/python -m docs.generate

docs-check: install ## generated pages are current, links resolve, named commands exist
	@$(BIN)/python -m docs.check

clean: ## remove the environment, caches and what the demo and `make up` wrote
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis out
	@find xetrade_core xetrade_pipelines tests benchmarks docs -name __pycache__ -type d -prune -exec rm -rf {} +
