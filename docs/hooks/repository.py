"""Build hooks of the manual: pages from elsewhere in the repository, the API reference, links that leave docs/, names in docstrings.

README, SAFETY.md and the notebooks become pages, the schema of audits a file, and each package of the source gets a reference page with
all its modules. A link to a file that is no page (an experiment, a model card) becomes its text with the path beside it. A link to
nothing stays as it is, and `mkdocs build --strict` stops at it. Docstrings name things as Sphinx does (:class:`~vera.types.Semantic`):
such a name becomes a link to its place in the reference, if it has one.
"""

from __future__ import annotations

import ast
import json
import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
ELSEWHERE = {"README.md": "overview.md", "SAFETY.md": "SAFETY.md", "src/vera/assets/audit/schema.json": "audit.schema.json"}
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s#]+)(#[^)\s]*)?\)")

ROLE = re.compile(r":(?:class|func|meth|attr|mod|data|exc):<code>(~?)([\w.]+)</code>")


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the pages from elsewhere."""
    for source, uri in published(files).items():
        if uri not in files.src_uris:
            file = ROOT / source
            text = notebook_page(file) if file.suffix == ".ipynb" else file.read_text(encoding="utf-8")
            files.append(File.generated(config, uri, content=text))
    for uri, text in reference().items():
        files.append(File.generated(config, uri, content=text))
    return files


def reference() -> dict[str, str]:
    """A page for each package of ``src/vera``, and one for the modules beside them, which names every module."""
    pages: dict[str, list[str]] = {}
    for file in sorted((ROOT / "src" / "vera").rglob("*.py")):
        parts = file.relative_to(ROOT / "src").with_suffix("").parts
        if parts[-1] not in ("__init__", "__main__"):
            pages.setdefault(parts[1] if len(parts) > 2 else "base", []).append(".".join(parts))
    texts = {}
    for package, modules in pages.items():
        init = ROOT / "src" / "vera" / package / "__init__.py"
        told = ast.get_docstring(ast.parse(init.read_text(encoding="utf-8"))) if init.is_file() else "The modules that all packages share."
        lines = [f"# {package.capitalize()}", told or "", *(f"::: {module}" for module in modules)]
        texts[f"reference/{package}.md"] = "\n\n".join(lines) + "\n"
    return texts


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Resolve the links of a page."""
    known = published(files)
    home = posixpath.dirname(next(source for source, uri in known.items() if uri == page.file.src_uri))

    def settled(link: re.Match[str]) -> str:
        picture, text, target, anchor = link.groups(default="")
        path = posixpath.normpath(posixpath.join(home, target))
        if path in known:
            here = posixpath.relpath(known[path], posixpath.dirname(page.file.src_uri) or ".")
            return f"{picture}[{text}]({here}{anchor})"
        if "://" in target or picture or not (ROOT / path).exists():
            return link.group()
        return text if path in text else f"{text} (`{path}`)"

    return LINK.sub(settled, markdown)


def on_page_content(html: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Link the names in docstrings; a name that mkdocstrings' autorefs does not know stays text."""

    def named(role: re.Match[str]) -> str:
        short = role[2].rpartition(".")[2] if role[1] else role[2]
        return f'<autoref identifier="{role[2]}" optional><code>{short}</code></autoref>'

    return ROLE.sub(named, html)


def published(files: Files) -> dict[str, str]:
    """Where in the repository each page and picture comes from, and its place in the manual."""
    notebooks = {f"notebooks/{file.name}": f"notebooks/{file.stem}.md" for file in sorted((ROOT / "notebooks").glob("*.ipynb"))}
    elsewhere = ELSEWHERE | notebooks
    own = {f"docs/{uri}": uri for uri in files.src_uris if uri not in elsewhere.values()}
    return own | elsewhere


def notebook_page(file: Path) -> str:
    """A notebook as Markdown, with the pictures that it holds."""
    cells = json.loads(file.read_text(encoding="utf-8"))["cells"]
    return "\n\n".join("".join(cell["source"]) if cell["cell_type"] == "markdown" else _code(cell) for cell in cells)


def _code(cell: dict[str, Any]) -> str:
    parts = [f"```python\n{''.join(cell['source'])}\n```"]
    for output in cell["outputs"]:
        data = {kind: "".join(value) for kind, value in output.get("data", {}).items()}
        if "image/jpeg" in data:
            parts.append(f"![what the cell above shows](data:image/jpeg;base64,{data['image/jpeg'].strip()})")
        elif "text/plain" in data:
            parts.append(f"```text\n{data['text/plain']}\n```")
    return "\n\n".join(parts)
