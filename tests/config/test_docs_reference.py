"""The manual's reference has every module of the source, on a page that the navigation shows."""

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytest.importorskip("mkdocs", reason="the manual's builder is not installed")


@pytest.fixture(scope="module")
def pages():
    spec = importlib.util.spec_from_file_location("repository_hooks", ROOT / "docs" / "hooks" / "repository.py")
    hooks = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hooks)
    return hooks.reference()


def test_every_module_is_in_the_reference(pages):
    files = [file.relative_to(ROOT / "src").with_suffix("") for file in (ROOT / "src" / "vera").rglob("*.py")]
    modules = {".".join(file.parts) for file in files if file.name not in ("__init__", "__main__")}
    assert set(re.findall(r"^::: (\S+)$", "\n".join(pages.values()), re.MULTILINE)) == modules


def test_the_navigation_shows_every_page_of_the_reference(pages):
    shown = re.findall(r"(reference/\w+\.md)", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    assert set(shown) == set(pages) | {"reference/python.md"}
