"""The table of bad inputs in the manual is the one that the tests give."""

import runpy
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "docs" / "bad_inputs.py"


def test_the_table_of_bad_inputs_is_up_to_date():
    script = runpy.run_path(str(SCRIPT))
    made = script["page"](script["collected"]())  # pytest within pytest: what is imported is not imported again
    assert made == script["PAGE"].read_text(encoding="utf-8"), "run python docs/bad_inputs.py"
