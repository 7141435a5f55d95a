"""The workers share the cores; shapes and types at the boundaries of these packages are checked in tests, and only there."""

import logging
import os
import sys
import warnings
from importlib.util import find_spec
from pathlib import Path

import pytest
from jaxtyping import install_import_hook
from joblib import cpu_count

CHECKED = ("ops", "features", "generator", "inversion", "data.sample")
install_import_hook([f"vera.{package}" for package in CHECKED], "beartype.beartype").__enter__()

CONF = Path(__file__).parents[1] / "conf"
FOUND = (spec := find_spec("vera.conf")) and next(iter(spec.submodule_search_locations))
if FOUND and not CONF.samefile(FOUND):
    warnings.warn(f"the tests read {FOUND}, not {CONF}: use this checkout's own .venv (make)", stacklevel=1)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(specs):
    """Before the workers start: torch, OpenCV and NumPy look at it once, when they are imported. What tests start inherits it."""
    threads = max(1, cpu_count() // len(specs))
    for library in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OPENCV_FOR_THREADS_NUM"):
        os.environ.setdefault(library, str(threads))


@pytest.fixture
def vera(monkeypatch, capfd):
    """Run the command line in this process: (exit code, stdout, stderr)."""
    from vera.cli import main

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["vera", *map(str, arguments)])
        before = logging.root.handlers[:]
        with pytest.raises(SystemExit) as left:
            main()
        # A process of its own ends here; in this one Hydra's log would go on into the folder of an earlier test.
        for handler in [one for one in logging.root.handlers if one not in before]:
            logging.root.removeHandler(handler)
            handler.close()
        out, err = capfd.readouterr()
        return left.value.code or 0, out, err

    return run
