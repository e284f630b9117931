# Every command of this project. `make help` lists them.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed-run
DEV_STAMP := $(VENV)/.installed-dev

.PHONY: help
help: ## List the commands
	@awk 'BEGIN {FS = ":.*## "} /^[a-z0-9-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(STAMP): $(BIN)/python requirements/run.txt pyproject.toml setup.py streams/packed.pyx streams/packed.pxd streams/step/scanner.pyx $(wildcard detectors/columns/*.pxd detectors/columns/*.pyx)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/run.txt
	$(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(DEV_STAMP): $(STAMP) requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@

.PHONY: env dev
env: $(STAMP) ## Make the environment that runs netdusk (.venv)
dev: $(DEV_STAMP) ## Make the environment that develops it

.PHONY: demo
demo: $(STAMP) ## Pakistan, January 2024, replayed through an embedded broker
	$(BIN)/netdusk demo $(DEMO_ARGS)

.PHONY: lock
lock: $(BIN)/python ## Pin every package by hash, from pyproject.toml and requirements/*.in
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-emit-index-url --extra archive --extra broker --extra charts --extra notify --extra trust pyproject.toml requirements/build.in -o requirements/run.txt
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-emit-index-url -c requirements/run.txt --all-extras pyproject.toml requirements/build.in requirements/dev.in -o requirements/dev.txt
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-emit-index-url -c requirements/run.txt $(addprefix --no-emit-package ,rich pygments markdown-it-py mdurl) requirements/vantage.in -o requirements/vantage.txt
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-emit-index-url requirements/shiv.in -o requirements/shiv.txt

.PHONY: format lint types imports
format: $(DEV_STAMP) ## Format the code
	$(BIN)/ruff format . && $(BIN)/ruff check --fix .
lint: $(DEV_STAMP) ## ruff
	$(BIN)/ruff format --check . && $(BIN)/ruff check .
types: $(DEV_STAMP) ## mypy, strict
	$(BIN)/mypy
imports: $(DEV_STAMP) ## The arrows between the three rooms
	$(BIN)/lint-imports

# What a part of the house adds (`docs::`, `servers::`, targets of its own) stands in a file of that part.
include $(sort $(wildcard make/*.mk))

.PHONY: docs
docs:: $(DEV_STAMP) ## Write the documents that are made from the code
	$(BIN)/python -m tools.schemas

# At each change a quarter of the examples is enough; CI and whoever asks for more try more. Where Python was told to
# write no bytecode, pytest would rewrite each test file again in every run.
.PHONY: unit
unit: $(DEV_STAMP) ## The unit tests alone: no network, no commands, no made worlds of hours
	PYTHONDONTWRITEBYTECODE= NETDUSK_EFFORT=$${NETDUSK_EFFORT:-0.25} $(BIN)/pytest -q -m "not integration and not system and not world"

.PHONY: systems
systems: $(DEV_STAMP) ## The tests that run a whole command or server, or kill a writer again and again; no network
	$(BIN)/pytest -q -m system

.PHONY: worlds
worlds: $(DEV_STAMP) ## The tests that run made worlds of hours or days through the engine; no network
	$(BIN)/pytest -q -m world

.PHONY: coverage
coverage: $(DEV_STAMP) ## All tests that need no servers, and which lines they have not run
	$(BIN)/pytest -q -m "not integration" --cov --cov-report=term:skip-covered $(COVERAGE_ARGS)

.PHONY: servers
servers:: $(DEV_STAMP) ## Kafka and the other real programs of the integration tests, into .cache/

# The tests with real servers wait more than they compute: three files at a time, also on two cores.
TEST_WORKERS ?= 3

.PHONY: test
test: $(DEV_STAMP) servers ## All tests, with the real servers that they need
	$(BIN)/pytest -q -n $(TEST_WORKERS) --dist loadfile

.PHONY: check
check: lint types imports test ## What CI runs
