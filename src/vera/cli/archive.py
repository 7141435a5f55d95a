"""Anonymize an archive: workers render people, this process places their files and writes the audit, in the manifest's order.

Whatever is killed at whatever moment, the same call goes on from there. A worker only fills hidden folders. Files and records in sight
are the work of one process, by the journal of :mod:`vera.cli.placing`, so that a person is complete, once, or not there at all.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from vera import __version__, files
from vera.cli import batch
from vera.cli.batch import reason, report, summary
from vera.cli.loading import AnonymizerLoader
from vera.cli.output import OutputFolder
from vera.cli.placing import Staging
from vera.cli.plan import PlannedPerson, choose_formats, entries_of, name_outputs
from vera.cli.record import AUDIT, outputs_of
from vera.cli.rendering import PersonOutcome, PersonTask, PersonWorker
from vera.cli.stopping import Stopping
from vera.cli.workers import Pool
from vera.data.manifest_index import ManifestIndex
from vera.data.remote import Address, on_disk, paths_of, require
from vera.processes import processors
from vera.types import Refused, VeraError

if TYPE_CHECKING:
    from vera.faces.content_credentials import Credentials

TOGETHER = 10_000
"""DECISION: most people of one folder. Its audit is written anew with each person, and is held in memory."""
TRAVELS = ("files", "options", "versions", "renderer", "bundle", "backends", "seed", "seed_source", "identity", "verification")
"""What a worker needs of an earlier record; the regions, which are the most of it, stay here."""


class Workforce(Protocol):
    """Protocol of engines: they do tasks by calls of :class:`vera.cli.rendering.PersonWorker`, in this machine's processes or on others."""

    def map(self, tasks: Iterable[PersonTask]) -> Iterator[PersonOutcome]:
        """Do tasks, a failed one twice, and yield the outcomes in the tasks' order."""
        ...

    def stop(self) -> None:
        """End all workers now."""
        ...


@dataclass(frozen=True)
class Archive:
    """The people to anonymize, and the place of their outputs.

    Attributes:
        manifest: table of people and photographs, on disk or at an address.
        out: folder of the outputs, or of folders ``00000``, ``00001``, ... of so many people each.
        per_folder: people of a folder; None puts all into one.
        rename: whether outputs and people get neutral names.
        format: ``png`` or ``dicom`` for all outputs; None: DICOM for photographs in DICOM files.
        overwrite: whether outputs of calls over other photographs may be replaced.
        mark: whether pictures say how they came about.
        loader: the anonymizer that the workers load.
        sources: further files that are read in this call.
        credentials: files that pictures are signed with; None signs nothing.

    """

    manifest: Path
    out: Path
    loader: AnonymizerLoader
    per_folder: int | None = None
    rename: bool = False
    format: str | None = None
    overwrite: bool = False
    mark: bool = True
    sources: tuple[Path, ...] = ()
    credentials: Credentials | None = None


@dataclass
class Tally:
    """Counts of a call's people, and who of them was not written.

    Attributes:
        people: people who are done.
        kept: people of these whom an earlier call had finished.
        lost: records of those who were not written: who and why.
        started: time at which the first of the others was begun.

    """

    people: int = 0
    kept: int = 0
    lost: list[dict[str, Any]] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)

    def pace(self, total: int) -> str:
        """The rate so far, and the time that the rest of so many people takes at it."""
        done, seconds = self.people - self.kept, time.monotonic() - self.started
        if not done:
            return ""
        return f"{60 * done / seconds:.1f} people a minute, {timedelta(seconds=round((total - self.people) * seconds / done))} left"


def require_archive(settings: Mapping[str, object], manifest: Path | None, one: Mapping[str, object], *, report: bool) -> Path:
    """Check that options of an archive are given with a manifest, and without what belongs to one person.

    Args:
        settings: options of an archive by name, at least one of them with a value; None for those that are not given.
        manifest: table of people; None if it is not given.
        one: options and arguments of one person by name; false for those that are not given.
        report: whether pages for each person were asked for.

    Returns:
        The manifest.

    Raises:
        VeraError: options that do not belong together, or no manifest.

    """
    asked = next(name for name, value in settings.items() if value is not None)
    if needless := [name for name, value in one.items() if value]:
        raise VeraError(f"{asked} is for the people of a --manifest, and {needless[0]} belongs to one person: leave one of them out")
    if report:
        raise VeraError(f"--report is made by one process: leave {asked} out, or --report")
    if not manifest:
        raise VeraError(f"{asked} is for the people of a --manifest: name one, or leave it out")
    if settings["--address"] and settings["--engine"] != "ray":
        raise VeraError("--address names a Ray cluster: add --engine ray, or leave it out")
    return manifest


