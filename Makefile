# Needs Python 3.11 or newer and make. Everything else is installed into .venv.
PYTHON ?= python3
BIN := .venv/bin
PARALLEL := --numprocesses auto --dist loadfile

.DEFAULT_GOAL := help
.PHONY: help demo test test-fast check lint check-types format bench fuzz clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: .venv/installed  ## load example data into the sandbox through the real server
	$(BIN)/customerio-track-mcp demo

test: .venv/installed  ## run all tests with coverage; ARGS goes to pytest
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest $(PARALLEL) $(ARGS)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

test-fast: .venv/installed  ## run the tests that start no subprocess; ARGS goes to pytest
	$(BIN)/python -m pytest $(PARALLEL) -m "not integration" $(ARGS)

check: lint check-types  ## lint and check types

lint: .venv/installed  ## check style, format and spelling
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell

check-types: .venv/installed  ## check types
	$(BIN)/mypy

format: .venv/installed  ## sort imports and format the code
	$(BIN)/ruff check --select I --fix .
	$(BIN)/ruff format .

bench: .venv/installed  ## measure what a call costs; ten minutes on an idle machine
	$(BIN)/python -m benchmarks $(ARGS)

fuzz: .venv/installed  ## send random messages to the server and check its responses; SEED and COUNT, or ARGS
	$(BIN)/python -m fuzz $(if $(SEED),--seed $(SEED)) $(if $(COUNT),--count $(COUNT)) $(ARGS)

clean:  ## delete what the other targets create
	rm -rf .venv .coverage* .mypy_cache .pytest_cache .ruff_cache .hypothesis dist build

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@
