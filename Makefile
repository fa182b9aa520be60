# `make parity` and `make test` do everything on a machine with Python 3.10 to 3.12 and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: parity test lint format bench limits mapping corpus clean
.DEFAULT_GOAL := parity

parity: $(READY)
	$(BIN)/rnn-parity run

test: $(READY)
	$(BIN)/pytest -q

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(READY)
	$(BIN)/python -m harness.bench

limits: $(READY)
	$(BIN)/python -m harness.limits

mapping: $(READY)
	$(BIN)/rnn-parity mapping

corpus: $(READY)
	$(BIN)/python -m harness.build_corpus

clean:
	rm -rf $(VENV) reports/latest

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 10) <= v <= (3, 12) else f"python {v[0]}.{v[1]}: MindSpore has wheels for 3.10 to 3.12 only; call make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[torch,mindspore,test,lint]'
	@touch $@
