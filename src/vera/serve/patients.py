"""The people on the page: their photographs, what was found, and how far their call is. All of it is gone when the server ends."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from vera.files import printable
from vera.serve.bodies import Limits, StoredFile
from vera.serve.choices import Choices
from vera.serve.engine import Job
from vera.serve.jobs import RUN, Jobs, Task
from vera.serve.outcome import outcome_of
from vera.serve.worker import Cancelled
from vera.types import VeraError

KEY = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""Keys of people, which page and scripts choose."""
LONGEST_NAME = 180
"""DECISION: bytes of a photograph's name; the outputs' names are longer."""
BUSY = ("waiting", "running")


@dataclass
class Picture:
    """A photograph of a person.

    Attributes:
        number: its number, from 1, which it keeps.
        name: name of its file.
        file: file of the uploaded picture.
        look: result of :meth:`vera.serve.engine.Engine.look`; None until then.
        problem: why it can't be used; None for nothing.
        mask: a drawn region that was uploaded; None for none.

    """

    number: int
    name: str
    file: StoredFile
    look: dict[str, Any] | None = None
    problem: str | None = None
    mask: StoredFile | None = None

    @property
    def path(self) -> Path:
        """The photograph's file."""
        return self.file.path

    @property
    def view(self) -> Path:
        """The JPEG that the page shows; no photograph's name begins with a point, so none is replaced by it."""
        return self.path.parent / ".view.jpg"

    def told(self) -> dict[str, Any]:
        """Plain values for the page."""
        return {"number": self.number, "name": self.name, "problem": self.problem, "look": self.look, "mask": self.mask is not None}


@dataclass
class Patient:
    """A person on the page.

    Attributes:
        key: name of the person in addresses.
        folder: folder of all files of the person.
        state: ``open``, ``waiting``, ``running``, ``written``, ``refused``, ``failed`` or ``cancelled``.

    """

    key: str
    folder: Path
    pictures: dict[int, Picture] = field(default_factory=dict)
    identity: StoredFile | None = None
    state: str = "open"
    step: dict[str, Any] | None = None
    message: str | None = None
    choices: Choices | None = None
    outcome: dict[str, Any] | None = None
    rings: list[Any] = field(default_factory=list)
    review: dict[str, Any] | None = None
    runs: int = 0
    numbers: int = 0
    task: Task | None = None
    packing: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def out(self) -> Path:
        """Output folder of the last call."""
        return self.folder / f"run-{self.runs}"

    @property
    def kept_identity(self) -> Path:
        """The new face of the last call, where it is kept."""
        return self.folder / f"face-{self.runs}.identity"

    @property
    def download(self) -> Path:
        """The ZIP of the last call, one before the review and one after it."""
        return self.folder / f"download-{self.runs}{'-reviewed' if self.review else ''}.zip"

    def told(self) -> dict[str, Any]:
        """Plain values for the page."""
        return {
            "key": self.key,
            "state": self.state,
            "step": self.step,
            "message": self.message,
            "person": self.choices.person if self.choices else None,
            "photographs": [picture.told() for picture in self.pictures.values()],
            "identity": self.identity is not None,
            "outcome": self.outcome,
            "rings": self.rings,
            "reviewed": self.review is not None,
        }


