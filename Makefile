# `make demo` and `make test` set themselves up in .venv; python3, pip and make suffice.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
BASE := $(VENV)/.base
INSTALLED := $(VENV)/.installed
DOCS := $(VENV)/.docs
SAMPLES := samples
SAMPLE_OPTIONS :=
MODELS := saved_models
RESULTS := results
OPTIONS := --size 128 --epochs 3 --lr 0.002
# One more than there are cores: some tests only wait.
PROCESSES := -n 3 --no-loadscope-reorder
ON_JAX := tests/methods/test_contract.py tests/methods/engine/test_backend.py \
	tests/methods/engine/test_devices.py
# One method that trains and one that learns from features; at night, all.
METHODS_ON_JAX := mvtecCAE or PaDiM or test_backend or test_devices
SELECTION := -m "not nightly"
QUICK := tests/processing tests/methods/cli tests/methods/engine tests/test_structure.py
MODEL = "$$(ls -t $(MODELS)/*/washer/mvtecCAE/ssim/*/*.hdf5 | head -n 1)"

.PHONY: demo checks on-jax test test-quick test-all coverage docs clean

demo: $(BASE)
	$(BIN)/python -m processing.samples $(SAMPLES) $(SAMPLE_OPTIONS)
	$(BIN)/python train.py -d $(SAMPLES)/washer --models $(MODELS) $(OPTIONS)
	$(BIN)/python finetune.py -p $(MODEL) --results $(RESULTS)
	$(BIN)/python test.py -p $(MODEL) --results $(RESULTS) -s

checks: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

on-jax: $(INSTALLED)
	KERAS_BACKEND=jax $(BIN)/pytest -q $(SELECTION) $(ON_JAX) -k "$(METHODS_ON_JAX)"

# mypy has one core to itself, JAX the other.
test: $(INSTALLED)
	$(MAKE) --jobs=2 checks on-jax \
		SELECTION='$(SELECTION)' METHODS_ON_JAX='$(METHODS_ON_JAX)'
	$(BIN)/pytest $(PROCESSES) $(SELECTION) --durations=10

test-all: SELECTION :=
test-all: METHODS_ON_JAX :=
test-all: export FUZZ_CASES := 60
test-all: test

# Without methods, scripts and benchmarks: for between two edits.
test-quick: checks
	$(BIN)/pytest $(PROCESSES) -m "not nightly and not slow" $(QUICK)

# Of code that runs in this process: not of killed scripts, nor what numba compiles.
coverage: $(INSTALLED)
	$(BIN)/pytest $(PROCESSES) --cov --cov-report=term:skip-covered --cov-report=html

# The pages of docs/ as a site, in site/.
docs: $(DOCS)
	$(BIN)/mkdocs build --strict

define install
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --editable $(1)
endef

# What it takes to work, without what only tests, exports and clusters need.
$(BASE): setup.cfg pyproject.toml
	$(call install,.)
	touch $@

$(INSTALLED): setup.cfg pyproject.toml
	$(call install,.[test])
	touch $(BASE) $@

$(DOCS): setup.cfg pyproject.toml
	$(call install,.[docs])
	touch $(BASE) $@

clean:
	rm -rf $(VENV) $(SAMPLES) htmlcov .coverage site
