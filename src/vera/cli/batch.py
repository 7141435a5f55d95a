"""People, one after the other: anonymize, write, record. A person who is refused does not lose the others."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from vera import __version__
from vera.cli.output import OutputFolder
from vera.cli.plan import Person, digest, output_files
from vera.cli.studio import Studio
from vera.faces.image_file import legible
from vera.types import Refused, VeraError


def run(people: Sequence[Person], folder: OutputFolder, studio: Studio, *, identity: Any = None, save_identity: Path | None = None) -> None:
    """Anonymize and write everybody; the audit is written anew after each person, so that an interruption loses no record.

    Args:
        people: from the plan.
        folder: where the outputs go.
        studio: anonymizes one person.
        identity: a face that was saved at an earlier visit.
        save_identity: file for this person's face.

    Raises:
        Refused: the person did not pass the verification. DECISION: of many people, at least one was not written, be it for
            that, because the photographs could not be used, or by a fault of the program; the audit says why, and the others
            are written. The first failure is the cause, for the traceback of ``VERA_DEBUG=1``.
        VeraError: the one person's photographs could not be used.
        Exception: whatever else failed for the one person.

    """
    console = Console(stderr=True)
    audit: dict[str, Any] = {"vera": __version__, "settings": studio.settings, "people": []}
    first: Exception | None = None
    with progress_bar(console) as progress:
        task = progress.add_task("people", total=len(people))
        for person in people:
            steps = progress.add_task(f"{person.label}: reading", total=None)

            def tell(what: str, done: int, budget: int, steps: TaskID = steps, label: str = person.label) -> None:
                progress.update(steps, description=f"{label}: {what}", completed=done, total=budget)

            record, failure = one(person, folder, studio, audit, identity=identity, save_identity=save_identity, tell=tell)
            progress.remove_task(steps)
            first = first or failure  # no other is kept: its traceback holds the person's photographs and networks
            if not failure:
                for line in (summary(record), *(f"warning: {warning}" for warning in record.get("warnings", ()))):
                    console.print(f"{person.label}: {line}", highlight=False, markup=False, soft_wrap=True)
            progress.advance(task)
    if first and len(people) == 1:
        raise first
    if first:
        lost = [record["person"] for record in audit["people"] if record["status"] != "written"]
        where = folder.path / "audit.json"
        raise Refused(f"{len(lost)} of {len(people)} people were not written ({', '.join(lost)}): {where} says why") from first


def one(
    person: Person,
    folder: OutputFolder,
    studio: Studio,
    audit: dict[str, Any],
    *,
    identity: Any,
    save_identity: Path | None,
    tell: Callable[[str, int, int], None],
) -> tuple[dict[str, Any], Exception | None]:
    """Anonymize one person, write the images or nothing, and add the record to the audit.

    Whatever ends this early, an interruption too, leaves no image (and no identity) without its record.
    """
    started, placed, failure = time.perf_counter(), list[Path](), None
    record: dict[str, Any] = {"status": "written"}
    try:
        try:
            result, face = studio.anonymize(person, identity, tell)
            record |= result.audit
            placed += folder.write_person(result)
            if save_identity:
                studio.save_identity(face, save_identity)
                placed.append(save_identity)
        except Exception as error:
            failure = error
            record |= getattr(error, "audit", {}) | {"status": "refused" if isinstance(error, Refused) else "failed"}
            record["reason"] = reason(error, person)
            folder.remove(placed)
            placed.clear()
        record["person"] = person.label
        record["seconds_in_all"] = round(time.perf_counter() - started, 2)
        record["files"] = files(person, written=bool(placed))
        audit["people"].append(record)
        folder.write_audit(audit)
    except BaseException:
        folder.remove(placed)
        raise
    return record, failure


def files(person: Person, *, written: bool) -> list[dict[str, Any]]:
    """What the audit says about a person's files; for a renamed person not what they are called."""
    return [
        ({} if renamed(person) else {"source": legible(entry.path.name)})
        | {"role": entry.role, "digest": digest(entry.path), "masks": [digest(mask) for mask in entry.masks]}
        | {"written": list(output_files(entry.name)) if written else []}
        for entry in person.entries
    ]


def reason(error: Exception, person: Person) -> str:
    """Why a person was not written, for the audit.

    Photographs carry their neutral names from the start. What is left are the paths in the messages of reading, and the id in
    quotes; nothing else is touched, since an id may be a number or a word.
    """
    if not isinstance(error, VeraError):
        return f"an unforeseen {type(error).__name__}: make a call for this person alone to see where"
    text = legible(str(error))
    if renamed(person):
        names = {f"'{person.id}'": f"'{person.label}'"}
        for entry in person.entries:
            for path, neutral in [(entry.path, entry.name), *((mask, f"{entry.name} mask") for mask in entry.masks)]:
                names |= {legible(str(path)): neutral, legible(path.name): neutral}
        for name in sorted(names, key=len, reverse=True):
            text = text.replace(name, names[name])
    return text


def renamed(person: Person) -> bool:
    """Whether the audit must not say who this is."""
    return person.label != person.id


def summary(record: dict[str, Any]) -> str:
    """One line for the terminal."""
    written = [name for file in record["files"] for name in file["written"]]
    return f"verified and written in {record['seconds_in_all']:.1f} s: {', '.join(written)}"


def progress_bar(console: Console) -> Progress:
    """What runs while people wait."""
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console, transient=True)
