"""Shapes and types at the boundaries of the rooms are checked in tests, and only there."""

import sys

import pytest
from jaxtyping import install_import_hook

ROOMS = ("ops", "features", "generator", "inversion", "data.sample")
install_import_hook([f"vera.{room}" for room in ROOMS], "beartype.beartype").__enter__()


@pytest.fixture
def vera(monkeypatch, capfd):
    """Run the command line in this process: (exit code, stdout, stderr)."""
    from vera.cli import main

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["vera", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            main()
        out, err = capfd.readouterr()
        return left.value.code or 0, out, err

    return run
