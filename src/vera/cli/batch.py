"""Anonymize, write and record people one after the other; a refused person does not stop the others."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from vera import __version__
from vera.cli.output import OutputFolder
from vera.cli.plan import Entry, PlannedPerson
from vera.cli.record import AUDIT, outputs_of
from vera.data.remote import digest, shown
from vera.files import printable
from vera.types import Anonymized, Refused, VeraError

if TYPE_CHECKING:
    from vera.anonymization.renderer import SavedIdentity
    from vera.cli.assembly import PersonAnonymizer
    from vera.faces.dicom_instance import Origin
    from vera.types import AnonymizedPerson
    from vera.types import Progress as Tell

NAMED = 5
"""DECISION: people whom the last message names; the audit names all."""
REASONS = 3
"""DECISION: reasons that the last message gives."""
OWN = re.compile(r"'[^']*'|[^ ]*[/\\\\.][^ ]*[a-z]|[0-9.]+")
"""What differs between reasons of one kind: names in quotes, paths and file names, numbers."""


def run(
    people: Sequence[PlannedPerson],
    folder: OutputFolder,
    anonymizer: PersonAnonymizer,
    *,
    identity: Any = None,
    save_identity: Path | None = None,
    watch: Callable[[str, int, int], None] | None = None,
) -> None:
    """Anonymize and write everybody; the audit is written anew after each person, so that an interruption loses no record.

    Args:
        people: people of the plan, with their photographs.
        folder: open folder of the outputs.
        anonymizer: anonymizer of one person at a time.
        identity: a face that was saved at an earlier visit.
        save_identity: file for this person's face.
        watch: told of every step instead of the terminal, on which nothing is shown then.

    Raises:
        Refused: the person did not pass the verification. DECISION: of many people, at least one was not written, be it for
            that, because the photographs could not be used, or by a fault of the program; the audit says why, and the others
            are written. The first failure is the cause, for the traceback of ``VERA_DEBUG=1``.
        VeraError: the one person's photographs could not be used.
        Exception: whatever else failed for the one person.

    """
    console = Console(stderr=True, quiet=watch is not None)
    audit: dict[str, Any] = {"vera": __version__, "settings": {**anonymizer.settings, **folder.settings}, "people": []}
    first: Exception | None = None
    with progress_bar(console) as progress:
        task = progress.add_task("people", total=len(people))
        for number, person in enumerate(people, 1):
            steps = progress.add_task(f"{person.label}: reading", total=None)

            def tell(what: str, done: int, budget: int, steps: TaskID = steps, label: str = person.label) -> None:
                if not budget:  # an announcement: how long the next step will take
                    console.print(f"{label}: {what}", highlight=False, markup=False, soft_wrap=True)
                    return
                progress.update(steps, description=f"{label}: {what}", completed=done, total=budget)
                if watch:
                    watch(what, done, budget)

            last = person is people[-1] and not first
            known: dict[str, Any] = {"number": number, "last": last, "identity": identity, "save_identity": save_identity}
            record, failure = one(person, folder, anonymizer, audit, **known, tell=tell)
            progress.remove_task(steps)
            first = first or failure  # no other is kept: its traceback holds the person's photographs and networks
            if not failure:
                for line in (summary(record), *(f"warning: {warning}" for warning in record.get("warnings", ()))):
                    console.print(f"{person.label}: {line}", highlight=False, markup=False, soft_wrap=True)
            progress.advance(task)
    if first and len(people) == 1:
        raise first
    if first:
        raise Refused(report(audit["people"], len(people), folder.path / AUDIT)) from first


def one(
    person: PlannedPerson,
    folder: OutputFolder,
    anonymizer: PersonAnonymizer,
    audit: dict[str, Any],
    *,
    number: int,
    last: bool,
    identity: Any,
    save_identity: Path | None,
    tell: Callable[[str, int, int], None],
) -> tuple[dict[str, Any], Exception | None]:
    """Anonymize one person, write the images or nothing, and add the record to the audit.

    Whatever ends this early, an interruption too, leaves no image (and no identity) without its record.
    """
    started = time.perf_counter()
    sources = [source_digests(entry) for entry in person.entries]
    record: dict[str, Any] = {"status": "written"}

    def reported(where: Path, results: Sequence[Anonymized]) -> dict[str, str]:
        from vera.cli.person_report import write_report  # only now, since it brings a library for pages

        return write_report(where, person, number, record, results)

    report = reported if folder.report else None
    try:
        result, face, origins = render(person, sources, anonymizer, record, identity=identity, tell=tell)
        record["seconds_in_all"] = round(time.perf_counter() - started, 2)
        save = partial(anonymizer.save_identity, face) if save_identity else None
        folder.write_person(result, record, audit, last=last, save=save, origins=origins, report=report)
    except Exception as error:
        record = unwritten(error, person, sources, record, started)
        record.pop("report", None)  # of pictures that were not placed
        folder.write_refusal(record, audit, report=report)
        return record, error
    return record, None


def render(
    person: PlannedPerson,
    sources: Sequence[Sequence[str | None]],
    anonymizer: PersonAnonymizer,
    record: dict[str, Any],
    *,
    identity: Any = None,
    tell: Tell,
) -> tuple[AnonymizedPerson, SavedIdentity | None, list[Origin | None]]:
    """Anonymize one person; nothing is written.

    Args:
        person: person of the plan, with the photographs.
        sources: :func:`source_digests` of each entry.
        anonymizer: anonymizer of one person at a time.
        record: the audit's record, which is filled but for the names of written files.
        identity: a face that was saved at an earlier visit; None draws one.
        tell: function that is told of every step.

    Returns:
        The images, the identity, and the facts of sources in DICOM.

    Raises:
        Refused: the person did not pass the verification.
        VeraError: the photographs could not be used, or were changed meanwhile.

    """
    from vera.cli import instances  # only now, since it brings torch: who only places files needs none

    origins = instances.origins(person)
    result, face = anonymizer.anonymize(person, identity, tell)
    record |= result.audit | {"person": person.label, "files": files(person, sources)}
    check_unchanged(person, sources, record)
    if marked := instances.warnings(person.entries):
        record["warnings"] = [*record.get("warnings", ()), *marked]
    return result, face, origins


def unwritten(
    error: Exception, person: PlannedPerson, sources: Sequence[Sequence[str | None]], record: dict[str, Any], started: float
) -> dict[str, Any]:
    """The audit's record of a person who was refused, or could not be anonymized; ``record`` is what was known by then."""
    status = "refused" if isinstance(error, Refused) else "failed"
    known = record | getattr(error, "audit", {}) | {"status": status, "reason": reason(error, person), "person": person.label}
    return known | {"files": files(person, sources), "seconds_in_all": round(time.perf_counter() - started, 2)}


