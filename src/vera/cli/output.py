"""The output folder: writes all files of a person or none, keeps the audit, and never replaces foreign files."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vera import files
from vera.cli.chain import APART, RECORDS, chain_of, digest_of
from vera.cli.lock import LOCK, locked
from vera.cli.pictures import stage_person
from vera.cli.placing import Move, Staging, place_together, recover
from vera.cli.plan import PlannedPerson, report_files
from vera.cli.record import AUDIT, VERSION, Obstacle, outputs_of
from vera.cli.stopping import Stopping
from vera.data.remote import digest, shown
from vera.types import Anonymized, AnonymizedPerson, VeraError

if TYPE_CHECKING:
    from vera.faces.content_credentials import Credentials
    from vera.faces.dicom_instance import Origin

Reporter = Callable[[Path, Sequence[Anonymized]], dict[str, str]]
"""A function that writes a person's report into a folder, with the pictures or none; it gives the files' names and SHA-256."""
LONGEST = 255
"""Bytes of a file's name, where the file system does not say."""


class OutputFolder(contextlib.AbstractContextManager["OutputFolder"]):
    """A folder that takes the outputs of one call, while the context lasts: locked, and mended where a killed call left it half done.

    What is there and is not recorded by VerA's audit, with the digest that it still has, is never replaced or removed. What an earlier
    call wrote goes when it is replaced: each person's files with the new ones of the same names, the rest with the last person, if
    everybody of this call was written. Until then its records stay in the audit, under ``earlier``.

    Args:
        path: the folder; made if it is not there.
        people: people whose outputs will be written.
        sources: files that are read in this call and must not be overwritten whatever the options say.
        overwrite: outputs of any earlier call may be replaced. Without it only a call over the same photographs (by digest, as
            the earlier audit records them) may be repeated.
        identity: file for the new face.
        mark: write into each picture how it came about (:mod:`vera.faces.marking`), as its record's ``digital_source_type`` says.
        report: write a report of each person beside the pictures, also of a refused one (:mod:`vera.cli.person_report`).
        credentials: files that pictures are signed with (:mod:`vera.faces.content_credentials`); None signs nothing.

    Raises:
        VeraError: the credentials can't be used; on entering: the folder can't be written or another call is writing there, it holds
            outputs of an earlier call or files of others with the same names, or an output would overwrite a source.

    """

    def __init__(
        self,
        path: Path,
        people: Sequence[PlannedPerson],
        *,
        sources: Iterable[Path],
        overwrite: bool,
        identity: Path | None = None,
        mark: bool = True,
        report: bool = False,
        credentials: Credentials | None = None,
    ) -> None:
        self.path, self.people, self.identity, self.overwrite = path, people, identity, overwrite
        self.mark, self.report = mark, report
        self.signer = credentials.signer() if credentials else None
        self.sources = list(sources)
        self.earlier: list[dict[str, Any]] = []
        self.stopping = Stopping()
        self._left = contextlib.ExitStack()
        self._before: bytes | None = None
        self._read: set[tuple[int, int]] | None = None
        self._texts: dict[int, tuple[dict[str, Any], str, str]] = {}

    def __enter__(self) -> OutputFolder:
        with contextlib.ExitStack() as entered:
            entered.enter_context(self.stopping)
            with self._one_sentence("choose another with --out"):
                with self.stopping.held():
                    entered.enter_context(files.made_folder(self.path))
                    entered.enter_context(locked(self.path))
                    audit = recover(self.path, self._write, identity=self.identity)
                self._check_names()
                self._before = (self.path / AUDIT).read_bytes() if audit else None
                self.earlier = _written(audit) if audit else []
                self._check_targets()
                if self.identity:
                    self._check_identity(self.identity)
            self._left = entered.pop_all()
        return self

    def __exit__(self, *what: Any) -> None:
        with self.stopping.held():
            self._left.close()

    @property
    def settings(self) -> dict[str, Any]:
        """The choices of the whole call that are this folder's, as the audit says them."""
        return {"mark": self.mark} | ({"c2pa_certificate": self.signer.fingerprint} if self.signer else {})

    def write_person(
        self,
        result: AnonymizedPerson,
        record: dict[str, Any],
        audit: dict[str, Any],
        *,
        last: bool = False,
        save: Callable[[Path], None] | None = None,
        origins: Sequence[Origin | None] | None = None,
        report: Reporter | None = None,
    ) -> None:
        """Write a verified person's images and the audit with the person's record: all of them or nothing.

        The files are made in a hidden folder, decoded again and compared, and only then moved to their names
        (:mod:`vera.cli.placing`).

        Args:
            result: the anonymized images of one person.
            record: entry of the audit; its ``files`` are in the result's order, and get the names and digests of the written files.
            audit: the audit of the call so far; the record is added to it.
            last: everybody else of this call was written: what is left of earlier calls goes.
            save: function that writes the identity to a given file; None where none is saved.
            origins: facts of the sources for outputs in DICOM, None for those in PNG; None: all are PNG.
            report: function that writes the person's report into a given folder; None for no report.

        Raises:
            VeraError: they can't be written, or what was decoded is not what was to be written; nothing is left then.

        """
        with self._staged() as (staging, parts):
            stage_person(staging, result, record, origins, mark=self.mark, signer=self.signer)
            if report:
                record["report"] = report(staging.new, result.photographs)
            identity: list[Move] = []
            saved: dict[str, Any] = {}
            if save and self.identity:
                identity = [parts.enter_context(_staged_identity(self.identity, staging, save))]
                saved = {"saved_identity": {"digest": identity[0].digest}}
            self._settle(staging, identity, record | saved, audit, last=last)

    def write_refusal(self, record: dict[str, Any], audit: dict[str, Any], *, report: Reporter | None = None) -> None:
        """Add the record of a person of whom no picture is written to the audit, and write a report, if one is wanted.

        Args:
            record: the person's entry of the audit; its ``files`` name none that was written.
            audit: the audit of the call so far; the record is added to it.
            report: function that writes the report into a given folder; None for no report.

        Raises:
            VeraError: they can't be written.

        """
        if report is None:
            audit["people"].append(record)
            self.write_audit(audit)
            return
        with self._staged() as (staging, _):
            staging.make()
            record["report"] = report(staging.new, ())
            self._settle(staging, [], record, audit, last=False)

    def take_person(self, staging: str, record: dict[str, Any], audit: dict[str, Any], *, last: bool = False) -> None:
        """Place a person's files that another process staged (:func:`stage_person`), as :meth:`write_person` does.

        Args:
            staging: name of the hidden folder.
            record: entry of the audit, with the names and digests of the staged files.
            audit: the audit of the call so far; the record is added to it.
            last: everybody else of this call was written: what is left of earlier calls goes.

        Raises:
            VeraError: they can't be placed; nothing is left then.

        """
        with self._staged(staging) as (staged, _):
            self._settle(staged, [], record, audit, last=last)

    def keep_person(self, record: dict[str, Any], audit: dict[str, Any]) -> None:
        """Go on with what an earlier call wrote of a person: its record becomes one of this call when the audit is written next.

        Args:
            record: one of the records in :attr:`earlier`.
            audit: the audit of the call so far; the record is added to it.

        """
        self.earlier = [known for known in self.earlier if known is not record]
        audit["people"].append({name: value for name, value in record.items() if name != "call"})

    def write_audit(self, audit: dict[str, Any]) -> Path:
        """Write ``audit.json``, readable by its owner only, with the records of earlier calls whose files are still there.

        Raises:
            VeraError: it can't be written.

        """
        try:
            self._before = self._write(audit | {"earlier": self.earlier})
        except OSError as error:
            raise VeraError(f"{self.path / AUDIT} can't be written ({error.strerror})") from error
        return self.path / AUDIT

    @contextlib.contextmanager
    def _staged(self, name: str | None = None) -> Iterator[tuple[Staging, contextlib.ExitStack]]:
        """Context of a hidden folder for a person's files, and of the files that are open in it; at its end the folder is removed."""
        staging, parts = Staging(self.path, name), contextlib.ExitStack()
        try:
            with self._one_sentence("nothing of this person was kept"):
                yield staging, parts
        finally:
            with self.stopping.held():
                parts.close()
                staging.discard()

    def _settle(self, staging: Staging, further: Sequence[Move], record: dict[str, Any], audit: dict[str, Any], *, last: bool) -> None:
        """Move a person's files to their names, and further ones, instead of the files that earlier calls wrote there."""
        new = outputs_of(record)
        claimed = {*new, *(name.replace(".report.", ".refused.") for name in record.get("report", {}))}
        gone = [known for known in self.earlier if last or outputs_of(known).keys() & claimed]
        moves = staging.moves(new, {name: known for other in gone for name, known in outputs_of(other).items()})
        moves += further
        with self.stopping.held():
            self._place(staging, moves, record, audit, [known for known in self.earlier if known not in gone])

    def _place(
        self, staging: Staging, moves: Sequence[Move], record: dict[str, Any], audit: dict[str, Any], stay: list[dict[str, Any]]
    ) -> None:
        waiting = record | {"status": "placing", "staging": staging.path.name}
        for move in moves:
            if move.staged and move.target == self.identity:
                waiting["saved_identity"] = record["saved_identity"] | {"staged": move.staged.name, "aside": move.aside.name}
        people = audit["people"]
        self._before = place_together(
            moves,
            journal=lambda: self._write(audit | {"people": [*people, waiting], "earlier": self.earlier}),
            commit=lambda: self._write(audit | {"people": [*people, record], "earlier": stay}),
            back=self._write_back,
        )
        people.append(record)
        self.earlier = stay
        staging.remove(moves)

    def _write(self, audit: dict[str, Any]) -> bytes:
        """Write the audit with its chain; a record is turned into text once, since it is written again with each further person."""
        told = {name: files.plain(value) for name, value in audit.items() if name not in APART}
        opening = {"audit_version": VERSION} | told | {"audit_version": VERSION}  # also where an audit of an earlier version goes on
        listed = ["people", "earlier"] if audit.get("earlier") else ["people"]
        lists = {name: [self._text(record) for record in audit[name]] for name in listed}
        chain = chain_of(opening, [digest for name in RECORDS for _, digest in lists.get(name, ())])
        parts = [f'  "{name}": {_json(value, 1)}' for name, value in opening.items()]
        parts += [f'  "{name}": [\n    ' + ",\n    ".join(text for text, _ in texts) + "\n  ]" for name, texts in lists.items()]
        parts.append(f'  "chain": {_json(chain, 1)}')
        content = ("{\n" + ",\n".join(parts) + "\n}\n").encode()
        files.write_whole(self.path / AUDIT, content, private=True)
        return content

    def _text(self, record: dict[str, Any]) -> tuple[str, str]:
        """A record's text in the audit, and its digest in the chain."""
        if record["status"] == "placing":
            return _json(record, 2), digest_of(files.plain(record))
        if id(record) not in self._texts:  # the record is kept, so that no other gets its id
            self._texts[id(record)] = (record, _json(record, 2), digest_of(files.plain(record)))
        return self._texts[id(record)][1:]

    def _write_back(self) -> None:
        if self._before is None:
            (self.path / AUDIT).unlink(missing_ok=True)
        else:
            files.write_whole(self.path / AUDIT, self._before, private=True)

    def _check_names(self) -> None:
        """Raise a VeraError for an output whose name the file system does not take."""
        pictures, reports = {name.casefold() for name in self._pictures()}, {name.casefold() for name in self._reports()}
        if both := sorted(pictures & reports):
            raise VeraError(f"{shown(both[0])} would be both a picture and a report: rename the photograph, or use --rename")
        longest = os.pathconf(self.path, "PC_NAME_MAX") if hasattr(os, "pathconf") else LONGEST
        for name in self._names():
            if len(os.fsencode(name)) > longest:
                raise VeraError(f"the output name {shown(name)} is longer than the {longest} bytes of a file name here: use --rename")

    def _check_targets(self) -> None:
        recorded = {name: known for record in self.earlier for name, known in outputs_of(record).items()}
        for name in dict.fromkeys((*self._names(), AUDIT, *recorded)):
            target = self.path / name
            if not files.exists(target):
                continue
            self._check_unread(target)
            if name == AUDIT:
                continue
            if name not in recorded:
                raise VeraError(f"{target} is there, and no audit says that VerA wrote it: move it away, or choose another with --out")
            if files.own_digest(target) != recorded[name]:
                raise VeraError(f"{target} was changed after VerA wrote it: move it away, or choose another folder with --out")
        if self.earlier and not self.overwrite and not _repeats(self.earlier, self.people):
            raise VeraError(
                f"{self.path / AUDIT} is there already, of other photographs: choose another folder with --out, or add --overwrite"
            )

    def _check_unread(self, target: Path) -> None:
        """Raise a VeraError if a file is read in this call, whatever it is called."""
        if self._read is None:  # once, since a manifest has many targets and many sources
            self._read = {(facts.st_dev, facts.st_ino) for facts in (source.stat() for source in self.sources if os.path.exists(source))}
        facts = target.stat() if target.exists() else target.lstat()
        if (facts.st_dev, facts.st_ino) in self._read:
            raise VeraError(f"{target} is read, but would be overwritten or removed: choose another folder with --out")

    def _check_identity(self, path: Path) -> None:
        """Raise a VeraError if an identity file can't be written, or would destroy what is read, or anything but an identity."""
        from vera.anonymization.identity import Identity

        names = {name.casefold() for name in (*self._names(), AUDIT, LOCK)}
        try:
            there = files.exists(path)
            if not there and (not os.access(path.parent, os.W_OK) or not path.name):
                raise PermissionError
        except (OSError, ValueError) as error:
            raise VeraError(f"the identity file {path} can't be written: its folder must be there and writable") from error
        if path.name.casefold() in names and os.path.samefile(path.parent, self.path):
            raise VeraError(f"the identity file {path} has the name of an output: name another with --save-identity")
        if not there:
            return
        self._check_unread(path)
        if not self.overwrite:
            raise VeraError(f"the identity file {path} is there already: name another with --save-identity, or add --overwrite")
        if files.own_digest(path) is None:
            raise VeraError(f"the identity file {path} can't be written: it is there, and no file; name another with --save-identity")
        try:
            Identity.load(path)
        except VeraError as error:
            raise VeraError(f"{path} is there and is no identity, so it is not replaced: name another with --save-identity") from error

    def _names(self) -> Iterator[str]:
        return itertools.chain(self._pictures(), self._reports())

    def _reports(self) -> Iterator[str]:
        return (name for number in range(len(self.people) if self.report else 0) for name in report_files(number + 1))

    def _pictures(self) -> Iterator[str]:
        return (file for person in self.people for entry in person.entries for file in entry.outputs)

    @contextlib.contextmanager
    def _one_sentence(self, advice: str) -> Iterator[None]:
        try:
            yield
        except Obstacle as error:
            raise VeraError(str(error)) from error
        except OSError as error:
            raise VeraError(f"the output folder {self.path} can't be written ({error.strerror or error}): {advice}") from error


