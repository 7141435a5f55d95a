"""One person of an archive, rendered into a hidden folder: what a worker process or a Ray actor calls, person after person.

A worker writes nothing in sight and no audit. The driver (:mod:`vera.cli.archive`) places the files and writes the record, in order.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vera import files
from vera.cli.batch import files as entries_of
from vera.cli.batch import render, source_digests, unwritten
from vera.cli.fetching import fetched, with_addresses
from vera.cli.pictures import stage_person
from vera.cli.placing import Staging
from vera.cli.plan import PlannedPerson

if TYPE_CHECKING:
    from vera.cli.assembly import PersonAnonymizer
    from vera.faces.content_credentials import Credentials


@dataclass(frozen=True)
class PersonTask:
    """One person to anonymize.

    Attributes:
        person: the person with all photographs.
        folder: output folder of the person.
        staging: name of the hidden folder that the worker makes there.
        known: record of an earlier call with the same settings, whose files are still there; None if there is none.

    """

    person: PlannedPerson
    folder: Path
    staging: str
    known: dict[str, Any] | None = None


@dataclass(frozen=True)
class PersonOutcome:
    """Result of a task.

    Attributes:
        record: the audit's record, of JSON's types; None if the earlier record and files stand.

    """

    record: dict[str, Any] | None

    @property
    def failed(self) -> bool:
        """Whether another try may help: the person was neither finished nor refused."""
        return self.record is not None and self.record["status"] == "failed"


class PersonWorker:
    """Anonymizes a person into a hidden folder, or finds that an earlier call did; the networks are loaded once.

    Args:
        load: function that loads the anonymizer.
        mark: write into each picture how it came about.
        credentials: files that pictures are signed with, the same on all machines; None signs nothing.

    Raises:
        VeraError: the anonymizer or the credentials can't be loaded.

    """

    def __init__(self, load: Callable[[], PersonAnonymizer], *, mark: bool, credentials: Credentials | None = None) -> None:
        self.signer = credentials.signer() if credentials else None
        self.anonymizer, self.mark = load(), mark

    def __call__(self, task: PersonTask) -> PersonOutcome:
        """Do one task. A fault of one person is an outcome, never an exception."""
        started, person, staging = time.perf_counter(), task.person, Staging(task.folder, task.staging)
        staging.discard()  # of a worker that was killed at this task
        sources: list[list[str | None]] = [[None, *(None for _ in entry.masks)] for entry in person.entries]
        record: dict[str, Any] = {"status": "written"}
        with contextlib.ExitStack() as reading:
            try:
                person = reading.enter_context(fetched(task.person, staging))
                sources = [source_digests(entry) for entry in person.entries]
                if task.known and self._stands(task.known, entries_of(person, sources)):
                    return PersonOutcome(None)
                result, _, origins = render(person, sources, self.anonymizer, record, tell=lambda *step: None)
                record["seconds_in_all"] = round(time.perf_counter() - started, 2)
                reading.close()
                stage_person(staging, result, record, origins, mark=self.mark, signer=self.signer)
            except Exception as error:  # as in vera.cli.batch: one person's fault does not stop the others
                staging.discard()
                record = unwritten(error, person, sources, record, started)
        return PersonOutcome(files.plain(with_addresses(record, task.person, person)))

    def _stands(self, known: dict[str, Any], wanted: list[dict[str, Any]]) -> bool:
        """Whether an earlier record is of these photographs and masks, by digest, and of these choices."""
        same = [file | {"written": {}} for file in known["files"]] == files.plain(wanted)
        return same and all(None not in [file["digest"], *file["masks"]] for file in wanted) and self.anonymizer.made(known)
