# Two commands are enough: `make run` and `make test`. Both make .venv by themselves.
#   make run  [ARGS="--once"]     four validators on loopback, playing a scenario
#   make test [ARGS="-k codec"]   the whole suite, in random order
#   make check                    format, lint, types, import rules
#   make fmt                      format, and mend what ruff can mend
#   make sim  [SEED=17]           replay one simulated history; without SEED a fresh one
#   make soak [ARGS=500]          fresh histories until one fails, 500 are done, or you stop it
#   make powercut [ARGS=10000]    states that power cuts leave of a recorded node; needs strace
#   make flood [ARGS=60]          one validator floods another for an hour of virtual time
#   make growth                   curves for 4 to 100 validators, simulated: docs/benchmarks/growth.json
#   make drills [ARGS="F24 F30"]   faults on real processes under load; ARGS="--kills 500", "--list"
#   make bench [ARGS="--seconds 20"]   timings with their setup
#   make year [ARGS="--profile L1"]   a network with a year behind it, in ./year
#   make curves [ARGS="--million"]   how the node grows, for docs/benchmarks; wants the machine alone
#   make stories                  rewrite the transcripts: read the diff, commit what is understood
#   make cov                      branch report: look for rules that no test reaches
#   make lock [ARGS=--upgrade]    write both locks anew from pyproject.toml
#   make clean                    remove what these commands made
# PYTHON=python3.12 make run chooses the interpreter; WORKERS=4 make test the number of processes.

SHELL := /bin/sh
.NOTPARALLEL:
.PHONY: run test check fmt sim soak powercut flood growth drills bench year curves election stories cov lock clean remake unpack-hledger unpack-postgresql

BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet
FROM_LOCK := --only-binary :all: --require-hashes --requirement
SOURCES := chain consensus contracts bank node wallet audit testnet
WORKERS ?= 2
ARGS ?=
# A test starts hundreds of nodes and wallets. Where the environment forbids to keep compiled modules,
# each of them compiles 200 files anew, which is most of what its start takes.
export PYTHONDONTWRITEBYTECODE :=

run: .venv/.runtime
	@$(BIN)/python -c 'import plyvel' 2>/dev/null || echo "storage: sqlite"
	@exec $(BIN)/wijk demo $(ARGS)

test: .venv/.dev .venv/.judges
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

check: .venv/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fmt: .venv/.dev
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

ifndef SEED
SEED := $(shell od -An -N4 -tu4 /dev/urandom | tr -d ' ')
endif

sim: .venv/.dev
	@echo "make sim SEED=$(SEED)"
	@$(BIN)/python -m tests.sim replay $(SEED)

soak: .venv/.dev
	@exec $(BIN)/python -m tests.sim soak $(ARGS)

powercut: .venv/.dev
	@exec $(BIN)/python -m tests.sim powercut $(ARGS)

flood: .venv/.dev
	@exec $(BIN)/python -m tests.sim flood $(ARGS)

growth: .venv/.dev
	@exec $(BIN)/python -m tests.sim growth --file docs/benchmarks/growth.json $(ARGS)

drills: .venv/.dev
	@exec $(BIN)/python -m tests.drills $(ARGS)

bench: .venv/.runtime
	@exec $(BIN)/wijk bench $(ARGS)

year: .venv/.runtime
	@exec $(BIN)/wijk testnet year --dir year $(ARGS)

curves: .venv/.dev
	@exec $(BIN)/python -m tests.curves $(ARGS)

election: .venv/.dev
	WIJK_ELECTION_VOTERS=4000 $(BIN)/python -m pytest -s -p no:randomly --timeout 7200 tests/audit/test_election_many.py $(ARGS)

stories: .venv/.dev
	WIJK_STORIES=rewrite $(BIN)/python -m pytest -p no:randomly tests/stories
	git --no-pager diff --stat -- tests/stories

cov: .venv/.dev
	$(BIN)/python -m coverage run -m pytest $(ARGS)
	$(BIN)/python -m coverage report --skip-covered --show-missing

