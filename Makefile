# Every target says what it does. `make` alone shows the list.
# Variables: PYTHON (3.11 or newer), EFFORT=quick|ci|long, ARGS (handed on to the demo or to pytest), UPGRADE=1 (locks),
# FAULTS (handed on to tests.mutation).

PYTHON ?= python3
EFFORT ?= quick
ARGS ?=
FAULTS ?=
UPGRADE ?=

VENV := .venv
BIN := $(VENV)/bin
# Stamps: touched when what a lock names is installed; a changed lock is newer and installs again.
LAB := $(VENV)/.installed-lab
DEV := $(VENV)/.installed-dev
# Peers to measure beside, and the mutation tester: each in an environment of its own, so that what they bring with them
# (rich, which structlog would pick up) changes neither a start-up figure nor a test.
PEERS := .venv-bench
MUTATION := .venv-mutation

TESTS = $(wildcard $(addprefix tests/,unit contract vectors integration e2e chaos))
BENCH = $(wildcard tests/bench)
PIP = $(BIN)/python -m pip --disable-pip-version-check --no-input
APART = --disable-pip-version-check --no-input install --quiet --only-binary :all: --require-hashes -r
# Wheels only: nothing is compiled. The project itself comes last, in place, built by the setuptools of the lock.
INSTALL = $(PIP) install --only-binary :all: --require-hashes -r
IN_PLACE = $(PIP) install --quiet --no-deps --no-build-isolation --editable .
COMPILE = $(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-emit-index-url \
	--custom-compile-command "make locks" $(if $(UPGRADE),--upgrade) pyproject.toml

.PHONY: help demo test long mutation bench lint peers locks schemas pages clean
.DEFAULT_GOAL := help

help:
	@echo "make demo    a building, its gateway and two relays on this machine; a break-in, live (Ctrl-C ends it)"
	@echo "make test    every test that matters on each change; at most 15 minutes, ordinary user, no other step"
	@echo "make long    the same, the tests that take long, and faults put into the kernel to see whether tests notice"
	@echo "make bench   figures: the kernel beside its peers, start and memory of the core, and twenty measured nights"
	@echo "make lint    ruff and mypy --strict"
	@echo "make peers   Debian packages some tests run beside (mosquitto, chromium, ...); needs root"
	@echo "make locks   compile the requirements-*.lock files again (UPGRADE=1 takes newer versions)"
	@echo "make schemas write rules/schemas/ and the tables of its READMEs again from the code"
	@echo "make pages   write rules/zones/ again from the scenarios in it, drawn by the engine"
	@echo "make clean   remove the .venv, caches, build output and the folder of a demo"

demo: $(LAB)
	@echo "==> demo: starting the building; Ctrl-C ends it and leaves nothing behind"
	@$(BIN)/nightporter demo $(ARGS)

test: $(DEV)
	@echo "==> test: EFFORT=$(EFFORT), $(TESTS)"
	@EFFORT=$(EFFORT) $(BIN)/python -m pytest $(TESTS) $(ARGS)

long: $(DEV)
	@echo "==> long: EFFORT=long, $(TESTS)"
	@EFFORT=long $(BIN)/python -m pytest $(TESTS) $(ARGS); status=$$?; $(BIN)/python -m tests.chaos.report; exit $$status
	@$(MAKE) --no-print-directory mutation

mutation: $(MUTATION)/.installed
	@echo "==> mutation: small faults in the kernel, one at a time; at least 80 % must be noticed in each part"
	@$(MUTATION)/bin/python -m tests.mutation $(FAULTS)

bench: $(DEV) $(PEERS)/.installed
	@echo "==> bench: figures, not verdicts; close other programs first"
	@python=$(PEERS)/bin/python; $$python -c 'import pydantic, yaml' 2>/dev/null || python=$(BIN)/python; \
		$$python -m tests.bench.kernel --json bench-kernel.json
	@EFFORT=$(EFFORT) $(BIN)/python -m pytest -s $(BENCH) $(ARGS)
	@echo "==> bench: durable ingest beside the plain pipeline, contact to siren, backlog and alarm to the relay"
	@mkdir -p reports
	@$(BIN)/python -m tests.bench.ingest --json reports/ingest.json
	@$(BIN)/python -m tests.bench.ingest.siren --json reports/siren.json
	@$(BIN)/python -m tests.bench.drain --json reports/drain.json
	@$(BIN)/python -m tests.bench.mqtt_receive
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
	@for extra in agent media relay bench mutation; do \
		$(COMPILE) --extra $$extra --constraint requirements-dev.lock -o requirements-$$extra.lock || exit 1; done
	@! grep -nE '://|$(CURDIR)' requirements-*.lock || { echo "a lock names a registry or a path of this machine" >&2; exit 1; }

schemas: $(DEV)
	@echo "==> schemas: rules/schemas/KIND.json, one a kind, and the tables of the READMEs"
	@$(BIN)/python -c 'from pathlib import Path; from rules.schema import registry; \
		[Path("rules/schemas", f"{kind}.json").write_text(text, encoding="utf-8") for kind, text in registry().items()]'
	@$(BIN)/python -c 'from pathlib import Path; from rules.describe import refresh; \
		[page.write_text(refresh(page.read_text("utf-8")), "utf-8") for page in Path("rules").rglob("README.md")]'

pages: $(DEV)
	@echo "==> pages: rules/zones/TYPE.md and .svg, one a type of zone"
	@$(BIN)/python -c 'from pathlib import Path; from rules.diagrams import pages; from rules.scenario import load_scenario; \
		folder = Path("rules/zones"); find = lambda name: (Path(folder, "sites", f"{name}.yaml").read_text("utf-8"), name); \
		read = lambda path: load_scenario(path.read_text("utf-8"), path.name, find); \
		made = pages({path.stem: read(path) for path in folder.glob("*.yaml")}); \
		[Path(folder, name).write_text(text, encoding="utf-8") for name, text in made.items()]'

clean:
	@echo "==> clean: .venv, caches, build output, the demo's folder"
	@rm -rf $(VENV) $(PEERS) $(MUTATION) .mutation build dist *.egg-info
	@rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis bench.json bench-kernel.json nightporter-demo
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

$(PEERS)/.installed: requirements-bench.lock | $(BIN)/python
	@echo "==> installing the rule engines to measure beside, versions and hashes from requirements-bench.lock"
	@$(BIN)/python -m venv --clear $(PEERS)
	@$(PEERS)/bin/python -m pip $(APART) requirements-bench.lock || \
		echo "==> bench: a peer cannot be installed on this machine; its figures will be missing, by name" >&2
	@touch $@

$(MUTATION)/.installed: requirements-mutation.lock | $(BIN)/python
	@echo "==> installing the mutation tester, versions and hashes from requirements-mutation.lock"
	@$(BIN)/python -m venv --clear $(MUTATION)
	@$(MUTATION)/bin/python -m pip $(APART) requirements-mutation.lock
	@touch $@

$(BIN)/uv: | $(DEV)
	@test -x $@
