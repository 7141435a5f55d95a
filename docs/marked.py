"""Write a table into a page of the manual, between two marks that name the script which makes it."""

from __future__ import annotations

import re
from pathlib import Path


def settle_table(page: Path, name: str, table: str, *, check: bool) -> int:
    """Replace what stands between the marks ``<!-- NAME: python docs/NAME.py -->`` and ``<!-- end of NAME -->``.

    Args:
        page: Markdown file with these marks, once.
        name: name of the script, without its ending.
        table: lines of Markdown, with a line break at the end.
        check: compare only, and write nothing.

    Returns:
        Exit code: 1 where the page is out of date and was to be compared only.

    """
    text = page.read_text(encoding="utf-8")
    marked = re.compile(rf"(<!-- {name}: python docs/{name}.py -->\n).*?(<!-- end of {name} -->)", re.DOTALL)
    made, found = marked.subn(lambda mark: mark[1] + table + mark[2], text)
    assert found == 1, f"{page.name} lost the marks of the table"
    if check:
        return int(made != text)
    page.write_text(made, encoding="utf-8")
    return 0
