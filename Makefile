# `make parity` and `make test` do everything on a machine with Python 3.10 to 3.12 and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: setup parity quick test conformance lint format bench limits mapping corpus selftest enclosure false-alarms fuzz lives \
	power mutation clean
.DEFAULT_GOAL := parity

# Other versions: make parity TORCH=2.9.1 MINDSPORE=2.8.0. Options of the run: RUN="--examples 50".
TORCH ?=
MINDSPORE ?=
RUN ?=

# All else stays as constraints.txt has it.
OTHER_VERSIONS = grep -v $(TORCH:%=-e '^torch==') $(MINDSPORE:%=-e '^mindspore==') constraints.txt > $(VENV)/others.txt && \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c $(VENV)/others.txt \
	$(TORCH:%=torch==%) $(MINDSPORE:%=mindspore==%)

# Only sets up.
setup: $(READY)
	@echo "$(VENV) is ready. Next: make quick (some two minutes), make parity (everything), or $(BIN)/rnn-parity --help"

parity: $(READY)
	$(if $(TORCH)$(MINDSPORE),$(OTHER_VERSIONS))
	$(BIN)/rnn-parity run $(RUN)

# In some two minutes: each requirement, each known difference that shows in every run.
quick: $(READY)
	$(BIN)/rnn-parity run --quick $(RUN)

# The conformance suite first and alone: on two cores MindSpore takes several times as long beside others.
# Here it asks what a quick run asks; `make conformance` the whole corpus.
test: $(READY)
	@failed=; $(BIN)/pytest -q --parity-quick tests/test_conformance.py || failed=1; \
	$(BIN)/pytest -q -n 2 --dist worksteal --ignore tests/test_conformance.py || failed=1; \
	test -z "$$failed"

conformance: $(READY)
	$(BIN)/pytest -q tests/test_conformance.py

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(READY)
	$(BIN)/pytest -q tests/campaigns/bench_*.py --benchmark-columns=median,min,max,rounds

limits: $(READY)
	$(BIN)/python -m tests.campaigns.sequence_limits

power: $(READY)
	$(BIN)/python -m tests.campaigns.power

mapping: $(READY)
	$(BIN)/rnn-parity mapping

corpus: $(READY)
	$(BIN)/python -m harness.build_corpus

enclosure: $(READY)
	$(BIN)/python -m tests.campaigns.enclosure

lives: $(READY)
	$(BIN)/python -m tests.campaigns.lives

false-alarms: $(READY)
	$(BIN)/python -m tests.campaigns.false_alarms

selftest: $(READY)
	$(BIN)/rnn-parity selftest

fuzz: $(READY)
	$(BIN)/python -m tests.campaigns.fuzz

# Mutants of the oracle, its bounds and the checks; of one module: make mutation MODULE=reference.intervals
MODULE ?=
JOBS ?= 1

mutation: $(VENV)/.mutation
	$(if $(MODULE),,rm -rf mutants)
	OMP_NUM_THREADS=1 PYTHONHASHSEED=0 $(BIN)/mutmut run --max-children $(JOBS) $(MODULE:%='%.*')
	$(BIN)/python -m tests.campaigns.mutation $(MODULE)

clean:
	rm -rf $(VENV) reports/latest mutants

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 10) <= v <= (3, 12) else f"python {v[0]}.{v[1]}: MindSpore has wheels for 3.10 to 3.12 only; call make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[torch,mindspore,test,lint]'
	@touch $@

$(VENV)/.mutation: $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[mutation]'
	@touch $@
