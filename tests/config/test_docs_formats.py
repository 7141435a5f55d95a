"""The table of file formats in the manual is the one that the reader gives."""

import runpy
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "docs" / "formats.py"


def test_the_table_of_formats_is_up_to_date():
    script = runpy.run_path(str(SCRIPT))
    made = script["page"]()
    assert "WRONG" not in made
    assert "off by" not in made
    assert made == script["PAGE"].read_text(encoding="utf-8"), "run python docs/formats.py"