def anonymize_archive(archive: Archive, *, workers: int, threads: int | None, ray: bool = False, address: str | None = None) -> None:
    """Anonymize everybody whom an earlier call has not finished.

    Args:
        archive: people to anonymize, and the place of the outputs.
        workers: number of processes, or most Ray actors.
        threads: threads of each; None divides this machine's cores, or takes one on a Ray cluster.
        ray: let Ray run the workers.
        address: address of a running Ray cluster; None for one on this machine.

    Raises:
        Refused: see :func:`anonymize`.
        VeraError: see :func:`anonymize`; the workers can't load.

    """
    require(archive.manifest)
    each = threads or (1 if address else max(1, processors() // workers))
    start = partial(PersonWorker, replace(archive.loader, threads=each), mark=archive.mark, credentials=archive.credentials)
    if ray:
        from vera.cli.ray_engine import RayEngine

        gpus = 1 if archive.loader.device == "cuda" else 0
        anonymize(archive, RayEngine(start, workers=workers, threads=each, gpus=gpus, address=address, lost=unfinished))
    else:
        anonymize(archive, Pool(start, workers=workers, threads=each, again=attrgetter("failed"), lost=unfinished))


def anonymize(archive: Archive, engine: contextlib.AbstractContextManager[Workforce]) -> None:
    """Anonymize everybody whom an earlier call has not finished.

    Args:
        archive: people to anonymize, and the place of the outputs.
        engine: engine, whose processes live while its context lasts.

    Raises:
        Refused: somebody was not written; the audits say why, and the others are written.
        VeraError: the manifest or a folder can't be used.

    """
    console, tally = Console(stderr=True), Tally()
    with Stopping(), engine as running, contextlib.ExitStack() as reading:  # the workers load while the manifest is read
        table = reading.enter_context(on_disk(archive.manifest))
        address = archive.manifest if isinstance(archive.manifest, Address) else None
        index = ManifestIndex(table, per_folder=archive.per_folder, named=not archive.rename, address=address)
        size = archive.per_folder or len(index)
        if size > TOGETHER:
            raise VeraError(f"{size:,} people don't fit into one folder with one audit: add --per-folder 1000 (at most {TOGETHER:,})")
        _require_no_others(archive, -(-len(index) // size))
        with _bar(console) as progress:
            task = progress.add_task("people", total=len(index), pace="")

            def advance() -> None:
                progress.update(task, advance=1, pace=tally.pace(len(index)))

            tally.started = time.monotonic()
            for number, start in enumerate(range(0, len(index), size)):
                place = archive.out / f"{number:05d}" if archive.per_folder else archive.out
                people = planned(index, start, start + size, archive)
                _fill(place, people, archive, running, tally, console, advance)
                if archive.per_folder:
                    _say(console, f"{place}: {tally.people:,} of {len(index):,} people done; {tally.pace(len(index))}")
    if tally.kept:
        _say(console, f"{tally.kept:,} of {tally.people:,} people were finished by an earlier call")
    if tally.lost:
        where = archive.out / AUDIT if not archive.per_folder else archive.out / "*" / AUDIT
        raise Refused(report(tally.lost, tally.people, where))


def planned(index: ManifestIndex, start: int, stop: int, archive: Archive) -> list[PlannedPerson]:
    """People of one folder, with the names and formats of their outputs.

    Args:
        index: index of the manifest.
        start: number of the first person, from 0.
        stop: number after the last.
        archive: people to anonymize, and the place of the outputs.

    Raises:
        VeraError: two outputs would have the same name, or the format is not possible.

    """
    count, people = index.photographs_before(start), []
    for number, person in enumerate(index.people(start, stop), start + 1):
        entries = entries_of(person)
        if archive.rename:  # numbered through all folders, as if there were one
            entries = [replace(entry, name=f"{count + at:04d}") for at, entry in enumerate(entries, 1)]
        count += len(entries)
        people.append(PlannedPerson(person.id, f"person-{number:04d}" if archive.rename else person.id, tuple(entries)))
    options = archive.loader.options
    named = name_outputs(people, rename=False)
    return choose_formats(named, archive.format, leave_others=options.leave_others, signed=archive.credentials is not None)


def _require_no_others(archive: Archive, folders: int) -> None:
    """Raise a VeraError for people of an earlier call in folders that this one does not fill: they would stay, or be there twice.

    A numbered folder that is a link is refused, too: it would take people out of the output folder.
    """
    out, others = archive.out, [archive.out] if archive.per_folder else []
    numbered = [name for name in sorted(os.listdir(out)) if re.fullmatch("[0-9]{5,12}", name)] if out.is_dir() else []
    if links := [out / name for name in numbered if archive.per_folder and (out / name).is_symlink()]:
        raise VeraError(f"{links[0]} is a link, and people would be written outside {out}: remove it, or choose another folder with --out")
    others += [out / name for name in numbered if not (archive.per_folder and int(name) < folders)]
    for place in others:
        if files.exists(place / AUDIT):
            raise VeraError(
                f"{place} holds people of a call with another manifest or --per-folder, who would stay beside those of this one: "
                "move it away, or choose another folder with --out"
            )


def _fill(
    place: Path,
    people: Sequence[PlannedPerson],
    archive: Archive,
    engine: Workforce,
    tally: Tally,
    console: Console,
    advance: Callable[[], None],
) -> None:
    """Write the people of one folder, and its audit."""
    sources = [file for person in people for entry in person.entries for file in (entry.path, *entry.masks)]
    read = paths_of([*sources, archive.manifest, *archive.sources])
    marking: dict[str, Any] = {"mark": archive.mark, "credentials": archive.credentials}
    with OutputFolder(place, people, sources=read, overwrite=archive.overwrite, **marking) as folder:
        audit: dict[str, Any] = {"vera": __version__, "settings": {**archive.loader.settings, **folder.settings}, "people": []}
        earlier = _standing(folder.earlier, audit)
        tasks = [
            PersonTask(person, place, Staging(place).path.name, {name: known.get(name) for name in TRAVELS} if known else None)
            for person in people
            for known in (earlier.get(_outputs(person)),)
        ]
        try:
            kept_last = False
            for task, outcome in zip(tasks, engine.map(tasks), strict=True):
                kept_last = outcome.record is None
                if outcome.record is None:
                    folder.keep_person(earlier[_outputs(task.person)], audit)
                    tally.kept += 1
                else:
                    everybody = all(record["status"] == "written" for record in audit["people"])
                    record = _settle(folder, task, outcome.record, audit, last=everybody and task is tasks[-1])
                    _tell(console, task.person.label, record, tally)
                tally.people += 1
                advance()
            if kept_last:
                folder.write_audit(audit)
        except BaseException:  # Ctrl-C, too: nothing hidden stays
            with folder.stopping.held():
                engine.stop()
                for task in tasks:
                    Staging(place, task.staging).discard()
            raise


def _tell(console: Console, label: str, record: dict[str, Any], tally: Tally) -> None:
    """Say what became of a person, and keep in mind who was not written."""
    if record["status"] == "written":
        lines = [summary(record), *(f"warning: {warning}" for warning in record.get("warnings", ()))]
    else:
        lines = [f"not written: {record['reason']}"]
        tally.lost.append({"person": label, "status": record["status"], "reason": record["reason"]})
    for line in lines:
        _say(console, f"{label}: {line}")


def _settle(folder: OutputFolder, task: PersonTask, record: dict[str, Any], audit: dict[str, Any], *, last: bool) -> dict[str, Any]:
    """Place a person's files, and write the record, which says why if nothing was written."""
    if record["status"] == "written":
        try:
            folder.take_person(task.staging, record, audit, last=last)
            return record
        except VeraError as error:
            unplaced = [file | {"written": {}} for file in record["files"]]
            record = record | {"status": "failed", "reason": reason(error, task.person), "files": unplaced}
    Staging(folder.path, task.staging).discard()
    audit["people"].append(record)
    folder.write_audit(audit)
    return record


def unfinished(task: PersonTask, why: str) -> PersonOutcome:
    """The outcome of a task whose workers died: nothing is known of the photographs, so no digests."""
    sources = [[None, *(None for _ in entry.masks)] for entry in task.person.entries]
    record = {"status": "failed", "reason": why, "person": task.person.label, "files": batch.files(task.person, sources)}
    return PersonOutcome(record | {"seconds_in_all": 0.0})


def _standing(earlier: Sequence[dict[str, Any]], audit: dict[str, Any]) -> dict[tuple[str, ...], dict[str, Any]]:
    """Records of calls with this call's version and settings, by the names of their files."""
    call = files.plain({"vera": audit["vera"], "settings": audit["settings"]})
    return {tuple(sorted(outputs_of(record))): record for record in earlier if record["call"] == call and record["status"] == "written"}


def _outputs(person: PlannedPerson) -> tuple[str, ...]:
    return tuple(sorted(file for entry in person.entries for file in entry.outputs))


def _say(console: Console, line: str) -> None:
    console.print(line, highlight=False, markup=False, soft_wrap=True)


def _bar(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.fields[pace]}"))
    return Progress(*columns, console=console, transient=True)
