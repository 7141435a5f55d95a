"""Read the body of a request: no more bytes than allowed, and no slower. Texts come into memory, files go to the disk piece by piece."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

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
        stored: most bytes of all uploads together, those that are still on their way among them.

    """

    upload: int = 512 * 2**20
    json: int = 4 * 2**20
    silence: float = 20.0
    whole: float = 900.0
    photographs: int = 24
    people: int = 40
    stored: int = 8 * 2**30


@dataclass
class StoredFile:
    """A file of an upload.

    Attributes:
        path: place of the file.
        size: number of its bytes, which count towards ``Limits.stored``.

    """

    path: Path
    size: int


class Uploads:
    """Files on their way to this server. None is ever in memory as a whole, however many come at once.

    Args:
        folder: private folder, in which unfinished files lie under hidden names.
        limits: limits of their size and slowness.
        stored: function that gives the bytes of all files that are kept already.

    """

    def __init__(self, folder: Path, limits: Limits, stored: Callable[[], int]) -> None:
        self.folder, self.limits, self.stored = folder, limits, stored
        self.arriving = 0

    @contextlib.asynccontextmanager
    async def receive(self, request: Request, most: int) -> AsyncIterator[StoredFile]:
        """Write a request's body to a new file, which is removed at the end of the context unless it was moved.

        Args:
            request: the request whose body was not read yet.
            most: most bytes that it may have.

        Raises:
            HTTPException: as of :func:`pieces`, or 413 where all uploads together have too many bytes.

        """
        came = StoredFile(self.folder / f".incoming-{secrets.token_hex(8)}", 0)
        try:
            with os.fdopen(os.open(came.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                async for piece in pieces(request, most, self.limits):
                    came.size += len(piece)
                    self.arriving += len(piece)
                    if self.arriving + self.stored() > self.limits.stored:
                        full = f"all uploads together would have more than {self.limits.stored:,} bytes"
                        raise HTTPException(413, f"{full}: close people that are done, or wait for other uploads")
                    await asyncio.to_thread(file.write, piece)
            yield came
        finally:
            self.arriving -= came.size
            came.path.unlink(missing_ok=True)


async def read_body(request: Request, most: int, limits: Limits) -> bytes:
    """A request's body as bytes, for short texts.

    Args:
        request: the request whose body was not read yet.
        most: most bytes that it may have.
        limits: limits of its slowness.

    Raises:
        HTTPException: as of :func:`pieces`.

    """
    return b"".join([piece async for piece in pieces(request, most, limits)])


async def pieces(request: Request, most: int, limits: Limits) -> AsyncIterator[bytes]:
    """A request's body, piece by piece.

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
    size, end = 0, time.monotonic() + limits.whole
    stream = request.stream()
    while True:
        patience = min(limits.silence, end - time.monotonic())
        try:
            piece = await asyncio.wait_for(anext(stream), timeout=max(patience, 0.001))
        except StopAsyncIteration:
            return
        except TimeoutError as error:
            raise HTTPException(408, "the upload is too slow: send it again") from error
        except ClientDisconnect as error:
            raise HTTPException(400, "the upload was broken off") from error
        size += len(piece)
        if size > most:
            raise too_large
        yield piece
