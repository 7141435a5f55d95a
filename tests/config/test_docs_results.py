"""The page of results is what the experiments stored."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_page_is_what_the_experiments_stored():
    done = subprocess.run([sys.executable, "docs/results.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr or "docs/results.md: run `python docs/results.py`"