# -------------------------------------------------------------------------- environment
# Stamps: pip runs only when a lock or pyproject.toml is newer than the last install.

# An interpreter that was asked for by name replaces one of another version.
ifdef PYTHON
ASKED := $(shell $(PYTHON) -c 'import sys; print(*sys.version_info[:2])')
FOUND := $(shell $(BIN)/python -c 'import sys; print(*sys.version_info[:2])' 2>/dev/null)
ifneq ($(ASKED),$(FOUND))
.venv/.made: remake
endif
else
PYTHON := python3
endif

.venv/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	{ echo "Python 3.11 or newer is needed: PYTHON=python3.12 make run chooses one" >&2; exit 1; }
	$(PYTHON) -m venv --clear .venv
	@touch $@

.venv/.runtime: .venv/.made requirements.lock pyproject.toml
	$(PIP) $(FROM_LOCK) requirements.lock
	$(PIP) --no-index --no-deps --no-build-isolation --editable .
	@touch $@

.venv/.dev: .venv/.runtime requirements-dev.lock
	$(PIP) $(FROM_LOCK) requirements-dev.lock
	@touch $@

# hledger judges the exported books (economy X2), PostgreSQL holds an index (architecture 5). PyPI has
# neither, so they come from Debian: without root they are unpacked into .venv. Elsewhere install them
# yourself; the test that needs one says so.
.venv/.judges: .venv/.made Makefile
	@command -v hledger >/dev/null || test -x .venv/hledger/usr/bin/hledger || $(MAKE) --no-print-directory unpack-hledger || \
	echo "hledger: not found, and apt-get cannot fetch it" >&2
	@command -v initdb >/dev/null || \
	ls /usr/lib/postgresql/*/bin/initdb .venv/postgresql/usr/lib/postgresql/*/bin/initdb 2>/dev/null | grep -q . || \
	$(MAKE) --no-print-directory unpack-postgresql || \
	echo "PostgreSQL: not found, and apt-get cannot fetch it" >&2
	@touch $@

unpack-hledger:
	@rm -rf .venv/hledger && mkdir -p .venv/hledger
	cd .venv/hledger && { apt-get -qq download hledger 2>/dev/null || \
	{ apt-get -qq update && apt-get -qq download hledger; }; } && dpkg-deb -x hledger_*.deb .

# With what it needs and this machine lacks: apt-get says what it would install.
POSTGRESQL ?= $$(apt-get -s install --no-install-recommends postgresql 2>/dev/null | sed -n 's/^Inst \([^ ]*\).*/\1/p')
FETCH_POSTGRESQL := { names="$(POSTGRESQL)"; test -n "$$names" && apt-get -qq download $$names; }
unpack-postgresql:
	@rm -rf .venv/postgresql && mkdir -p .venv/postgresql
	cd .venv/postgresql && { $(FETCH_POSTGRESQL) 2>/dev/null || { apt-get -qq update && $(FETCH_POSTGRESQL); }; } && \
	for package in *.deb; do dpkg-deb -x "$$package" . || exit 1; done && ls usr/lib/postgresql/*/bin/initdb

# Locks are made on the oldest Python, so that backports are in them, and without this machine's
# pip settings. Hashes of all wheels of a version are listed, so other platforms install too.
COMPILE := env -u PIP_FIND_LINKS -u PIP_INDEX_URL -u PIP_EXTRA_INDEX_URL PIP_CONFIG_FILE=/dev/null \
	CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile --quiet --generate-hashes --strip-extras \
	--allow-unsafe --no-emit-index-url --no-emit-find-links $(ARGS)

lock: .venv/.dev
	$(COMPILE) --extra leveldb --extra fast --build-deps-for editable -o requirements.lock pyproject.toml
	$(COMPILE) --extra dev --constraint requirements.lock -o requirements-dev.lock pyproject.toml

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .coverage
	find $(SOURCES) tests -name __pycache__ -type d -prune -exec rm -rf {} +
