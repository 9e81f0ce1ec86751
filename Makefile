# make demo    a fresh machine to proof: environment, install, index, search, retrieval on and off on the bundled exam
# make test    environment, install, tests
# make check   format, lint, types, layers, limits
# make sample  typeset the bundled textbook again (needs typst and a font: corpora/sample/textbook/README.md)

PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test realdata check format sample clean
.DELETE_ON_ERROR:

demo: .venv/.user
	$(BIN)/python -m index_build
	$(BIN)/python -m rag search "대동법은 어디에서 처음 실시되었는가?" --top-k 3
	$(BIN)/python -m eval --rag --split test

test: .venv/.developer
	$(BIN)/python -m pytest

realdata: .venv/.developer
	$(BIN)/python -m pytest -m realdata

check: .venv/.developer
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tests/limits.py

format: .venv/.developer
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

sample: .venv/.developer
	$(BIN)/python corpora/sample/textbook/build.py

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, found " + sys.version.split()[0])'
	$(PYTHON) -m venv .venv

.venv/.user: requirements.txt | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

.venv/.developer: requirements-dev.txt requirements.txt | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch $@ .venv/.user

clean:
	rm -rf .venv indexes runs .mypy_cache .ruff_cache .pytest_cache .hypothesis
