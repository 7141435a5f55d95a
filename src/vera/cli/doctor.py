"""``vera doctor``: what is installed, what really works, and how to get what is missing."""

from __future__ import annotations

import typer

STYLES = {"ok": "green", "optional": "yellow", "warning": "yellow", "broken": "bold red"}


def doctor() -> None:
    """Check this installation: packages, devices, weights and their licences.

    Leaves with 1 when something that VerA needs is broken, or when two packages overwrite each other's files.
    """
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import Progress, SpinnerColumn, TextColumn
    from rich.table import Table

    from vera.cli.checks import SECTIONS

    console, broken = Console(), 0
    for title, checks in SECTIONS.items():
        table = Table(title=title, title_justify="left", title_style="bold", expand=False)
        for column in ("part", "state", "what was found, or how to get it", "licence"):
            table.add_column(column, overflow="fold", no_wrap=column == "state")
        with Progress(SpinnerColumn(), TextColumn("{task.description}"), console=console, transient=True) as progress:
            task = progress.add_task(title)
            for check in checks:
                progress.update(task, description=f"{title} ...")
                for finding in check():
                    broken += finding.state == "broken"
                    state = f"[{STYLES[finding.state]}]{finding.state}[/]"
                    table.add_row(escape(finding.part), state, escape(finding.detail), escape(finding.licence))
        console.print(table)
    if broken:
        console.print(f"[bold red]{broken} broken[/]: see above for how to repair it.")
        raise typer.Exit(1)
    console.print("[green]Everything that VerA needs works.[/]")