@contextlib.contextmanager
def _staged_identity(path: Path, staging: Staging, save: Callable[[Path], None]) -> Iterator[Move]:
    """The identity file beside its name, which may be on another file system than the output folder."""
    save(staging.new / "identity")
    content = (staging.new / "identity").read_bytes()
    (staging.new / "identity").unlink()
    staged, aside = files.part_of(path), files.part_of(path)
    try:
        files.write_new(staged, content, private=True)
        yield Move(path, staged, hashlib.sha256(content).hexdigest(), aside, files.own_digest(path))
    finally:
        with contextlib.suppress(OSError):  # gone already when all went well; else the next call removes it
            staged.unlink()


def _written(audit: dict[str, Any]) -> list[dict[str, Any]]:
    """The records of an audit that have files, each with what the audit says about its call."""
    call = {"vera": audit["vera"], "settings": audit.get("settings", {})}
    records = [*audit["earlier"], *({"call": call} | record for record in audit["people"])]
    return [record for record in records if outputs_of(record)]


def _repeats(earlier: Sequence[dict[str, Any]], people: Sequence[PlannedPerson]) -> bool:
    """Whether this call takes every photograph that an earlier one wrote images for."""
    taken = {entry.digest or digest(entry.path) for person in people for entry in person.entries}
    return {file["digest"] for record in earlier for file in record["files"]} - {None} <= taken


def _json(value: Any, depth: int) -> str:
    """A value as JSON, its further lines so many times two spaces to the right."""
    return json.dumps(files.plain(value), indent=2, ensure_ascii=False, allow_nan=False).replace("\n", "\n" + "  " * depth)
