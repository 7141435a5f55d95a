"""Write the report of one evaluation or several: results, table with notes, figures."""

from __future__ import annotations

import html
import io
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vera.evaluation.protocol.results import AnonymizerResult, Curves
from vera.evaluation.report.figures import draw, panels, save
from vera.evaluation.report.table import Record, cells, comma_separated, markdown, notes
from vera.files import write_into_run
from vera.types import Pixels, VeraError
from vera.untrusted import field, read_arrays, read_json_lines

MEND = "run the evaluation again, it only repeats the last step"
FORMS = {"latex": "table.tex", "html": "table.html"}
"""Files of the table in other forms than Markdown."""
SIGNS = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}", "↑": r"$\uparrow$", "↓": r"$\downarrow$", "Δ": r"$\Delta$", "°": r"$^\circ$", "é": r"\'e", "²": r"$^2$",
}  # fmt: skip
STYLE = (
    "table{border-collapse:collapse}td,th{padding:.2em .6em;border-bottom:1px solid #ccc;text-align:right}td:first-child{text-align:left}"
)
RESULTS, CURVES, TABLE, SHEET = "results.jsonl", "distances.npz", "table.md", "table.csv"


def write(folder: Path, results: Sequence[AnonymizerResult], faces: Sequence[Sequence[Pixels | None]] = ()) -> list[Path]:
    """Write a run's results, its table and its figures.

    Args:
        folder: folder of the run.
        results: one for each anonymizer.
        faces: rows of ``panels.png``: a person's original face and one of each anonymizer, ``(H, W, 3)`` uint8, None for a refused one.

    Returns:
        The files.

    Raises:
        VeraError: they can't be written.

    """
    records = [result.record for result in results]
    lines = "".join(json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n" for record in records)
    curves = {record["anonymizer"]: result.curves for record, result in zip(records, results, strict=True)}
    arrays = {
        f"{name}/{recogniser}/{side}": values
        for name, found in curves.items()
        for recogniser, sides in found.items()
        for side, values in sides.items()
    }
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)  # type: ignore[arg-type]
    write_into_run(folder / RESULTS, lines.encode())
    write_into_run(folder / CURVES, content.getvalue())
    names = [record["anonymizer"] for record in records]
    if faces:
        save(panels(faces, ["originals", *names]), folder / "panels.png")
    return [folder / RESULTS, folder / CURVES, *_pages(folder, records, names, curves)]


def check_same_photographs(folder: Path, digest: str) -> None:
    """Raise a VeraError if a run's folder holds the results of other photographs than those of this digest."""
    if not (folder / RESULTS).is_file():
        return
    try:
        held = {str(record["data"]["digest"]) for record in read_json_lines(folder / RESULTS, what=RESULTS)}
    except (VeraError, KeyError, TypeError):
        return  # damaged: nothing is lost when it is written again
    others = sorted(held - {digest})
    if others:
        way = f"choose another folder with run.folder=DIR, or remove {RESULTS} there to replace them"
        raise VeraError(f"'{folder}' holds the results of other photographs (digest {others[0]}, these have {digest}): {way}")


def merge(runs: Sequence[Path], folder: Path, *, form: str = "markdown") -> tuple[str, list[Path]]:
    """Merge several evaluations into one comparison.

    An anonymizer that is in several runs is called ``NAME (RUN)``. What makes runs hard to compare is written under the table.

    Args:
        runs: folders of finished evaluations.
        folder: folder for the table and the figures.
        form: format of the returned page: ``markdown``; ``latex`` or ``html``, which is also written to the folder.

    Returns:
        The page in its form, and the files.

    Raises:
        VeraError: no run, or one without results, or with results that no table can show; the folder is a run's.

    """
    if not runs:
        raise VeraError("no run given: name the folders of finished evaluations")
    if (folder / RESULTS).exists() or any(folder.glob("records-*.jsonl")):
        raise VeraError(f"'{folder}' is an evaluation's own, its table would be overwritten: choose another folder with --out")
    found = [(run, record, curves) for run in runs for record, curves in read(run)]
    anonymizers = [record["anonymizer"] for _, record, _ in found]
    names = [f"{name} ({run.name})" if anonymizers.count(name) > 1 else name for name, (run, _, _) in zip(anonymizers, found, strict=True)]
    if len(set(names)) < len(names):
        raise VeraError("two runs with equal anonymizers are in folders of one name: rename a folder")
    records = [record for _, record, _ in found]
    try:
        shown = page(records, names)
        files = _pages(folder, records, names, dict(zip(names, (curves for _, _, curves in found), strict=True)))
        if form != "markdown":
            table = cells(records, names)
            shown = latex(table) if form == "latex" else web_page(table, notes(records, names))
            files.append(folder / FORMS[form])
            write_into_run(files[-1], shown.encode())
    except (LookupError, TypeError, AttributeError, ValueError) as error:  # results of others may lack anything, or have it otherwise
        where = ", ".join(f"'{run}'" for run in runs)
        raise VeraError(f"the results in {where} lack what a table shows ({type(error).__name__}: {error}): {MEND}") from error
    return shown, files


def page(records: Sequence[Record], names: Sequence[str]) -> str:
    """The table and its notes as Markdown."""
    return markdown(records, names) + "\n" + notes(records, names)


def _pages(folder: Path, records: Sequence[Record], names: Sequence[str], curves: Mapping[str, Mapping[str, Curves]]) -> list[Path]:
    write_into_run(folder / TABLE, page(records, names).encode())
    write_into_run(folder / SHEET, comma_separated(records, names).encode())
    return [folder / TABLE, folder / SHEET, *draw(folder, records, names, curves)]


def read(run: Path) -> list[tuple[dict[str, Any], dict[str, Curves]]]:
    """Records and curves of a finished run.

    Raises:
        VeraError: it has not finished, or its results are damaged.

    """
    if not (run / RESULTS).is_file():
        raise VeraError(f"'{run}' holds no {RESULTS}: name the folder of an evaluation that has finished")
    records = read_json_lines(run / RESULTS, what=f"'{run / RESULTS}'", mend=MEND)
    names = [field(record, "anonymizer", str, what=f"a result in '{run}'") for record in records]
    curves: dict[str, dict[str, Curves]] = {name: {} for name in names}
    arrays = read_arrays(run / CURVES, what=f"'{run / CURVES}'") if (run / CURVES).is_file() else {}
    try:
        for key, values in arrays.items():
            name, recogniser, side = key.split("/")
            curves[name].setdefault(recogniser, {})[side] = values.astype(float)
    except (ValueError, KeyError) as error:
        raise VeraError(f"the results in '{run}' are damaged ({error}): {MEND}") from error
    return [(record, curves[record["anonymizer"]]) for record in records]


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
        notes: the report's notes as Markdown with lists.

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
