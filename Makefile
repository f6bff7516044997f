# Every target says what it does. `make` alone shows the list.
# Variables: PYTHON (3.11 or newer), EFFORT=quick|ci|long, ARGS (handed on to the demo or to pytest), UPGRADE=1 (locks).

PYTHON ?= python3
EFFORT ?= quick
ARGS ?=
UPGRADE ?=

VENV := .venv
BIN := $(VENV)/bin
# Stamps: touched when what a lock names is installed; a changed lock is newer and installs again.
LAB := $(VENV)/.installed-lab
DEV := $(VENV)/.installed-dev

TESTS = $(wildcard $(addprefix tests/,unit contract vectors integration e2e chaos))
BENCH = $(wildcard tests/bench)
PIP = $(BIN)/python -m pip --disable-pip-version-check --no-input
# Wheels only: nothing is compiled. The project itself comes last, in place, built by the setuptools of the lock.
INSTALL = $(PIP) install --only-binary :all: --require-hashes -r
IN_PLACE = $(PIP) install --quiet --no-deps --no-build-isolation --editable .
COMPILE = $(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-emit-index-url \
	--custom-compile-command "make locks" $(if $(UPGRADE),--upgrade) pyproject.toml

.PHONY: help demo test long bench lint peers locks schemas clean
.DEFAULT_GOAL := help

help:
	@echo "make demo    a building, its gateway and two relays on this machine; a break-in, live (Ctrl-C ends it)"
	@echo "make test    every test that matters on each change; at most 15 minutes, ordinary user, no other step"
	@echo "make long    the same and the tests that take long"
	@echo "make bench   figures: start and memory of the core, and twenty measured nights"
	@echo "make lint    ruff and mypy --strict"
	@echo "make peers   Debian packages some tests run beside (mosquitto, chromium, ...); needs root"
	@echo "make locks   compile the requirements-*.lock files again (UPGRADE=1 takes newer versions)"
	@echo "make schemas write rules/schemas/ again from the kinds in rules/"
	@echo "make clean   remove the .venv, caches, build output and the folder of a demo"

demo: $(LAB)
	@echo "==> demo: starting the building; Ctrl-C ends it and leaves nothing behind"
	@$(BIN)/nightporter demo $(ARGS)

test: $(DEV)
	@echo "==> test: EFFORT=$(EFFORT), $(TESTS)"
	@EFFORT=$(EFFORT) $(BIN)/python -m pytest $(TESTS) $(ARGS)

long: $(DEV)
	@echo "==> long: EFFORT=long, $(TESTS)"
	@EFFORT=long $(BIN)/python -m pytest $(TESTS) $(ARGS)

bench: $(DEV)
	@echo "==> bench: figures, not verdicts; close other programs first"
	@EFFORT=$(EFFORT) $(BIN)/python -m pytest -s $(BENCH) $(ARGS)
	@echo "==> bench: the night, twenty times (15 minutes); Ctrl-C ends it"
	@$(BIN)/nightporter demo --exit --repeat 20 --report bench.json && echo "the measured timeline is in bench.json"

lint: $(DEV)
	@echo "==> lint: ruff, then mypy --strict"
	@$(BIN)/ruff check .
	@$(BIN)/mypy

peers:
	@echo "==> peers: Debian packages the tests run beside"
	@.ci/peers

locks: | $(BIN)/uv
	@echo "==> locks: dev first; the others take the same versions"
	@$(COMPILE) --extra dev -o requirements-dev.lock
	@$(COMPILE) --extra lab --extra build --constraint requirements-dev.lock -o requirements-lab.lock
	@for extra in agent media relay; do \
		$(COMPILE) --extra $$extra --constraint requirements-dev.lock -o requirements-$$extra.lock || exit 1; done
	@! grep -nE '://|$(CURDIR)' requirements-*.lock || { echo "a lock names a registry or a path of this machine" >&2; exit 1; }

schemas: $(DEV)
	@echo "==> schemas: rules/schemas/KIND.json, one a kind"
	@$(BIN)/python -c 'from pathlib import Path; from rules.schema import registry; \
		[Path("rules/schemas", f"{kind}.json").write_text(text, encoding="utf-8") for kind, text in registry().items()]'

clean:
	@echo "==> clean: .venv, caches, build output, the demo's folder"
	@rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis bench.json nightporter-demo
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { \
		echo "There is no '$(PYTHON)' here. Install Python 3.11 or newer, or name it: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "'$(PYTHON)' is $$($(PYTHON) -V 2>&1), and Nightporter needs 3.11 or newer. Name another one: make $(MAKECMDGOALS) PYTHON=python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "'$(PYTHON)' cannot make virtual environments. On Debian: apt-get install python3-venv" >&2; exit 1; }
	@echo "==> making $(VENV) with $$($(PYTHON) -V)"
	@$(PYTHON) -m venv --clear $(VENV)

$(LAB): requirements-lab.lock pyproject.toml | $(BIN)/python
	@echo "==> installing what the demo needs, versions and hashes from requirements-lab.lock"
	@$(INSTALL) requirements-lab.lock
	@$(IN_PLACE)
	@touch $@

# The dev lock holds everything the lab lock does, in the same versions.
$(DEV): requirements-dev.lock pyproject.toml | $(BIN)/python
	@echo "==> installing what the tests need, versions and hashes from requirements-dev.lock"
	@$(INSTALL) requirements-dev.lock
	@$(IN_PLACE)
	@touch $(LAB) $@

$(BIN)/uv: | $(DEV)
	@test -x $@
