"""``vera report``: one comparison of several evaluations."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Folders of finished evaluations.")],
    out: Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Folder for table.md, table.csv and the figures.")] = None,
) -> None:
    """Merge evaluations into one table; what makes them hard to compare is written under it. Without --out the table is only shown."""
    import tempfile

    from vera.evaluation.report import merge

    with tempfile.TemporaryDirectory(prefix="vera-report-") as scratch:
        page, _ = merge(runs, out or Path(scratch))
    typer.echo(page)
