"""``vera report``: one comparison of several evaluations, or of the runs of a sweep."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vera.files import printable


def report(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Folders of finished evaluations, or of multiruns.")],
    out: Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Folder for table.md, table.csv and more.")] = None,
    as_latex: Annotated[bool, typer.Option("--latex", help="Print LaTeX; with --out also table.tex.")] = False,
    as_html: Annotated[bool, typer.Option("--html", help="Print HTML; with --out also table.html.")] = False,
    measure: Annotated[list[str] | None, typer.Option("--measure", metavar="NAME", help="A sweep's column; may be repeated.")] = None,
) -> None:
    """Merge evaluations into one table, or list the runs of a sweep.

    Under the table of evaluations is what makes them hard to compare. Without --out the table is only shown.
    """
    import tempfile

    from vera.evaluation.report.results import RESULTS, merge
    from vera.training.runs.folder import folders
    from vera.training.runs.table import compare
    from vera.types import VeraError

    if as_latex and as_html:
        raise VeraError("--latex and --html print the table in one form each: give one of the two")
    form = "latex" if as_latex else "html" if as_html else "markdown"
    finished = {run: sorted({path.parent for path in run.rglob(RESULTS)}) for run in runs}  # a multirun has many
    sweeps = [run for run in runs if folders(run) and not finished[run]]
    if sweeps and len(sweeps) < len(runs):
        raise VeraError("some of these folders are sweeps and others are not: report on evaluations and sweeps one after the other")
    if sweeps and form != "markdown":
        raise VeraError(f"--{form} is for evaluations, and these are runs of a sweep: leave it out")
    if sweeps:
        typer.echo(_shown(compare(sweeps, out, measures=measure or ())))
        return
    if measure:
        raise VeraError("--measure chooses columns of a sweep's table, and these are evaluations: leave it out")
    for run, found in finished.items():
        for missing in sorted(set(folders(run)) - set(found)):
            typer.echo(f"{missing} has not finished, and is left out", err=True)
    with tempfile.TemporaryDirectory(prefix="vera-report-") as scratch:
        page, _ = merge([folder for run in runs for folder in finished[run] or [run]], out or Path(scratch), form=form)
    typer.echo(_shown(page))


def _shown(page: str) -> str:
    """A page for a terminal: files of others may hold signs that command it."""
    return "\n".join(printable(line) for line in page.split("\n"))
