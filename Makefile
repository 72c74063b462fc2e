# Needs Python 3.11 or newer and make (GNU make 3.81 is enough). Everything else is installed into .venv. PYTHON names
# the Python to use: PYTHON=python3.12 make demo
PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable
PARALLEL := --numprocesses auto --dist loadfile
# Containers often set this variable to 1; then each of the tests' many processes compiles the package again.
WITH_BYTECODE := PYTHONDONTWRITEBYTECODE=

.DEFAULT_GOAL := help
.PHONY: help demo test test-fast test-lowest test-next check lint check-types format bench fuzz dist clean FORCE

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: .venv/runtime  ## load example data into the sandbox through the real server
	$(BIN)/customerio-track-mcp demo

test: .venv/dev  ## run all tests with coverage; ARGS goes to pytest
	$(BIN)/coverage erase
	$(WITH_BYTECODE) $(BIN)/coverage run -m pytest $(PARALLEL) $(ARGS)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

test-fast: .venv/dev  ## run the tests that start no subprocess; ARGS goes to pytest
	$(WITH_BYTECODE) $(BIN)/python -m pytest $(PARALLEL) -m "not integration" $(ARGS)

# The lowest versions that pyproject.toml admits, of what the package needs itself. A version that the test tools cannot
# use either is an error.
test-lowest: .venv/dev  ## run them with the lowest versions of all dependencies; ARGS goes to pytest
	$(BIN)/python -m uv venv --quiet --clear --python $(BIN)/python .venv/lowest
	$(BIN)/python -m uv pip compile --quiet --python $(BIN)/python --resolution lowest-direct \
		--extra fast --extra redis --extra otel --extra keyring --output-file .venv/lowest/constraints.txt pyproject.toml
	$(BIN)/python -m uv pip install --quiet --python .venv/lowest --constraint .venv/lowest/constraints.txt --editable '.[dev]'
	$(WITH_BYTECODE) .venv/lowest/bin/python -m pytest $(PARALLEL) -m "not integration" $(ARGS)

# The latest of what the package needs itself, pre-releases included, past its own upper bounds. `uv pip check` lists those
# that are past one.
test-next: .venv/dev  ## run them with the next versions, past the upper bounds; ARGS goes to pytest
	$(BIN)/python -m uv venv --quiet --clear --python $(BIN)/python .venv/next
	$(BIN)/python -m publish.unbounded_requirements > .venv/next/requirements.txt
	$(BIN)/python -m uv pip install --quiet --python .venv/next --prerelease allow --requirement .venv/next/requirements.txt
	$(BIN)/python -m uv pip install --quiet --python .venv/next --no-deps --editable .
	-$(BIN)/python -m uv pip check --python .venv/next
	$(WITH_BYTECODE) .venv/next/bin/python -m pytest $(PARALLEL) -m "not integration" $(ARGS)

check: lint check-types  ## lint and check types

lint: .venv/dev  ## check style, format and spelling
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell

check-types: .venv/dev  ## check types
	$(BIN)/mypy

format: .venv/dev  ## sort imports and format the code
	$(BIN)/ruff check --select I --fix .
	$(BIN)/ruff format .

bench: .venv/dev  ## measure what a call costs; twelve minutes on an idle machine
	$(BIN)/python -m benchmarks $(ARGS)

fuzz: .venv/dev  ## send random messages to the server and check its responses; SEED and COUNT, or ARGS
	$(BIN)/python -m fuzz $(if $(SEED),--seed $(SEED)) $(if $(COUNT),--count $(COUNT)) $(ARGS)

# npm installs the packer of bundles.
dist: .venv/dev  ## build the wheel, the sdist and the bundle, and try each in an empty environment
	npm install --silent --no-audit --no-fund --prefix publish/mcpb
	$(BIN)/python -m publish.dist dist

clean:  ## delete what the other targets create
	rm -rf .venv .coverage* .mypy_cache .pytest_cache .ruff_cache .hypothesis dist build

# The stamps, each newer than what it follows from: a virtual environment, then what the demo needs, then all the tools.
.venv/dev: .venv/runtime
	$(INSTALL) '.[dev]'
	touch $@

.venv/runtime: .venv/created pyproject.toml constraints.txt
	$(INSTALL) .
	touch $@

# Runs each time, and does nothing if .venv has the version of PYTHON. Otherwise it creates .venv again, whose Python may be
# too old, another one, or gone. A default PYTHON that is too old does not matter if .venv was created with another.
PRINT_VERSION := 'import sys; print(sys.version.split()[0])'
SUPPORTED := 3.1[1-9].*|3.[2-9][0-9].*
.venv/created: FORCE
	@found=`$(PYTHON) -c $(PRINT_VERSION) 2>/dev/null`; found=$${found#Python }; \
	present=`$(BIN)/python -c $(PRINT_VERSION) 2>/dev/null`; \
	case "$$found" in \
	$(SUPPORTED)) \
		if [ "$${found%.*}" != "$${present%.*}" ]; then \
			if [ -e .venv ]; then echo "creating .venv again, for Python $$found"; fi; \
			rm -rf .venv; \
		elif [ -e $@ ]; then \
			exit 0; \
		fi; \
		$(PYTHON) -m venv .venv && touch $@; \
		exit;; \
	esac; \
	if [ "$(origin PYTHON)" = file ] && [ -e $@ ]; then case "$$present" in $(SUPPORTED)) exit 0;; esac; fi; \
	if [ -n "$$found" ]; then found="is Python $$found"; else found="does not run"; fi; \
	for newer in python3.14 python3.13 python3.12 python3.11; do \
		if $$newer -c '' 2>/dev/null; then \
			echo "This needs Python 3.11 or newer, but $(PYTHON) $$found. Run: PYTHON=$$newer make $(MAKECMDGOALS)" >&2; \
			exit 1; \
		fi; \
	done; \
	echo "This needs Python 3.11 or newer, but $(PYTHON) $$found. Install a newer Python (https://www.python.org/downloads/)," \
		"then name it: PYTHON=python3.12 make $(MAKECMDGOALS)" >&2; \
	exit 1

FORCE:
