# Each of these works alone on a fresh machine: it makes the virtual environment first where there is none.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: run test quick lint bench clean

run: $(VENV)/installed
	@exec $(BIN)/monitor run --config deploy/demo.yaml

test: $(VENV)/installed-test
	$(BIN)/python -m pytest -n 4 --maxschedchunk 1

quick: $(VENV)/installed-test
	$(BIN)/python -m pytest -n 4 --maxschedchunk 1 -m "not slow"

lint: $(VENV)/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/installed-test
	@$(BIN)/python -m tests.bench
	@$(BIN)/python -m tests.bench_feeds
	@$(BIN)/python -m tests.bench_http
	@$(BIN)/python -m tests.bench_polling
	@$(BIN)/python -m tests.bench_stories
	@$(BIN)/python -m tests.bench_articles
	@$(BIN)/python -m tests.bench_delivery

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis dist

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "monitor needs Python 3.11 or newer; name one with: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; exit 2; }
	@$(PYTHON) -m venv $(VENV) \
	  || { rm -rf $(VENV); echo "this Python has no venv module; on Debian and Ubuntu: apt install python3-venv" >&2; exit 2; }

$(VENV)/installed: pyproject.toml | $(BIN)/python
	@echo "installing monitor into $(VENV) ..."
	@$(PIP) install --editable .
	@touch $@

$(VENV)/installed-test: pyproject.toml | $(BIN)/python
	@echo "installing monitor and what its tests need into $(VENV) ..."
	@$(PIP) install --editable '.[test]'
	@touch $@ $(VENV)/installed
