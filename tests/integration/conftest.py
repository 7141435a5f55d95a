"""What several tests of experiments' scripts share."""

import importlib.util
import sys
from pathlib import Path

import pytest

EXPERIMENTS = Path(__file__).parents[2] / "experiments"


@pytest.fixture
def script(monkeypatch, request):
    """A file of the test module's ``EXPERIMENT`` as a module, what lies beside it importable, and forgotten afterwards."""
    folder = EXPERIMENTS / request.module.EXPERIMENT
    monkeypatch.syspath_prepend(str(folder))
    before = set(sys.modules)

    def load(name):
        spec = importlib.util.spec_from_file_location(name, folder / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
        return module

    yield load
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(folder)):
            del sys.modules[name]
