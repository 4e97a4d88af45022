# A machine with Python >= 3.11 and make is enough: every target does its own set-up.
SHELL := /bin/bash
PYTHON ?= python3
UV_VERSION := 0.13.9
UV := .tools/bin/uv
BIN := .venv/bin
ADBID := $(BIN)/adbid
PORT ?= 8000
PYTEST_ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help up down status test check format bench clean

help:  ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

up: .venv/.synced  ## install, start everything, migrate, seed; prints the URLs
	@$(ADBID) up --detach --port $(PORT)

down: .venv/.synced  ## stop everything; the data stays
	@$(ADBID) down

status: .venv/.synced  ## what runs, where, and how much memory it takes
	@$(ADBID) status

test: .venv/.synced  ## every test, against real servers
	@$(BIN)/pytest $(PYTEST_ARGS)

check: .venv/.synced  ## lint, format, types, direction of imports
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: .venv/.synced  ## format the code
	@$(BIN)/ruff check --fix . && $(BIN)/ruff format .

bench: .venv/.synced  ## in-process timings of the engine
	@$(BIN)/pytest tests/test_perf.py --benchmark-only

clean:  ## remove what was installed (not the data in var/)
	rm -rf .venv .tools

$(UV):
	$(PYTHON) -m venv .tools
	.tools/bin/python -m pip install --quiet "uv==$(UV_VERSION)"

.venv/.synced: $(UV) pyproject.toml uv.lock
	UV_PYTHON_DOWNLOADS=never $(UV) sync --frozen --python $(PYTHON)
	@touch $@
