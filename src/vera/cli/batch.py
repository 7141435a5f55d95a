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
from vera.cli import instances
from vera.cli.output import OutputFolder
from vera.cli.plan import Entry, PlannedPerson, digest, shown
from vera.cli.record import AUDIT
from vera.files import printable
from vera.types import Refused, VeraError

if TYPE_CHECKING:
    from vera.cli.assembly import PersonAnonymizer

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
        folder: where the outputs go.
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
    audit: dict[str, Any] = {"vera": __version__, "settings": {**anonymizer.settings, "mark": folder.mark}, "people": []}
    first: Exception | None = None
    with progress_bar(console) as progress:
        task = progress.add_task("people", total=len(people))
        for person in people:
            steps = progress.add_task(f"{person.label}: reading", total=None)

            def tell(what: str, done: int, budget: int, steps: TaskID = steps, label: str = person.label) -> None:
                progress.update(steps, description=f"{label}: {what}", completed=done, total=budget)
                if watch:
                    watch(what, done, budget)

            last = person is people[-1] and not first
            record, failure = one(person, folder, anonymizer, audit, last=last, identity=identity, save_identity=save_identity, tell=tell)
            progress.remove_task(steps)
            first = first or failure  # no other is kept: its traceback holds the person's photographs and networks
            if not failure:
                for line in (summary(record), *(f"warning: {warning}" for warning in record.get("warnings", ()))):
                    console.print(f"{person.label}: {line}", highlight=False, markup=False, soft_wrap=True)
            progress.advance(task)
    if first and len(people) == 1:
        raise first
    if first:
        raise Refused(report(audit["people"], folder.path / AUDIT)) from first


def one(
    person: PlannedPerson,
    folder: OutputFolder,
    anonymizer: PersonAnonymizer,
    audit: dict[str, Any],
    *,
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
    try:
        origins = instances.origins(person)
        result, face = anonymizer.anonymize(person, identity, tell)
        record |= result.audit | {"person": person.label, "files": files(person, sources)}
        check_unchanged(person, sources, record)
        if marked := instances.warnings(person.entries):
            record["warnings"] = [*record.get("warnings", ()), *marked]
        record["seconds_in_all"] = round(time.perf_counter() - started, 2)
        save = partial(anonymizer.save_identity, face) if save_identity else None
        folder.write_person(result, record, audit, last=last, save=save, origins=origins)
    except Exception as error:
        record |= getattr(error, "audit", {}) | {"status": "refused" if isinstance(error, Refused) else "failed"}
        record |= {"reason": reason(error, person), "person": person.label, "files": files(person, sources)}
        record["seconds_in_all"] = round(time.perf_counter() - started, 2)
        audit["people"].append(record)
        folder.write_audit(audit)
        return record, error
    return record, None


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
        | {"role": entry.role, "digest": known[0], "masks": list(known[1:]), "written": {}}
        for entry, known in zip(person.entries, sources, strict=True)
    ]


def report(records: Sequence[dict[str, Any]], audit: Path) -> str:
    """One sentence about the people who were not written: how many, the first of them, and the most frequent reasons."""
    lost = [record for record in records if record["status"] != "written"]
    names = ", ".join(record["person"] for record in lost[:NAMED]) + (f" and {len(lost) - NAMED} more" if lost[NAMED:] else "")
    kinds: dict[str, list[str]] = {}
    for record in lost:
        kinds.setdefault(OWN.sub("...", record["reason"]), []).append(record["reason"])
    frequent = sorted(kinds.values(), key=len, reverse=True)
    whys = [f"{len(same)} because: {same[0]}" if same[1:] else same[0] for same in frequent[:REASONS]]
    others = f"; and {len(frequent) - REASONS} other reasons" if frequent[REASONS:] else ""
    return f"{len(lost)} of {len(records)} people were not written ({names}): {'; '.join(whys)}{others}; {audit} has all of them"


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
    written = [name for file in record["files"] for name in file["written"]]
    return f"verified and written in {record['seconds_in_all']:.1f} s: {', '.join(written)}"


def progress_bar(console: Console) -> Progress:
    """A progress bar on the terminal."""
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console, transient=True)
