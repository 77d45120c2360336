# `make demo` and `make test` set themselves up in .venv; python3, pip and make suffice.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
SAMPLES := samples
OPTIONS := --epochs 4
RUNS := saved_models/$(notdir $(SAMPLES))/washer/mvtecCAE/ssim

.PHONY: demo test clean

demo: $(INSTALLED)
	$(BIN)/python -m processing.samples $(SAMPLES)
	$(BIN)/python train.py -d $(SAMPLES)/washer $(OPTIONS)
	$(BIN)/python finetune.py -p "$$(ls -t $(RUNS)/*/*.hdf5 | head -n 1)"
	$(BIN)/python test.py -p "$$(ls -t $(RUNS)/*/*.hdf5 | head -n 1)" -s

test: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest
	KERAS_BACKEND=jax $(BIN)/pytest tests/methods/test_contract.py

$(INSTALLED): setup.cfg pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --editable .[test]
	touch $@

clean:
	rm -rf $(VENV) $(SAMPLES)
