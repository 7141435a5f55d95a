"""The manual builds without a warning, and every link in the built pages leads somewhere."""

import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from mkdocs.commands.build import build
from mkdocs.config import load_config
from mkdocs.exceptions import Abort

ROOT = Path(__file__).parents[2]


def make(site, **settings):
    build(load_config(str(ROOT / "mkdocs.yml"), site_dir=str(site), strict=True, **settings))


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    make(folder)
    return {file.relative_to(folder).as_posix(): Links(file.read_text(encoding="utf-8")) for file in folder.rglob("*.html")}, folder


class Links(HTMLParser):
    """What a page links to, and the places in it that can be linked to."""

    def __init__(self, text):
        super().__init__()
        self.text, self.targets, self.places = text, [], set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        known = dict(attributes)
        self.places |= {known[key] for key in ("id", "name") if known.get(key)}
        self.targets += [known[key] for key in ("href", "src") if known.get(key)]


def test_every_link_leads_somewhere(site):
    pages, folder = site
    missing = []
    for name, page in pages.items():
        for target in page.targets:
            address = urlsplit(target)
            if address.scheme or name == "404.html":
                assert address.scheme in {"https", "http", "data", "mailto", ""}, target
                assert address.scheme in {"data", "mailto", ""} or re.fullmatch(r"[\w.-]+\.[a-z]{2,}", address.netloc), target
                continue
            file = (folder / name).parent / unquote(address.path) if address.path else folder / name
            if not file.exists():
                missing.append((name, target))
            elif address.fragment and file.suffix == ".html":
                where = pages[file.resolve().relative_to(folder.resolve()).as_posix()]
                if address.fragment not in where.places and address.fragment != "__comments":
                    missing.append((name, target))
    assert not missing


def test_the_reference_is_made_of_docstrings(site):
    pages, _ = site
    text = pages["reference/python.html"].text
    assert "a seed, a saved identity (or its file), or None for a face nobody can draw again" in text
    assert re.search(r'href="\w+\.html#vera\.types\.Semantic"', text)  # a name in a docstring is a link
    for name, page in pages.items():
        if name.startswith("reference/"):
            assert not re.findall(r":(?:class|func|meth|attr|mod|data|exc):<code>", page.text), name


def test_what_lives_elsewhere_has_a_page(site):
    pages, _ = site
    assert "Before you publish" in pages["SAFETY.html"].text
    assert "Six things to do with it" in pages["overview.html"].text
    for file in (ROOT / "notebooks").glob("*.ipynb"):
        assert "data:image/jpeg" in pages[f"notebooks/{file.stem}.html"].text


def test_a_link_to_nothing_stops_the_build(tmp_path, caplog):
    docs = tmp_path / "docs"
    shutil.copytree(ROOT / "docs", docs)
    (docs / "index.md").write_text("# VerA\n\n[nowhere](nowhere.md)\n")
    with pytest.raises(Abort):
        make(tmp_path / "site", docs_dir=str(docs), plugins=[])  # without the reference, which is what takes long
    (warning,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert "nowhere.md" in warning
