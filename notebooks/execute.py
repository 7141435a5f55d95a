"""Run the notebooks from top to bottom and keep what they show, without the times at which they ran: python notebooks/execute.py."""

from __future__ import annotations

from pathlib import Path

import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).parent

if __name__ == "__main__":
    for file in sorted(HERE.glob("*.ipynb")):
        notebook = nbformat.read(file, as_version=4)
        where = {"metadata": {"path": HERE}}
        NotebookClient(notebook, kernel_name="python3", timeout=900, startup_timeout=300, record_timing=False, resources=where).execute()
        nbformat.write(notebook, file)
