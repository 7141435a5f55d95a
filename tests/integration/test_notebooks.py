"""The notebooks run at tiny settings, and hold the pictures of the bundle that is shipped."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from vera import bundle

FOLDER = Path(__file__).parents[2] / "notebooks"
TINY = {
    "1_control_the_generator": "FACES = 1",
    "2_invert_and_edit": "STEPS, DONORS = 1, 1",
    "3_anonymize_a_pair": "ATTEMPTS = 4",
}
BUNDLES = dict.fromkeys(TINY, bundle.default_bundle()) | {"3_anonymize_a_pair": bundle.exemplar_bundle()}


def read(name):
    return nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)


def pictures(cell):
    return [output for output in cell.get("outputs", []) if "image/jpeg" in output.get("data", {})]


def shown(notebook):
    """All text that the cells gave."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return "\n".join(output.get("data", {}).get("text/plain", "") for output in outputs)


def test_every_notebook_is_tested():
    assert {file.stem for file in FOLDER.glob("*.ipynb")} == set(TINY)


@pytest.mark.parametrize("name", TINY)
def test_a_notebook_runs_from_its_parameters(name, tmp_path):
    notebook, committed = read(name), read(name)
    (at,) = [number for number, cell in enumerate(notebook.cells) if "parameters" in cell.metadata.get("tags", [])]
    notebook.cells.insert(at + 1, nbformat.v4.new_code_cell(TINY[name]))
    NotebookClient(notebook, kernel_name="python3", timeout=300, startup_timeout=300, resources={"metadata": {"path": tmp_path}}).execute()
    drawn = [len(pictures(cell)) for number, cell in enumerate(notebook.cells) if number != at + 1]
    assert drawn == [len(pictures(cell)) for cell in committed.cells]
    assert not list(tmp_path.iterdir())  # nothing is left behind


@pytest.mark.parametrize("name", TINY)
def test_a_notebook_is_committed_as_it_ran(name):
    notebook = read(name)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1)), "run it from top to bottom: make notebooks"
    assert sum(len(pictures(cell)) for cell in code) >= 2
    kinds = {output.output_type for cell in code for output in cell.outputs}
    assert kinds <= {"display_data", "execute_result"}, "a warning or an error was left"
    assert bundle.read(BUNDLES[name])["digest"] in shown(notebook), "the pictures are of another bundle: make notebooks"
    assert not [root for root in ("/home/", "/tmp/", "/root/", "site-packages") if root in shown(notebook)]
    assert (FOLDER / f"{name}.ipynb").stat().st_size < 600_000
