SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --warn-undefined-variables --no-builtin-rules --no-print-directory
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.stamp
# Only where something of the system is missing.
SUDO := $(shell test "$$(id -u)" = 0 || echo sudo)
# What to test: make test T=tests/unit/test_retry.py
T ?= tests
# Which proof: make chaos PROOF=watchproof ARGS=--help
PROOF ?= chaos
# Never let uv fetch a Python of its own: the system's is the one we support.
export UV_PYTHON_DOWNLOADS := never
export UV_NO_PROGRESS := 1
# Without compiled files each worker of the tests compiles them all anew.
unexport PYTHONPATH VIRTUAL_ENV PYTHONDONTWRITEBYTECODE

.PHONY: help setup demo up test check redis proto lock bench chaos clean

##@ Use
demo: setup ## Send mails and documents through the whole system on this machine, watched live
	@$(BIN)/portaria demo

up: setup ## Run everything on this machine until Ctrl-C
	@$(BIN)/portaria up

##@ Develop
setup: $(STAMP) ## Install what is needed into .venv (a no-op the second time)

test: setup ## Run the tests (T=path narrows them)
	@$(BIN)/python -m pytest -n 4 --dist worksteal $(T)

check: setup ## Format, lint, types, import direction, contract, generated stubs, compose file
	@$(BIN)/python tests/check.py

redis: ## Install the system's redis-server, without starting it, where there is none 7 or newer
	@redis-server --version 2>/dev/null | grep -qE 'v=([7-9]|[1-9][0-9])\.' || { $(INSTALL_REDIS); }

proto: setup ## Regenerate stubs and façades from proto/
	@$(BIN)/python proto/generate.py

lock: ## Resolve requirements.lock anew from pyproject.toml
	@$(BIN)/uv pip compile pyproject.toml --all-extras --group dev --universal --generate-hashes \
	  --no-emit-index-url --no-header --upgrade --quiet -o requirements.lock
	@$(BIN)/uv pip compile --group bench --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-header --upgrade --quiet -o tests/bench/requirements.lock
	@$(BIN)/uv pip compile --group node --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-header --upgrade --quiet -o tests/e2e/node.lock

bench: setup ## Measure against the committed baselines, in one run
	@$(BIN)/python tests/bench/run.py $${ARGS:-}

chaos: setup ## Kill parts of the system and prove that nothing is lost (PROOF=watchproof: watches; soak)
	@PYTHONPATH=tests:tests/fixtures $(BIN)/python -m robustness.$(PROOF) $${ARGS:-}

clean: ## Remove what make made (.venv, caches; .portaria data stays)
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
	@find services workers tests proto -name __pycache__ -type d -prune -exec rm -rf {} +

help: ## Show this help
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n\033[1m%s\033[0m\n", substr($$0, 5)} \
	  /^[a-z]+:.*## / {printf "  \033[36m%-8s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# A venv that broke off half-way has no uv, and is made anew. uv itself is checked against the lock.
$(STAMP): pyproject.toml requirements.lock
	@test -x $(BIN)/uv || { $(MAKE_VENV); }
	@$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

# As Debian asks whether a package may start its service: no.
define INSTALL_REDIS
echo "installing redis-server, for the tests on a newer Redis than the embedded one"; \
policy=/usr/sbin/policy-rc.d; \
test -e $$policy || { \
  trap "$(SUDO) rm -f $$policy" EXIT; \
  printf '#!/bin/sh\nexit 101\n' | $(SUDO) tee $$policy >/dev/null; $(SUDO) chmod +x $$policy; }; \
$(SUDO) apt-get update -qq; \
$(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y redis-server >/dev/null
endef

define MAKE_VENV
$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' \
  || { echo "$(PYTHON) is not Python 3.11 or 3.12: make PYTHON=/path/to/one" >&2; exit 1; }; \
$(PYTHON) -c 'import ensurepip' 2>/dev/null || { \
  echo "installing python3-venv, which this Python lacks"; \
  $(SUDO) apt-get update -qq && $(SUDO) apt-get install -qq -y python3-venv >/dev/null; }; \
rm -rf $(VENV) && $(PYTHON) -m venv $(VENV); \
awk '/^[a-z]/ {keep = /^uv==/} keep' requirements.lock > $(VENV)/uv.lock; \
$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
  --requirement $(VENV)/uv.lock
endef
