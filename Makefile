# Everything runs from .venv, which is made here and installed into once: again only when the
# declared or pinned versions change. ARGS= is passed on, e.g. make test ARGS="-k merge -x".

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DECLARED := pyproject.toml producers/client/pyproject.toml constraints.txt
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet install --constraint constraints.txt
CAN_RUN := $(VENV)/.can-run
CAN_TEST := $(VENV)/.can-test
# A file's tests share servers, and files run in their order: the last ones are short, so that all end together.
TOGETHER := pytest -n 2 --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help up check test test-faults lint format derived bench compose-test compose-replicas-test compose-sites-test clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-22s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

up: $(CAN_RUN) ## run everything until Ctrl-C; data stays in foldline-data
	@exec $(BIN)/foldline up $(ARGS)

check: lint ## lint, unit and property tests, one session end to end: what to run while working
	@exec $(BIN)/python -m $(TOGETHER) --hypothesis-profile quick \
	  tests/unit tests/property tests/acceptance/test_lifecycle.py $(ARGS)

test: $(CAN_TEST) ## the whole test suite, on real servers
	@exec $(BIN)/python -m $(TOGETHER) -m "not faults" $(ARGS)

test-faults: $(CAN_TEST) ## servers and consumers killed under load; takes minutes
	@exec $(BIN)/python -m pytest -m faults $(ARGS)

lint: $(CAN_TEST) ## style, formatting, types, and which package may import which
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	cd producers/client && ../../$(BIN)/mypy
	$(BIN)/lint-imports

format: $(CAN_TEST) ## format the code and mend what ruff can mend
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

derived: $(CAN_TEST) ## write the page of settings and the ports of compose.yaml from what is declared
	$(BIN)/python -m foldline.settings_docs > docs/settings.md
	$(BIN)/python -m foldline.compose_ports

bench: $(CAN_TEST) ## shares of what the machine could do, and their cost; ARGS="--quick --turns 5" to compare
	@exec $(BIN)/python -m benchmarks $(ARGS)

compose-test: $(CAN_TEST) ## the acceptance tests against containers, three consumers
	@exec deploy/compose-test $(ARGS)

compose-replicas-test: $(CAN_TEST) ## consumers join and leave at random, in containers
	@exec deploy/replicas-test

compose-sites-test: $(CAN_TEST) ## two sites and their centre in containers, each cut off for a while
	@exec deploy/sites-test

clean: ## remove .venv, caches and build output; data stays
	rm -rf $(VENV) build dist *.egg-info producers/client/*.egg-info producers/client/build
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache producers/client/.mypy_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Python 3.11 or newer is needed; '$(PYTHON)' is $$($(PYTHON) --version 2>&1)." \
	    "Name another: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -m venv --clear $(VENV) || { rm -rf $(VENV); exit 1; }

$(CAN_RUN): $(BIN)/python $(DECLARED)
	@echo "installing into $(VENV), once ..."
	@$(PIP) --editable '.[embedded]' --editable producers/client
	@touch $@

$(CAN_TEST): $(BIN)/python $(DECLARED)
	@echo "installing into $(VENV), once ..."
	@$(PIP) --editable '.[dev]' --editable producers/client
	@touch $(CAN_RUN) $@
