# make demo, make test, make quick: set up what is needed, then run. ENV chooses the virtual environment
# (default: the active one, else .venv), PYTHON the interpreter that makes a new one.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
ENV ?= $(or $(VIRTUAL_ENV),.venv)
PY = $(ENV)/bin/python

.PHONY: setup demo lint test quick

setup:
	@$(PYTHON) projects/BoxMaskVID/tools/setup_environment.py --env $(ENV)

demo: setup
	$(PY) projects/BoxMaskVID/tools/run_demo.py --output output/demo

lint: setup
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

test: lint
	$(PY) -m pytest

quick: setup
	$(PY) -m pytest -m "not slow"
