"""The report's table for a paper (LaTeX) and for a browser (HTML)."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

SIGNS = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}", "↑": r"$\uparrow$", "↓": r"$\downarrow$", "Δ": r"$\Delta$", "°": r"$^\circ$", "é": r"\'e", "²": r"$^2$",
}  # fmt: skip
STYLE = (
    "table{border-collapse:collapse}td,th{padding:.2em .6em;border-bottom:1px solid #ccc;text-align:right}"
    "td:first-child{text-align:left}"
)


def latex(cells: Sequence[Sequence[str]]) -> str:
    """A ``tabular`` with rules of the package booktabs.

    Args:
        cells: texts by row and column; the first row is the header, the first column the titles.

    """
    rows = [" & ".join(map(_escaped, row)) + r" \\" for row in cells]
    body = [r"\toprule", rows[0], r"\midrule", *rows[1:], r"\bottomrule"]
    return "\n".join([rf"\begin{{tabular}}{{l{'r' * (len(cells[0]) - 1)}}}", *body, r"\end{tabular}", ""])


def web_page(cells: Sequence[Sequence[str]], notes: str) -> str:
    """A page of HTML that needs no other file.

    Args:
        cells: texts by row and column; the first row is the header, the first column the titles.
        notes: what the report's notes say, as Markdown with lists.

    """
    header, *rows = ["".join(f"<{tag}>{html.escape(text)}</{tag}>" for text in row) for tag, row in _tagged(cells)]
    table = "\n".join(["<table>", f"<tr>{header}</tr>", *(f"<tr>{row}</tr>" for row in rows), "</table>"])
    parts = [_block(part) for part in notes.strip().split("\n\n")]
    return "\n".join(["<!doctype html>", f'<meta charset="utf-8"><title>VerA: evaluation</title><style>{STYLE}</style>', table, *parts, ""])


def _tagged(cells: Sequence[Sequence[str]]) -> list[tuple[str, Sequence[str]]]:
    return [("th" if number == 0 else "td", row) for number, row in enumerate(cells)]


def _block(text: str) -> str:
    lines = text.splitlines()
    if all(line.startswith("- ") for line in lines):
        return "<ul>" + "".join(f"<li>{html.escape(line[2:])}</li>" for line in lines) + "</ul>"
    return f"<p>{html.escape(text)}</p>"


def _escaped(text: str) -> str:
    return re.sub("|".join(map(re.escape, SIGNS)), lambda sign: SIGNS[sign[0]], text)
