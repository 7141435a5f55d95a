"""People, one after the other: anonymize, write, record. A person who is refused does not lose the others."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from vera import __version__
from vera.cli.output import OutputFolder
from vera.cli.plan import Person, output_files
from vera.cli.studio import Studio
from vera.types import Refused, Semantic, VeraError


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
            that or because the photographs could not be used; the audit says why, and the others are written.
        VeraError: the one person's photographs could not be used.

    """
    console = Console(stderr=True)
    audit: dict[str, Any] = {"vera": __version__, "settings": studio.settings, "people": []}
    failures: list[VeraError] = []
    with progress_bar(console) as progress:
        task = progress.add_task("people", total=len(people))
        for person in people:
            steps = progress.add_task(f"{person.label}: reading", total=None)

            def tell(what: str, done: int, budget: int, steps: TaskID = steps, label: str = person.label) -> None:
                progress.update(steps, description=f"{label}: {what}", completed=done, total=budget)

            record, failure = one(person, folder, studio, audit, identity=identity, save_identity=save_identity, tell=tell)
            progress.remove_task(steps)
            if failure:
                failures.append(failure)
            else:
                console.print(f"{person.label}: {summary(record)}", highlight=False, markup=False, soft_wrap=True)
            progress.advance(task)
    if len(people) == 1 and failures:
        raise failures[0]
    if failures:
        lost = ", ".join(record["person"] for record in audit["people"] if record["status"] != "written")
        raise Refused(f"{len(failures)} of {len(people)} people were not written ({lost}): {folder.path / 'audit.json'} says why")


def one(
    person: Person,
    folder: OutputFolder,
    studio: Studio,
    audit: dict[str, Any],
    *,
    identity: Any,
    save_identity: Path | None,
    tell: Callable[[str, int, int], None],
) -> tuple[dict[str, Any], VeraError | None]:
    """Anonymize one person, write the images or nothing, and add the record to the audit."""
    started, placed, failure = time.perf_counter(), [], None
    record: dict[str, Any] = {"person": person.label, "status": "written"}
    try:
        result, face = studio.anonymize(person, identity, tell)
        record |= result.audit
        placed = folder.write_person(result)
        if save_identity:
            studio.save_identity(face, save_identity)
    except VeraError as error:
        failure = error
        record |= getattr(error, "audit", {}) | {"status": "refused" if isinstance(error, Refused) else "failed", "reason": str(error)}
        folder.remove(placed)
        placed = []
    renamed = person.label != person.id
    if renamed:
        record = neutral(record, person)
    record["person"] = person.label
    record["seconds_in_all"] = round(time.perf_counter() - started, 2)
    record["files"] = [
        ({} if renamed else {"source": entry.path.name})
        | {"role": entry.role, "written": list(output_files(entry.name)) if placed else []}
        for entry in person.entries
    ]
    audit["people"].append(record)
    try:
        folder.write_audit(audit)
    except BaseException:
        folder.remove(placed)  # no image without its record
        raise
    return record, failure


def neutral(value: Any, person: Person) -> Any:
    """A record with every mention of the person's id and of the files' names replaced by the neutral ones."""
    names: dict[str, str] = {}
    for entry in person.entries:
        for path, neutral_name in [(entry.path, entry.name), *((mask, f"{entry.name} mask") for mask in entry.masks)]:
            names |= {str(path): neutral_name, path.name: neutral_name}
            if path.stem.upper() not in Semantic.__members__:  # 'mouth' says nothing about anybody, and stands in the options
                names[path.stem] = neutral_name
    names[person.id] = person.label
    longest_first = sorted(names, key=len, reverse=True)
    pattern = re.compile("|".join(rf"(?<!\w){re.escape(name)}(?!\w)" for name in longest_first))

    def clean(part: Any) -> Any:
        if isinstance(part, str):
            return pattern.sub(lambda match: names[match.group()], part)
        if isinstance(part, dict):
            return {clean(key): clean(item) for key, item in part.items()}
        return [clean(item) for item in part] if isinstance(part, list | tuple) else part

    return clean(value)


def summary(record: dict[str, Any]) -> str:
    """One line for the terminal."""
    written = [name for file in record["files"] for name in file["written"]]
    return f"verified and written in {record['seconds_in_all']:.1f} s: {', '.join(written)}"


def progress_bar(console: Console) -> Progress:
    """What runs while people wait."""
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console, transient=True)
