"""The server's addresses: the page, its files, and the calls that page and scripts make (``page/openapi.json`` describes them)."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import html
import json
from collections.abc import AsyncIterator, Callable
from importlib.resources import files as package_files
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from vera import __version__
from vera.files import printable
from vera.serve.archive import pack
from vera.serve.bodies import Limits, Uploads, read_body
from vera.serve.choices import LONGEST, read_choices
from vera.serve.engine import Engine
from vera.serve.jobs import Jobs
from vera.serve.patients import Patient, Patients, Picture
from vera.serve.security import Access, Guard
from vera.types import VeraError
from vera.untrusted import parse_json

KINDS = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}
"""Types of the page's own files; nothing else of the machine is served."""
CHECKS = 10
"""Entries of the checklist in SAFETY.md, which the reviewer confirms."""
HEARTBEAT, REST = 15.0, 0.1
"""Seconds after which a quiet stream says that it is alive, and between two pieces of news."""
IDENTITY_LIMIT = 16 * 2**20
"""DECISION: bytes of a file with a face of an earlier visit; they have some kilobytes."""


class Server:
    """The application and what it holds.

    Args:
        folder: the private folder of this run.
        make_engine: function that loads the networks, importable by name.
        access: proofs that requests must show.
        limits: limits on uploads and on their speed.

    Attributes:
        app: the ASGI application of the page.

    """

    def __init__(self, folder: Path, make_engine: Callable[[], Engine], access: Access, limits: Limits | None = None) -> None:
        self.access, self.limits = access, limits or Limits()
        self.jobs = Jobs(make_engine)
        self.patients = Patients(folder, self.jobs, self.limits)
        self.uploads = Uploads(folder, self.limits, self.patients.stored)
        self.page = {path.name: path.read_bytes() for path in (package_files("vera.serve") / "page").iterdir() if path.is_file()}
        person = "/api/people/{key}"
        routes = [
            Route("/", self.index),
            Route("/static/{name}", self.static),
            Route("/openapi.json", self.openapi),
            Route("/api/state", self.state),
            Route("/api/events", self.events),
            Route(person, self.person),
            Route(person, self.close_person, methods=["DELETE"]),
            Route(person + "/photographs/{name}", self.put_photograph, methods=["PUT"]),
            Route(person + "/photographs/{number}", self.delete_photograph, methods=["DELETE"]),
            Route(person + "/photographs/{number}/view", self.view),
            Route(person + "/photographs/{number}/regions", self.regions),
            Route(person + "/photographs/{number}/mask", self.put_mask, methods=["PUT"]),
            Route(person + "/identity", self.put_identity, methods=["PUT"]),
            Route(person + "/run", self.run, methods=["POST"]),
            Route(person + "/cancel", self.cancel, methods=["POST"]),
            Route(person + "/review", self.review, methods=["POST"]),
            Route(person + "/results/{name}", self.result),
            Route(person + "/result.zip", self.download),
        ]
        handlers: Any = {VeraError: _bad_input, HTTPException: _told, OSError: _unwritten}
        self.app = Starlette(routes=routes, middleware=[Middleware(Guard, access=access)], exception_handlers=handlers)

    def close(self) -> None:
        """End the worker."""
        self.jobs.close()

    # The page

    async def index(self, request: Request) -> Response:
        """The page, with the mark that its requests carry."""
        text = self.page["index.html"].decode()
        for name, value in {"MARK": self.access.mark, "VERSION": __version__}.items():
            text = text.replace(f"{{{{{name}}}}}", html.escape(value))
        return Response(text, media_type="text/html; charset=utf-8")

    async def static(self, request: Request) -> Response:
        """A file of the page."""
        name = request.path_params["name"]
        kind = KINDS.get(Path(name).suffix)
        if kind is None or name not in self.page:
            raise HTTPException(404, "there is no such file")
        return Response(self.page[name], media_type=kind)

    async def openapi(self, request: Request) -> Response:
        """The description of the calls."""
        return Response(self.page["openapi.json"], media_type="application/json")

    async def state(self, request: Request) -> Response:
        """All people."""
        return JSONResponse(self.patients.told())

    async def events(self, request: Request) -> Response:
        """All people, and again after each change (server-sent events)."""
        return StreamingResponse(self._news(), media_type="text/event-stream")

    async def _news(self) -> AsyncIterator[str]:
        news = asyncio.Event()
        self.patients.listeners.add(news)
        try:
            while True:
                news.clear()
                yield f"data: {json.dumps(self.patients.told())}\n\n"
                await asyncio.sleep(REST)
                while not news.is_set():
                    try:
                        await asyncio.wait_for(news.wait(), HEARTBEAT)
                    except TimeoutError:
                        yield ": still here\n\n"
        finally:
            self.patients.listeners.discard(news)

    # Photographs

    async def person(self, request: Request) -> Response:
        """One person."""
        return JSONResponse(self._patient(request).told())

    async def close_person(self, request: Request) -> Response:
        """Forget a person, with all files."""
        self.patients.close(self._patient(request))
        return Response(status_code=204)

    async def put_photograph(self, request: Request) -> Response:
        """Add a photograph: the body is the file."""
        async with self.uploads.receive(request, self.limits.upload) as came:
            if not came.size:
                raise VeraError("the photograph's file is empty: copy it again from the camera or the archive")
            picture = self.patients.add(request.path_params["key"], request.path_params["name"], came)
        return JSONResponse(picture.told(), status_code=201)

    async def delete_photograph(self, request: Request) -> Response:
        """Remove a photograph."""
        patient, picture = self._picture(request)
        self.patients.remove(patient, picture)
        return Response(status_code=204)

    async def view(self, request: Request) -> Response:
        """A photograph as a JPEG that every browser shows."""
        _, picture = self._picture(request)
        if picture.look is None:
            raise HTTPException(404, picture.problem or "the photograph is not read yet: wait a moment")
        return FileResponse(picture.view, media_type="image/jpeg")

    async def regions(self, request: Request) -> Response:
        """The regions of a face that have names."""
        _, picture = self._picture(request)
        face = request.query_params.get("face", "1")
        if not face.isdecimal() or len(face) > 3 or int(face) < 1:
            raise VeraError("face is no number of a face: the largest is 1")
        task = self.jobs.submit("regions", picture.path, int(face))
        try:
            return JSONResponse(await asyncio.wrap_future(task.result))
        except VeraError as error:
            raise VeraError(self.patients.cleaned(str(error))) from error

    async def put_mask(self, request: Request) -> Response:
        """A drawn mask as an image file, white for what is kept; an empty body takes it away."""
        patient, picture = self._picture(request)
        async with self.uploads.receive(request, self.limits.upload) as came:
            self.patients.add_mask(patient, picture, came)
        return Response(status_code=204)

    async def put_identity(self, request: Request) -> Response:
        """The file of a face of an earlier visit; an empty body takes it away."""
        patient = self._patient(request)
        async with self.uploads.receive(request, IDENTITY_LIMIT) as came:
            self.patients.add_identity(patient, came)
        return Response(status_code=204)

    # The call

    async def run(self, request: Request) -> Response:
        """Put the person's call into the queue; with ``?wait=true`` the answer comes at its end."""
        patient = self._patient(request)
        task = self.patients.run(patient, read_choices(await self._json(request)))
        if request.query_params.get("wait") == "true":
            with contextlib.suppress(Exception, asyncio.CancelledError):  # the person's state says it
                await asyncio.wrap_future(task.result)
            await asyncio.sleep(0)  # the state is set in this thread, after the result
        return JSONResponse(patient.told(), status_code=202)

    async def cancel(self, request: Request) -> Response:
        """Cancel the person's call."""
        patient = self._patient(request)
        self.patients.cancel(patient)
        return JSONResponse(patient.told(), status_code=202)

    async def review(self, request: Request) -> Response:
        """Record the reviewer's name, once all of the checklist is confirmed."""
        patient = self._written(request)
        said = await self._json(request)
        name, ticks = (said.get("reviewer"), said.get("checked")) if isinstance(said, dict) else (None, None)
        if not isinstance(name, str) or not name.strip() or len(name) > LONGEST or printable(name) != name:
            raise VeraError("the reviewer's name is missing: write it on one line")
        if ticks != list(range(1, CHECKS + 1)):
            raise VeraError(f"not all of the {CHECKS} points were confirmed: confirm each, or do not publish")
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        outcome = patient.outcome or {}
        review = {
            "reviewer": name.strip(),
            "time": now,
            "checklist": "SAFETY.md",
            "checked": ticks,
            "vera": __version__,
            "verdict": outcome["verdict"],
        }
        async with patient.packing:
            patient.review = review
            patient.download.unlink(missing_ok=True)  # of an earlier review
        self.patients.changed()
        return JSONResponse(review)

    async def result(self, request: Request) -> Response:
        """An image of the result."""
        patient, name = self._written(request), request.path_params["name"]
        if name not in [known for file in (patient.outcome or {})["files"] for known in file] or not name.endswith(".png"):
            raise HTTPException(404, "there is no such image in the result")
        return FileResponse(patient.out / name, media_type="image/png")

    async def download(self, request: Request) -> Response:
        """The ZIP; in the page only after the review."""
        patient = self._written(request)
        if patient.review is None and "authorization" not in request.headers:
            raise HTTPException(409, "nobody has reviewed the result: confirm the checklist first")
        outcome = patient.outcome or {}
        names = [name for file in outcome["files"] for name in file] + ["audit.json", *outcome["report"]]
        kept = patient.kept_identity if patient.choices and patient.choices.keep_identity else None
        async with patient.packing:  # it is made once, however often it is asked for
            path = patient.download
            if not path.is_file():
                await asyncio.to_thread(pack, path, patient.out, names, identity=kept, review=patient.review)
        return FileResponse(path, media_type="application/zip", filename="anonymized.zip")

    # What requests name

    async def _json(self, request: Request) -> Any:
        return parse_json(await read_body(request, self.limits.json, self.limits) or b"{}", what="the request", mend="load the page again")

    def _patient(self, request: Request) -> Patient:
        patient = self.patients.known.get(request.path_params["key"])
        if patient is None:
            raise HTTPException(404, "there is no such person: load the page again")
        return patient

    def _picture(self, request: Request) -> tuple[Patient, Picture]:
        patient = self._patient(request)
        numbers = {str(number): picture for number, picture in patient.pictures.items()}
        picture = numbers.get(request.path_params["number"])
        if picture is None:
            raise HTTPException(404, "there is no such photograph: load the page again")
        return patient, picture

    def _written(self, request: Request) -> Patient:
        patient = self._patient(request)
        if patient.state != "written":
            raise HTTPException(409, "there is no result of this person yet")
        return patient


async def _bad_input(request: Request, error: VeraError) -> Response:
    return JSONResponse({"error": str(error)}, status_code=422)


async def _unwritten(request: Request, error: OSError) -> Response:
    said = f"the files of this person can't be read or written ({error.strerror}): free some space on the disk, and load the page again"
    return JSONResponse({"error": said}, status_code=507)


async def _told(request: Request, error: HTTPException) -> Response:
    return JSONResponse({"error": error.detail}, status_code=error.status_code)
