"""The tables of files that other programs wrote are what the reader gives, where the programs are installed."""

import runpy
from pathlib import Path

import pytest

SCRIPT = runpy.run_path(str(Path(__file__).parents[2] / "docs" / "other_programs.py"))


@pytest.mark.parametrize("name", SCRIPT["TOOLS"])
def test_a_table_of_another_programs_files_is_up_to_date(name):
    written = SCRIPT["written"](name)
    assert written, "run python docs/other_programs.py"
    assert "WRONG" not in written
    assert "off by" not in written
    if absent := SCRIPT["missing"](name):
        pytest.skip(f"{', '.join(absent)} not installed (Debian's imagemagick and dcmtk)")
    try:
        measured = SCRIPT["section"](name)
    except RuntimeError as error:
        pytest.skip(f"a program here cannot write what the table needs: {error}")
    assert measured == written, "run python docs/other_programs.py"