class Patients:
    """All people of one server; used by the event loop's thread only.

    Args:
        folder: private folder of this run.
        jobs: the queue of calls.
        limits: limits on people and photographs.

    """

    def __init__(self, folder: Path, jobs: Jobs, limits: Limits) -> None:
        self.folder, self.jobs, self.limits = folder, jobs, limits
        self.known: dict[str, Patient] = {}
        self.numbers = 0
        self.listeners: set[asyncio.Event] = set()

    def told(self) -> dict[str, Any]:
        """Plain values of all people, in the order in which they came."""
        return {"people": [patient.told() for patient in self.known.values()]}

    def changed(self) -> None:
        """Wake those who wait for news."""
        for listener in self.listeners:
            listener.set()

    def opened(self, key: str) -> Patient:
        """A person by key, new if there is none of that name.

        Raises:
            VeraError: the key can't be used, or there are too many people.

        """
        if key in self.known:
            return self.known[key]
        if not KEY.fullmatch(key):
            raise VeraError("the person's key has other signs than letters, digits, - and _: choose another")
        if len(self.known) >= self.limits.people:
            raise VeraError(f"there are {self.limits.people} people already: close those that are done")
        self.numbers += 1
        patient = Patient(key, self.folder / f"person-{self.numbers}")
        patient.folder.mkdir(mode=0o700)
        self.known[key] = patient
        return patient

    def add(self, key: str, name: str, came: StoredFile) -> Picture:
        """Keep a photograph, and have it looked at.

        Args:
            key: key of the person.
            name: name of the file, without folders.
            came: the file that was uploaded; it is moved from there.

        Raises:
            VeraError: the name can't be used, there are too many photographs, or the person's call is being made.

        """
        check_name(name)
        patient = self.opened(key)
        self._require_idle(patient)
        if len(patient.pictures) >= self.limits.photographs:
            raise VeraError(f"there are {self.limits.photographs} photographs of this person already: take fewer")
        patient.numbers += 1
        folder = patient.folder / f"{patient.numbers}"
        folder.mkdir(mode=0o700)
        picture = Picture(patient.numbers, name, _moved(came, folder / name))
        patient.pictures[picture.number] = picture
        task = self.jobs.submit("look", picture.path, picture.view)
        self._when_done(task, lambda result: self._looked(patient, picture, result))
        self.changed()
        return picture

    def stored(self) -> int:
        """Bytes of all uploads."""
        pictures = [picture for patient in self.known.values() for picture in patient.pictures.values()]
        files = [*(picture.file for picture in pictures), *(picture.mask for picture in pictures)]
        return sum(file.size for file in (*files, *(patient.identity for patient in self.known.values())) if file)

    def add_mask(self, patient: Patient, picture: Picture, came: StoredFile) -> None:
        """Keep a photograph's mask; an empty file takes it away.

        Raises:
            VeraError: the person's call is being made.

        """
        self._require_idle(patient)
        picture.mask = _moved(came, patient.folder / f"mask-{picture.number}") if came.size else None
        self.changed()

    def add_identity(self, patient: Patient, came: StoredFile) -> None:
        """Keep the file of a face of an earlier visit; an empty one takes it away.

        Raises:
            VeraError: the person's call is being made.

        """
        self._require_idle(patient)
        patient.identity = _moved(came, patient.folder / "earlier.identity") if came.size else None
        self.changed()

    def run(self, patient: Patient, choices: Choices) -> Task:
        """Put a person's call into the queue; an earlier result goes.

        Raises:
            VeraError: there is no photograph or no face to take up, or the call is in the queue already.

        """
        self._require_idle(patient)
        if not patient.pictures:
            raise VeraError("there is no photograph of this person: add one")
        if choices.use_identity and not patient.identity:
            raise VeraError("there is no face of an earlier visit: add its file")
        numbers = list(patient.pictures)
        if strange := [number for number, _ in choices.drawn if number not in numbers]:
            raise VeraError(f"there is no photograph {strange[0]} to paint on: load the page again")
        self._drop_result(patient)
        patient.runs += 1
        patient.choices, patient.state = replace(choices, drawn=()), "waiting"  # the strokes are many, and the job has them
        job = Job(
            photographs=tuple(picture.path for picture in patient.pictures.values()),
            numbers=tuple(numbers),
            views=tuple(picture.view for picture in patient.pictures.values()),
            masks=tuple(picture.mask.path if picture.mask else None for picture in patient.pictures.values()),
            choices=choices,
            out=patient.out,
            identity=patient.identity.path if patient.identity and choices.use_identity else None,
            keep_identity=patient.kept_identity if choices.keep_identity else None,
        )
        loop = asyncio.get_running_loop()
        patient.task = self.jobs.submit(
            "run",
            job,
            urgency=RUN,
            watch=lambda what, done, budget: _tell(loop, self._stepped, patient, what, done, budget),
            started=lambda: _tell(loop, self._stepped, patient, "reading", 0, 0),
        )
        self._when_done(patient.task, lambda result: self._ended(patient, result))
        self.changed()
        return patient.task

    def cancel(self, patient: Patient) -> None:
        """Take a person's call out of the queue, or stop it."""
        if patient.task is not None and patient.state in BUSY:
            self.jobs.cancel(patient.task)

    def close(self, patient: Patient) -> None:
        """Forget a person, and remove all files of the person."""
        self.cancel(patient)
        self.known.pop(patient.key, None)
        shutil.rmtree(patient.folder, ignore_errors=True)
        self.changed()

    def remove(self, patient: Patient, picture: Picture) -> None:
        """Remove a photograph, and the result that was made of it."""
        self._require_idle(patient)
        self._drop_result(patient)
        del patient.pictures[picture.number]
        shutil.rmtree(picture.path.parent, ignore_errors=True)
        self.changed()

    def cleaned(self, text: str) -> str:
        """A message without the folders of this machine."""
        return re.sub(rf"{re.escape(str(self.folder))}(/[\w-]+(?=/))*/?", "", text)

    def _require_idle(self, patient: Patient) -> None:
        if patient.state in BUSY:
            raise VeraError("this person's photographs are being anonymized: wait, or cancel it")

    def _drop_result(self, patient: Patient) -> None:
        shutil.rmtree(patient.out, ignore_errors=True)
        for left in (patient.kept_identity, *patient.folder.glob("download-*.zip")):
            left.unlink(missing_ok=True)
        patient.outcome = patient.review = patient.message = patient.step = None
        patient.rings, patient.state = [], "open"

    def _when_done(self, task: Task, then: Any) -> None:
        loop = asyncio.get_running_loop()
        task.result.add_done_callback(lambda result: _tell(loop, then, result))

    def _looked(self, patient: Patient, picture: Picture, result: Future[Any]) -> None:
        try:
            picture.look = result.result()
        except VeraError as error:
            picture.problem = self.cleaned(str(error))
        if self.known.get(patient.key) is not patient:
            shutil.rmtree(patient.folder, ignore_errors=True)
        self.changed()

    def _stepped(self, patient: Patient, what: str, done: int, budget: int) -> None:
        if patient.state in BUSY:
            patient.state, patient.step = "running", {"what": what, "done": done, "of": budget}
            self.changed()

    def _ended(self, patient: Patient, result: Future[Any]) -> None:
        patient.step = patient.task = None
        if self.known.get(patient.key) is not patient:  # closed meanwhile
            shutil.rmtree(patient.folder, ignore_errors=True)
            return
        if result.cancelled() or isinstance(error := result.exception(), Cancelled):
            self._drop_result(patient)
            patient.state = "cancelled"
        elif error is not None:
            self._drop_result(patient)
            patient.state = "failed"
            patient.message = self.cleaned(str(error)) if isinstance(error, VeraError) else "internal error: please report it"
        else:
            made = result.result()
            patient.outcome, patient.rings = outcome_of(made["record"]), made["rings"]
            patient.state = made["record"]["status"]
            patient.message = self.cleaned(made["record"].get("reason") or "") or None
            patient.outcome["reason"] = patient.message
        self.changed()


def _moved(came: StoredFile, path: Path) -> StoredFile:
    """An uploaded file at its place."""
    os.replace(came.path, path)
    return StoredFile(path, came.size)


def check_name(name: str) -> None:
    """Raise a VeraError for a photograph's name that is no single name, or can't be shown."""
    if not name or name != printable(name) or name.startswith(".") or any(sign in name for sign in "/\\:"):
        raise VeraError("the photograph's name can't be used: rename it, with letters, digits, spaces and points")
    if len(name.encode()) > LONGEST_NAME:
        raise VeraError(f"the photograph's name has more than {LONGEST_NAME} bytes: rename it")


def _tell(loop: asyncio.AbstractEventLoop, then: Any, *values: Any) -> None:
    """Call a function in the event loop's thread, unless the loop has ended."""
    if not loop.is_closed():
        loop.call_soon_threadsafe(then, *values)
