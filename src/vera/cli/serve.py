"""``vera serve``: the page for the clinic, on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def serve(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the page.")] = 8000,
    folder: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Holds the uploads while the page runs, for you alone; among the temporary files without it."),
    ] = None,
    host: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Another address of this machine, which others can reach; needs --token.")
    ] = None,
    token: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Token that opens the page, 16 characters or more; a new random one by default.")
    ] = None,
) -> None:
    """Open a page in the browser to anonymize photographs; nothing leaves this machine.

    The page's address, which is printed, holds a token: who knows it can see the photographs. Ctrl-C ends the page and removes all files.
    """
    from importlib.util import find_spec

    from vera.types import VeraError

    if missing := [name for name in ("starlette", "uvicorn") if find_spec(name) is None]:
        raise VeraError(f"the page needs {missing[0]}, which is not installed: run `pip install 'vera-anonymization[web]'`")
    from vera.cli.page_server import run_server

    run_server(port, folder, host, token)
