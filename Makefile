# A bare `make` lists the targets. Nothing has to be installed by hand but Python 3.11 and make.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# Where this is set, each of the processes that `make run` starts would compile everything anew.
unexport PYTHONDONTWRITEBYTECODE

BIN := .venv/bin
RUNTIME := .venv/.runtime
DEVELOPMENT := .venv/.development
INTEROP := $(if $(wildcard tests/interop/package-lock.json),tests/interop/node_modules/.installed)
WORKERS ?= 2
PICTURES ?=
export PICTURES
ARGS ?=

##@ Use it

.PHONY: run
run: $(RUNTIME) ## Start Civitas and the demo bank, and say where to click (PORT, BANK_PORT)
	@exec $(BIN)/civitas run $(ARGS)

.PHONY: demo
demo: $(RUNTIME) ## Run the main job over HTTP against a fresh instance, printing each step
	@$(BIN)/civitas demo journey $(ARGS)

.PHONY: migrate
migrate: $(RUNTIME) ## Bring the database of CIVITAS_DATABASE_URL to the newest schema
	@$(BIN)/civitas migrate $(ARGS)

##@ Work on it

.PHONY: setup
setup: $(DEVELOPMENT) $(INTEROP) ## Make .venv with everything for development

.PHONY: test
test: $(DEVELOPMENT) $(INTEROP) chromium ## Run all tests (WORKERS=2, ARGS="-k consent", PICTURES=yes)
	$(BIN)/python -m pytest -n $(WORKERS) -m "not conformance and not interop" $(ARGS)

.PHONY: test-all
test-all: $(DEVELOPMENT) $(INTEROP) chromium apache ## Run all tests and the external conformance suites
	$(BIN)/python -m pytest -n $(WORKERS) -m "" $(ARGS)

.PHONY: test-interop
test-interop: $(DEVELOPMENT) $(INTEROP) apache ## Run what other people's clients do with us
	$(BIN)/python -m pytest -m "not conformance" tests/interop $(ARGS)

.PHONY: lint
lint: $(DEVELOPMENT) ## Check style and our own rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m tools.lint

.PHONY: fix
fix: $(DEVELOPMENT) ## Repair what can be repaired by itself
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: types
types: $(DEVELOPMENT) ## Check types
	$(BIN)/mypy .

.PHONY: imports
imports: $(DEVELOPMENT) ## Check who imports whom
	$(BIN)/lint-imports

.PHONY: check
check: lint types imports test ## Check everything, as CI does

.PHONY: bench
bench: $(DEVELOPMENT) $(INTEROP) ## Measure, one line a figure, and write loadtests/results/latest.json
	@$(BIN)/python -m loadtests.bench $(ARGS)

.PHONY: bench-matching
bench-matching: .venv/.matching ## Score the matcher on FEBRL and on our own population
	@.venv-matching/bin/python -m loadtests.matching.bench $(ARGS)

.PHONY: migration
migration: $(DEVELOPMENT) ## Write a revision from what changed in the tables: make migration message="…"
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m tools.revision "$(message)"

.PHONY: specs
specs: $(DEVELOPMENT) ## List which clauses have a test and which have none; write docs/specs.md
	@$(BIN)/python -m tools.specs

.PHONY: docs
docs: $(DEVELOPMENT) specs ## Write the pages that are made from the code
	@$(BIN)/python -m tools.docs

.PHONY: lock
lock: $(DEVELOPMENT) ## Pin the newest versions that pyproject.toml allows, with hashes
	@tools/lock.sh

.PHONY: clean
clean: ## Remove what make made; data in .civitas stays
	rm -rf .venv build dist *.egg-info .coverage htmlcov tests/artefacts loadtests/results
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .schemathesis
	rm -rf tests/interop/node_modules
	find . -name __pycache__ -prune -exec rm -rf {} +

# Environments. The development lock holds everything of the runtime lock, in the same versions.

$(RUNTIME): requirements.lock pyproject.toml
	@if [ ! $(DEVELOPMENT) -nt requirements-dev.lock ] || [ ! $(DEVELOPMENT) -nt pyproject.toml ]; \
	then tools/environment.sh requirements.lock; fi
	@touch $@

$(DEVELOPMENT): requirements-dev.lock pyproject.toml
	@tools/environment.sh requirements-dev.lock
	@touch $@

# What teaches and measures matching is large and not needed by anything that runs.
.venv/.matching: requirements-matching.lock pyproject.toml | $(DEVELOPMENT)
	@CIVITAS_VENV=.venv-matching tools/environment.sh requirements-matching.lock
	@touch $@

tests/interop/node_modules/.installed: tests/interop/package-lock.json $(DEVELOPMENT)
	@tools/node_packages.sh tests/interop

.PHONY: chromium
chromium:
	@tools/chromium.sh

.PHONY: apache
apache:
	@tools/apache.sh

.PHONY: help
help:
	@awk 'BEGIN { FS = ":.*## " } \
	    /^##@ / { printf "\n%s\n", substr($$0, 5) } \
	    /^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
