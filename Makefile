# People and CI run these same targets. `make dev` needs Python 3.11 or newer and nothing else;
# Node.js (18 or newer) is needed by the Solidity tests, to rebuild the contracts, and to fetch the
# prover bb and compile its verifiers.

PYTHON ?= python3
# Any torch that satisfies pyproject.toml will do: another version, or a wheel file, for example
#   make dev TORCH=./torch-2.13.0+cpu-cp311-cp311-linux_x86_64.whl
# pip's own settings (PIP_INDEX_URL, PIP_EXTRA_INDEX_URL, PIP_FIND_LINKS) are obeyed as always.
TORCH ?= torch==2.13.0
# Options for `make bench`, for example BENCH=--quick.
BENCH ?= --out build/bench

# Options for `make demo`, for example DEMO="--backend barretenberg".
DEMO ?=

VENV := .venv
BIN := $(VENV)/bin
NODE_MODULES := contracts/node_modules/.package-lock.json
NOIR := tests/noir/node_modules/.package-lock.json
BROWSER := tests/browser/node_modules/.package-lock.json
FORGE := cd contracts && ./bin/forge

# The anvil tests run wherever there is an anvil: from npm, on the PATH, or in ZKDESCENT_ANVIL. The
# markers slow and realdata never are part of the default run.
MARKS := not slow and not realdata
ifneq ($(shell command -v npm 2>/dev/null),)
HAVE_NODE := yes
endif
ifeq ($(HAVE_NODE)$(shell command -v anvil 2>/dev/null)$(ZKDESCENT_ANVIL),)
MARKS := $(MARKS) and not chain
endif
# The prover bb comes from npm, or from ZKDESCENT_BB.
ifeq ($(HAVE_NODE)$(ZKDESCENT_BB),)
MARKS := $(MARKS) and not barretenberg
endif
# Pages are looked at in a Chromium, driven by packages of npm.
ifneq ($(HAVE_NODE),)
HAVE_CHROMIUM := $(ZKDESCENT_CHROMIUM)$(shell command -v chromium 2>/dev/null || command -v chromium-browser 2>/dev/null)
endif
ifeq ($(HAVE_CHROMIUM),)
MARKS := $(MARKS) and not browser
endif

.DEFAULT_GOAL := help
HALMOS := contracts/.halmos-venv
SLITHER := contracts/.slither-venv

.PHONY: halmos slither help dev prover lint scripts scripts-slow test test-contracts test-python test-slow demo bench snapshots build-contracts check-contracts

help:
	@echo "make dev               virtual environment in $(VENV), exact versions"
	@echo "make prover            the prover bb, into the cache (once, if Node.js is here)"
	@echo "make demo              the main job from nothing, in demo/"
	@echo "make test              forge tests (if Node.js is here), then pytest"
	@echo "make test-slow         tens of minutes more: every optimizer and example model proven"
	@echo "make lint              ruff and mypy"
	@echo "make scripts           the feeds and controllers from nothing, one script after the other"
	@echo "make scripts-slow      the DeFi examples from nothing, one after the other"
	@echo "make bench             measure against ezkl as its documentation runs it"
	@echo "make build-contracts   compile contracts/src into the artefacts that the package ships"
	@echo "make check-contracts   fail if those artefacts are not what their sources give"
	@echo "make halmos, slither   symbolic proofs and static analysis of the contracts, each in a venv"
	@echo "make snapshots         write artefacts and gas figures again, and show what changed"

dev: $(VENV)/.installed

# torch comes first and by itself, so that the build somebody chose is not replaced afterwards.
$(VENV)/.installed: pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "make: $(PYTHON) is not Python 3.11 or newer; try: make dev PYTHON=python3.11" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install "$(TORCH)"
	sed '/^torch==/d' requirements.lock > $(VENV)/constraints.txt
	$(BIN)/python -m pip install --constraint $(VENV)/constraints.txt --editable ".[dev]"
	@touch $@

# Fetches by package name, checks hashes, and does nothing if it was done before.
prover: dev
ifneq ($(HAVE_NODE)$(ZKDESCENT_BB),)
	$(BIN)/zkdescent setup barretenberg
else
	@echo "make: there is no Node.js here: the prover bb is NOT fetched"
endif

demo: dev prover
	$(BIN)/zkdescent demo -C demo $(DEMO)

# Each starts from nothing and ends in a table and a PNG in SCRIPTS_OUT. SCRIPTS=gas_feed runs one of them,
# RPC=anvil all on a node.
SCRIPTS ?= gas_feed tuned_contract stake_oracle
SCRIPTS_OUT ?= build/scripts
RPC ?= tester

