"""The README's table of measured figures is what the experiments stored."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_table_is_what_the_experiments_stored():
    done = subprocess.run([sys.executable, "docs/measured.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr or "README.md: run `python docs/measured.py`"
