"""Checks that stand before all addresses of the server, and the headers of every answer.

The server is for the browser of one person on one machine. Against it stand: pages of other sites in the same browser (they can send
requests to any address, and by *rebinding* give a name of theirs this machine's address), other users of the machine (they reach the
port, too), and texts in file names. So each request needs a host name of this server, and the token that `vera serve` prints, once in
the address and then as a cookie; and each that changes something the page's own mark, which other sites can't read.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.requests import Request, cookie_parser
from starlette.responses import JSONResponse, RedirectResponse, Response

Message = MutableMapping[str, Any]
App = Callable[[Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]]

SAFE_METHODS = frozenset({"GET", "HEAD"})
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}
"""Headers of every answer: no script but the page's own files, no frame around it, nothing kept by the browser."""
LEAST_TOKEN = 16
"""DECISION: signs of a token that somebody chooses."""
MARK = "x-vera-mark"
"""Header by which the page shows that a request is its own."""
CLOSED = "open the address that `vera serve` printed in its terminal: it holds this session's token"


@dataclass(frozen=True)
class Access:
    """The secrets and names that a request must show.

    Attributes:
        hosts: values of the Host header: names of this server, with its port.
        token: secret that `vera serve` prints and that scripts send as ``Authorization: Bearer TOKEN``.
        session: value of the cookie.
        mark: value of the header :data:`MARK`, which stands in the page.

    """

    hosts: frozenset[str]
    token: str
    session: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    mark: str = field(default_factory=lambda: secrets.token_urlsafe(32))

    @property
    def cookie(self) -> str:
        """Name of the cookie; other servers of this machine have others."""
        return f"vera-{min(self.hosts).rpartition(':')[2]}"


def hosts_of(addresses: Iterable[str], port: int) -> frozenset[str]:
    """Values that the Host header may have.

    Args:
        addresses: names and addresses of this server; IPv6 without brackets.
        port: port on which it listens.

    Examples:
        >>> from vera.serve.security import hosts_of
        >>> sorted(hosts_of(["localhost", "::1"], 8000))
        ['[::1]:8000', 'localhost:8000']

    """
    return frozenset(f"[{name}]:{port}" if ":" in name else f"{name.lower()}:{port}" for name in addresses)


class Guard:
    """The checks as a layer around the application.

    Args:
        app: the application that answers.
        access: proofs that requests must show.

    """

    def __init__(self, app: App, access: Access) -> None:
        self.app, self.access = app, access

    async def __call__(self, scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]) -> None:
        """Refuse a request, or hand it on; every answer gets :data:`HEADERS`."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
            await send(message)

        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        answer = self._objection(Request(scope)) or self.app
        await answer(scope, receive, send_with_headers)

    def _objection(self, request: Request) -> Response | None:
        """The answer to a request that is not let through; None to let it through."""
        access, headers = self.access, request.headers
        if headers.get("host", "").lower() not in access.hosts:
            return _refused(421, "this server does not have that name: open the address that `vera serve` printed")
        if headers.get("sec-fetch-site", "none") == "cross-site" and request.url.path != "/":
            return _refused(403, "the request comes from another site")
        origin = headers.get("origin")
        if origin is not None and origin.lower().partition("://")[2] not in access.hosts:
            return _refused(403, "the request comes from another site")
        if (bearer := headers.get("authorization")) is not None:
            return None if _same(bearer, f"Bearer {access.token}") else _refused(401, "the token is not this server's")
        if request.method == "GET" and request.url.path == "/" and "token" in request.query_params:
            return self._opened(request)
        if not _same(cookie_parser(headers.get("cookie", "")).get(access.cookie, ""), access.session):
            return _refused(401, CLOSED)
        if request.method not in SAFE_METHODS and not _same(headers.get(MARK, ""), access.mark):
            return _refused(403, "the request does not come from this server's page: load the page again")
        return None

    def _opened(self, request: Request) -> Response:
        """Exchange the address's token for a cookie, so that the token leaves the address bar."""
        if not _same(request.query_params["token"], self.access.token):
            return _refused(401, f"the token is not this server's: {CLOSED}")
        answer = RedirectResponse("/", status_code=303)
        answer.set_cookie(self.access.cookie, self.access.session, httponly=True, samesite="strict")
        return answer


def _same(given: str, known: str) -> bool:
    return hmac.compare_digest(given.encode(), known.encode())


def _refused(status: int, sentence: str) -> Response:
    return JSONResponse({"error": sentence}, status_code=status)
