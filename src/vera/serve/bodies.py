"""Read the body of a request: no more bytes than allowed, and no slower."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request


@dataclass(frozen=True)
class Limits:
    """Limits on the size and slowness of a body, and on all that the server holds.

    Attributes:
        upload: most bytes of a file.
        json: most bytes of a JSON text.
        silence: seconds without a byte.
        whole: seconds for a whole body.
        photographs: most photographs of one person.
        people: most people at a time.
        stored: most bytes of all uploads together.

    """

    upload: int = 512 * 2**20
    json: int = 4 * 2**20
    silence: float = 20.0
    whole: float = 900.0
    photographs: int = 24
    people: int = 40
    stored: int = 8 * 2**30


async def read_body(request: Request, most: int, limits: Limits) -> bytes:
    """A request's body.

    Args:
        request: the request whose body was not read yet.
        most: most bytes that it may have.
        limits: limits on the body's size and slowness.

    Raises:
        HTTPException: 413 for too many bytes, 408 for too slow ones, 400 where the sender went away or says a length that is none.

    """
    said = request.headers.get("content-length")
    if said is not None and not said.isdecimal():
        raise HTTPException(400, "the length of the upload can't be read")
    too_large = HTTPException(413, f"the upload is larger than {most:,} bytes, the most that is taken")
    if said is not None and int(said) > most:
        raise too_large
    parts, size, end = [], 0, time.monotonic() + limits.whole
    stream = request.stream()
    try:
        while True:
            patience = min(limits.silence, end - time.monotonic())
            part = await asyncio.wait_for(anext(stream), timeout=max(patience, 0.001))
            size += len(part)
            if size > most:
                raise too_large
            parts.append(part)
    except StopAsyncIteration:
        return b"".join(parts)
    except TimeoutError as error:
        raise HTTPException(408, "the upload is too slow: send it again") from error
    except ClientDisconnect as error:
        raise HTTPException(400, "the upload was broken off") from error
