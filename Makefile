# Needs Python >= 3.11 with venv, pip and a package registry; everything else is set up in .venv.
#   make demo   make test   make test-slow   make lint   make install-gpu   make clean

SHELL := /bin/bash
VENV  := .venv
BIN   := $(VENV)/bin
READY := $(VENV)/.ready

# PYTHON=/path/to/python3.12 make test  takes another one. An entry that is on the PATH may still not start, so each is tried.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	"$$p" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { command -v "$$p"; break; }; done)

.DELETE_ON_ERROR:
.PHONY: demo test test-slow lint install-gpu clean

# The stamp depends on what declares the dependencies: a second run sets nothing up.
$(READY): setup.cfg pyproject.toml
	@test -n "$(PYTHON)" || { echo "VerA needs Python 3.11 or newer with its venv module: install one, or name it: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@test -x $(BIN)/python || { echo "making $(VENV) with $(PYTHON)"; "$(PYTHON)" -m venv $(VENV); }
	$(BIN)/python -m pip install --disable-pip-version-check --progress-bar off --quiet --editable '.[dev]'
	@touch $@

demo: $(READY)
	$(BIN)/python experiments/demo/run.py --out outputs/demo

test: lint
	$(BIN)/python -m pytest

test-slow: $(READY)
	$(BIN)/python -m pytest -m slow

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# onnxruntime and onnxruntime-gpu are two distributions of one module: they overwrite each other's files, and insightface asks
# for the first by name. So the CPU one is taken out, the GPU one put in with the same version, and pip's wish for the first is
# left unmet (`pip check` will name it; the module is there all the same). `vera doctor` says which of the two is installed.
install-gpu: $(READY)
	version=$$($(BIN)/python -c 'from importlib.metadata import distributions as d; print(next(x.version for x in d() if x.metadata["Name"] in ("onnxruntime", "onnxruntime-gpu")))') && \
	$(BIN)/python -m pip uninstall --yes --quiet onnxruntime onnxruntime-gpu && \
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps "onnxruntime-gpu==$$version"
	$(BIN)/vera doctor

clean:
	rm -rf $(VENV) build dist src/*.egg-info outputs runs multirun .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
