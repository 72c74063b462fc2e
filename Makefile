# Needs Python 3.11 or newer and make; everything else is set up in .venv.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test lint check-types bench clean

demo: .venv/installed
	$(BIN)/customerio-track-mcp demo

test: .venv/installed
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest $(ARGS)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

check-types: .venv/installed
	$(BIN)/mypy

# Some ten minutes, and of any use only on a machine with nothing else to do.
bench: .venv/installed
	$(BIN)/python -m benchmarks $(ARGS)

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@

clean:
	rm -rf .venv .coverage* .mypy_cache .pytest_cache .ruff_cache .hypothesis dist build
