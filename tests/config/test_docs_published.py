"""The table of published figures is what its file says, and each figure has a source."""

import importlib.util
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "published.py"


@pytest.fixture
def published():
    spec = importlib.util.spec_from_file_location("published", PAGE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_table_is_what_the_file_says(published, monkeypatch):
    monkeypatch.setattr("sys.argv", ["published.py", "--check"])
    assert published.main() == 0


@pytest.mark.parametrize(("line", "says"), [("x,y,1,z,,https://a.b", "no said_in"), ("x,y,1,z,paper,in the library", "is no address")])
def test_a_figure_without_a_source_is_not_quoted(published, monkeypatch, tmp_path, line, says):
    (tmp_path / "quoted.csv").write_text(",".join(published.COLUMNS) + f"\n{line}\n", encoding="utf-8")
    monkeypatch.setattr(published, "QUOTED", tmp_path / "quoted.csv")
    with pytest.raises(AssertionError, match=says):
        published.table()
