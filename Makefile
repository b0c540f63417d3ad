# Needs Python 3.11 or newer, pip and make; everything else comes into .venv.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: test test-slow check clean

test: check
	$(BIN)/pytest

# The second tier: kills, real models, whole runs.
test-slow: .venv/installed
	$(BIN)/pytest -m slow --timeout 1200

check: .venv/installed
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports

.venv/installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --editable '.[cascade,test]'
	touch $@

clean:
	rm -rf .venv
