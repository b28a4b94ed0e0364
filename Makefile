# Each of these works alone on a fresh machine: it makes the virtual environment first where there is none.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: run test quick lint bench clean

run: $(VENV)/installed
	@exec $(BIN)/monitor run --config deploy/demo.yaml

test: $(VENV)/installed-test
	$(BIN)/python -m pytest -n 2

quick: $(VENV)/installed-test
	$(BIN)/python -m pytest -n 2 -m "not slow"

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
