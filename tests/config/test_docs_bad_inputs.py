"""The table of bad inputs in the manual is the one that the tests give."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_table_of_bad_inputs_is_up_to_date():
    done = subprocess.run([sys.executable, ROOT / "docs" / "bad_inputs.py", "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