scripts: dev prover
	@set -e; for name in $(SCRIPTS); do \
		if [ ! -f scripts/$$name.py ]; then echo "make: there is no scripts/$$name.py" >&2; exit 1; fi; \
		echo "== scripts/$$name.py --rpc $(RPC)"; \
		rm -rf "$(SCRIPTS_OUT)/$$name"; \
		$(BIN)/python scripts/$$name.py --rpc $(RPC) --directory "$(SCRIPTS_OUT)/$$name"; \
	done

# The consumers of proven models, one after the other; EXAMPLES=credit-score runs one of them.
EXAMPLES ?= price-volatility anomaly-autoencoder credit-score

scripts-slow: dev prover
	@set -e; for name in $(EXAMPLES); do \
		echo "== scripts/defi.py $$name --rpc $(RPC)"; \
		rm -rf "$(SCRIPTS_OUT)/defi/$$name"; \
		$(BIN)/python scripts/defi.py $$name --rpc $(RPC) --directory "$(SCRIPTS_OUT)/defi"; \
	done

lint: dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: test-contracts test-python

ifdef HAVE_NODE
test-contracts: $(NODE_MODULES)
	$(FORGE) test
else
test-contracts:
	@echo "make: there is no Node.js here: the forge tests do NOT run, everything else does"
endif

# First what neither proves nor starts a node, then what does: a proof takes all cores for half of its
# time, so two files of those at once are enough, and each makes the projects that it needs once.
test-python: dev prover $(if $(HAVE_NODE),$(NOIR))
	@case "$(MARKS)" in *chain*) \
		echo "make: there is no anvil here: the tests marked chain do NOT run, everything else does";; esac
	@case "$(MARKS)" in *barretenberg*) \
		echo "make: there is no prover bb here: the tests marked barretenberg do NOT run";; esac
	$(BIN)/python -m pytest -m "$(MARKS) and not prover and not chain" -n auto --maxprocesses 4 --dist worksteal
	$(BIN)/python -m pytest -m "$(MARKS) and (prover or chain)" -n 2 --dist loadfile

# Tens of minutes more: every optimizer and every example model proven, the benchmark's own run.
test-slow: dev prover $(if $(HAVE_CHROMIUM),$(BROWSER))
	@case "$(MARKS)" in *browser*) \
		echo "make: there is no Chromium here: the tests marked browser do NOT run";; esac
	$(BIN)/python -m pytest -m "$(subst not slow,slow,$(MARKS))"

$(NODE_MODULES): contracts/package.json contracts/package-lock.json
	cd contracts && npm ci
	@touch $@

$(BROWSER): tests/browser/package.json tests/browser/package-lock.json
	cd tests/browser && npm ci
	@touch $@

$(NOIR): tests/noir/package.json tests/noir/package-lock.json
	cd tests/noir && npm ci
	@touch $@

bench: dev
	$(BIN)/zkdescent bench $(BENCH)

build-contracts: dev $(NODE_MODULES)
	$(BIN)/python scripts/build_contracts.py

check-contracts: dev $(NODE_MODULES)
	$(BIN)/python scripts/build_contracts.py --check

# Symbolic proofs of test/halmos, minutes. Only these tests and what they use are compiled, apart from forge's own
# build: halmos wants the syntax trees, too. forge lints on every build, which halmos can't be told about.
halmos: $(NODE_MODULES) $(HALMOS)/bin/halmos
	cd contracts && export PATH="$$PWD/bin:$$PATH" FOUNDRY_LINT_LINT_ON_BUILD=false FOUNDRY_SRC=test/halmos \
		FOUNDRY_TEST=test/halmos FOUNDRY_OUT=cache/halmos/out FOUNDRY_CACHE_PATH=cache/halmos/cache && \
	.halmos-venv/bin/halmos --forge-build-out cache/halmos/out --contract ShuffleProofs --loop 8 && \
	.halmos-venv/bin/halmos --forge-build-out cache/halmos/out --contract LedgerProofs --loop 40 \
		--solver-timeout-branching 1s

$(HALMOS)/bin/halmos:
	$(PYTHON) -m venv $(HALMOS)
	$(HALMOS)/bin/pip install halmos==0.3.3

slither: $(NODE_MODULES) $(SLITHER)/bin/slither
	cd contracts && export PATH="$$PWD/bin:$$PATH" FOUNDRY_LINT_LINT_ON_BUILD=false \
		FOUNDRY_TEST=none FOUNDRY_OUT=cache/slither/out FOUNDRY_CACHE_PATH=cache/slither/cache && \
	.slither-venv/bin/python ../scripts/triage_slither.py .slither-venv/bin/slither

$(SLITHER)/bin/slither:
	$(PYTHON) -m venv $(SLITHER)
	$(SLITHER)/bin/pip install slither-analyzer==0.11.6

snapshots: build-contracts
	rm -f contracts/snapshots/Gas.json
	cd contracts && FORGE_SNAPSHOT_EMIT=true ./bin/forge test --match-contract GasTest
	@git --no-pager diff --stat -- contracts/snapshots verifier/zkdescent/verifier/artifacts
