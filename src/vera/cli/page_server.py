"""Start and end the page's server: address and token, the private folder, and Ctrl-C."""

from __future__ import annotations

import contextlib
import ipaddress
import secrets
import socket
from pathlib import Path

import typer
import uvicorn

from vera.cli.stopping import Stopping
from vera.serve.app import Server
from vera.serve.engine import Engine
from vera.serve.folder import PrivateFolder, usual_folder
from vera.serve.security import LEAST_TOKEN, Access, hosts_of
from vera.types import VeraError

LOOPBACK = "127.0.0.1"
MOST_CONNECTIONS = 64
"""DECISION: connections at once; a page has two."""
GRACE = 2
"""DECISION: seconds that open connections have when the server ends; a page that waits for news would never close its own."""


def run_server(port: int, folder: Path | None, host: str | None, token: str | None) -> None:
    """Serve the page until Ctrl-C, SIGTERM or a closed terminal; then all photographs go.

    Args:
        port: port on which the page is found.
        folder: folder that holds the uploads; None for the usual one.
        host: another address than this machine's own; None for 127.0.0.1.
        token: token that opens the page; None for a random one.

    Raises:
        VeraError: an address that is none or needs a token, a weak token, a port in use, or a folder that can't be used.

    """
    address = checked_address(host, token)
    names = {address, "localhost"} if address == LOOPBACK else {address}
    access = Access(hosts_of(names, port), token or secrets.token_urlsafe(32))
    with Stopping() as stopping, _listening(address, port) as listening, contextlib.ExitStack() as opened:
        private = opened.enter_context(PrivateFolder(folder or usual_folder()))
        server = Server(private.path, load_engine, access)
        opened.callback(server.close)
        try:
            shown = min(hosts_of([address], port))
            typer.echo(f"VerA's page: http://{shown}/?token={access.token}\nIt is open until Ctrl-C, which removes all photographs.")
            settings = uvicorn.Config(
                server.app,
                log_level="warning",
                access_log=False,
                server_header=False,
                proxy_headers=False,
                limit_concurrency=MOST_CONNECTIONS,
                timeout_graceful_shutdown=GRACE,
            )
            uvicorn.Server(settings).run(sockets=[listening])
        finally:
            with stopping.held():  # a closed terminal may send its signal twice
                opened.close()


def checked_address(host: str | None, token: str | None) -> str:
    """The address to listen on.

    Raises:
        VeraError: it is no single address, or is no loopback address and has no token; or the token is too short.

    """
    if token is not None and (len(token) < LEAST_TOKEN or not token.isascii() or not token.isprintable() or " " in token):
        raise VeraError(f"--token is weak: give {LEAST_TOKEN} letters and digits or more, without spaces")
    if host is None:
        return LOOPBACK
    try:
        address = ipaddress.ip_address(host)
    except ValueError as error:
        raise VeraError(f"--host '{host}' is no address: give one such as 192.168.1.5") from error
    if address.is_unspecified:
        raise VeraError(f"--host {host} means all addresses: name the one that others will use, so that no other name is answered")
    if not address.is_loopback and token is None:
        raise VeraError(f"--host {host} can be reached by others: add --token, and let only them know it")
    return str(address)


def load_engine() -> Engine:
    """Load the networks, in the worker's process."""
    from vera.cli.page_engine import PageEngine

    return PageEngine()


def _listening(address: str, port: int) -> socket.socket:
    """An open socket, so that a port in use is told before anything else.

    Raises:
        VeraError: the port is in use, or the address is not this machine's.

    """
    opened = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        opened.bind((address, port))
        opened.listen()  # a browser that is quicker than the server waits, instead of being refused
    except OSError as error:
        opened.close()
        raise VeraError(f"{address}:{port} can't be used ({error.strerror}): choose another with --port") from error
    return opened
