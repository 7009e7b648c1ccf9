# On a fresh machine with Python and make, 'make demo' and 'make test' are enough: each installs what
# it needs into .venv first. Another interpreter: make PYTHON=python3.12 demo

PYTHON  ?= python3
VENV    ?= .venv
DIST    ?= dist
WORKERS ?= auto
# More arguments for pytest, or for fuzz: make test ARGS="-k lifecycle -x"
ARGS    ?=

BIN   := $(VENV)/bin
STAMP := $(VENV)/.installed
PROTO := workflow/archive/proto
PB    := workflow/archive/pb

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help demo test lint format types contracts wheel diagrams reference proto fuzz bench check \
  clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(None if (3, 11) <= sys.version_info[:2] < (3, 14) \
	  else "Python 3.11, 3.12 or 3.13 is needed; name one: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[dev]"
	@touch $@

demo: $(STAMP) ## a control node and two members, three processes, BitTorrent
	$(BIN)/community-archives demo

test: $(STAMP) ## all tests on all cores, then the two coverage gates
	$(BIN)/coverage erase
	$(BIN)/python -m pytest -n $(WORKERS) --cov --cov-report= --cov-fail-under=0 $(ARGS)
	@echo "Coverage of the whole:"
	@$(BIN)/coverage report
	@echo "Coverage of states, workflow/archive and workflow/waku, where everything must be covered:"
	@$(BIN)/coverage report --include='states/*,workflow/archive/*,workflow/waku/*' --fail-under=100

lint: $(STAMP) ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(STAMP) ## let ruff put right what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(STAMP) ## mypy, strict
	$(BIN)/mypy

contracts: $(STAMP) ## who may import whom
	PYTHONPATH=. $(BIN)/lint-imports

wheel: $(STAMP) ## build the wheel into dist/
	$(BIN)/python -m build --wheel --no-isolation --outdir $(DIST)

diagrams: $(STAMP) ## draw the lifecycles from their tables into diagrams/
	$(BIN)/python -m states.drawing diagrams

reference: $(STAMP) ## write docs/commands.md and docs/settings.md
	$(BIN)/python -m workflow.cli.reference docs/commands.md
	$(BIN)/python -m workflow.cli.settings_page docs/settings.md

proto: $(STAMP) ## generate workflow/archive/pb from workflow/archive/proto
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python -m grpc_tools.protoc -I $(PROTO) \
	  --python_out=$(PB) --mypy_out=$(PB) $(wildcard $(PROTO)/*.proto)

fuzz: $(STAMP) ## changed inputs for ten minutes an entry: make fuzz ARGS="--minutes 1 index"
	$(BIN)/python -m tests.fuzz $(ARGS)

bench: $(STAMP) ## run every benchmark
	@set -e; for file in $(wildcard benchmarks/*.py); do \
	  echo "== $$file"; PYTHONPATH=. $(BIN)/python "$$file"; done

check: $(STAMP) ## walk the shipped tables through crashes, lost and doubled events
	$(BIN)/community-archives check

clean: ## remove what was built or cached, .venv too
	rm -rf $(VENV) $(DIST) build htmlcov .coverage .coverage.* .hypothesis .import_linter_cache \
	  .mypy_cache .pytest_cache .ruff_cache *.egg-info
	find $(wildcard states workflow tests benchmarks) -name __pycache__ -type d -prune -exec rm -rf {} +
