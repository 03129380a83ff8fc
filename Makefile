# make demo, make test, make quick: set up what is needed, then run. ENV chooses the virtual environment
# (default: the active one, else .venv), PYTHON the interpreter that makes a new one (default: the
# first that runs of those tested, else python3).
PYTHON ?= $(shell for python in python3.11 python3.12 python3.13 python3.10; do \
	$$python -c '' 2> /dev/null && command -v $$python && exit; done; command -v python3)
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