def source_digests(entry: Entry) -> list[str | None]:
    """SHA-256 of a photograph's file and of its masks' files; None for one that can't be read."""
    return [entry.digest or digest(entry.path), *map(digest, entry.masks)]


def check_unchanged(person: PlannedPerson, sources: Sequence[Sequence[str | None]], record: dict[str, Any]) -> None:
    """Check that the digested files are those that were anonymized, so that the audit names what was decoded.

    Raises:
        VeraError: a photograph has another digest than the one that was decoded, or a mask was changed since.

    """
    decoded = [known["digest"] for known in record.get("photographs", ())]
    for number, (entry, known) in enumerate(zip(person.entries, sources, strict=True)):
        read = decoded[number] if decoded else digest(entry.path)
        if [read, *map(digest, entry.masks)] != known:
            raise VeraError(f"{shown(entry.path)} or its mask was changed during the call: make the call again")


def files(person: PlannedPerson, sources: Sequence[Sequence[str | None]]) -> list[dict[str, Any]]:
    """The audit's entries of a person's files before any is written; without file names for a renamed person."""
    return [
        ({} if renamed(person) else {"source": shown(entry.path.name)})
        | {"role": printable(entry.role), "digest": known[0], "masks": list(known[1:]), "written": {}}
        | ({"view": entry.view} if entry.view else {})
        for entry, known in zip(person.entries, sources, strict=True)
    ]


def report(records: Sequence[dict[str, Any]], count: int, audit: Path) -> str:
    """One sentence about the people who were not written: how many, the first of them, and the most frequent reasons.

    Args:
        records: the audit's records, at least of those who were not written.
        count: number of all people.
        audit: path of the audit.

    """
    lost = [record for record in records if record["status"] != "written"]
    names = ", ".join(record["person"] for record in lost[:NAMED]) + (f" and {len(lost) - NAMED} more" if lost[NAMED:] else "")
    kinds: dict[str, list[str]] = {}
    for record in lost:
        kinds.setdefault(OWN.sub("...", record["reason"]), []).append(record["reason"])
    frequent = sorted(kinds.values(), key=len, reverse=True)
    whys = [f"{len(same)} because: {same[0]}" if same[1:] else same[0] for same in frequent[:REASONS]]
    others = f"; and {len(frequent) - REASONS} other reasons" if frequent[REASONS:] else ""
    return f"{len(lost)} of {count} people were not written ({names}): {'; '.join(whys)}{others}; {audit} has all of them"


def reason(error: Exception, person: PlannedPerson) -> str:
    """Why a person was not written, for the audit.

    Photographs carry their neutral names from the start. What is left are the paths in the messages of reading, and the id in
    quotes; nothing else is touched, since an id may be a number or a word.
    """
    if not isinstance(error, VeraError):
        return f"an unforeseen {type(error).__name__}: make a call for this person alone to see where"
    text = printable(str(error))
    if renamed(person):
        names = {f"'{person.id}'": f"'{person.label}'"}
        for entry in person.entries:
            for path, neutral in [(entry.path, entry.name), *((mask, f"{entry.name} mask") for mask in entry.masks)]:
                names |= {str(path): neutral, path.name: neutral, shown(path): neutral, shown(path.name): neutral}
        for name in sorted(names, key=len, reverse=True):
            text = text.replace(name, names[name])
    return text


def renamed(person: PlannedPerson) -> bool:
    """Whether the audit must hide this person's id."""
    return person.label != person.id


def summary(record: dict[str, Any]) -> str:
    """One line for the terminal."""
    written = outputs_of(record)
    return f"verified and written in {record['seconds_in_all']:.1f} s: {', '.join(written)}"


def progress_bar(console: Console) -> Progress:
    """A progress bar on the terminal."""
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console, transient=True)
