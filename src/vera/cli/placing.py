"""All files of a person are placed together or not at all, whatever stops the program: an error, a signal, or a kill.

The scheme is a journal with an undo, and its steps are:

1. *Stage.* The new files are written into a hidden folder of the output folder (``.vera-staging-...``, mode 0700), and reach the disk.
2. *Journal.* The audit is written with the person's record in the state ``placing``: names and digests of the new files, and the hidden
   folder's name. The records of the files that will be replaced are still in it.
3. *Move.* Each file that is to be replaced is set aside into the hidden folder; if its digest is not the recorded one, somebody changed
   it, and all is undone. Then the new file is moved to its name, which fails if anything has that name.
4. *Commit.* The audit is written with the record in the state ``written``, without the records of replaced files.
5. *Clean.* The hidden folder goes, with what was set aside.

An error undoes steps 2 and 3. After a kill the next call in this folder does so, before anything else. It holds the folder's lock, so
nobody is at work there. Why this is enough:

* The audit is replaced in one step, so every moment is before the journal, between journal and commit, or after the commit.
* Before the journal nothing visible has changed. Between the two, each visible file has a record: a new one the journal, an old one its
  own. After the commit all new files are in place, and the hidden folder is only litter.
* Undoing removes a file only if its bytes are those of the journal, and puts back what was set aside. It can be repeated: a file whose
  old and new bytes are equal is never moved, so what is found under a name says how far the undoing came.
* A file of others is never lost: the moves replace nothing, and what was set aside wrongly goes back.

Where there are no hard links, a name is first taken with an empty file; undoing takes an empty file for that, while the new file still
waits.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vera import files
from vera.cli.chain import broken_links
from vera.cli.record import AUDIT, STAGING, Obstacle, outputs_of, read_audit


@dataclass(frozen=True)
class Move:
    """One file's change.

    Attributes:
        target: the file's name in sight.
        staged: path of the new file until the commit; None if the old one only goes.
        digest: SHA-256 of the new file.
        aside: path of the old file until the commit, on the same file system.
        earlier: SHA-256 that the old file must have, if there is one; None if there must be none.

    """

    target: Path
    staged: Path | None
    digest: str | None
    aside: Path
    earlier: str | None

    def make(self) -> None:
        """Set the old file aside, and place the new one.

        Raises:
            Obstacle: the file there is not the recorded one.
            OSError: it can't be moved.

        """
        if self.earlier and files.exists(self.target):
            os.rename(self.target, self.aside)
            if files.own_digest(self.aside) != self.earlier:
                raise Obstacle(f"{self.target} was changed after VerA wrote it: move it away, or choose another folder with --out")
        if self.staged:
            try:
                files.place(self.staged, self.target)
            except FileExistsError as error:
                raise Obstacle(f"{self.target} is there, but no audit records it: move it away, or choose another folder") from error

    def undo(self) -> None:
        """Bring back what was there before, however far :meth:`make` came.

        Raises:
            Obstacle: the old file's name is taken.
            OSError: a file can't be moved.

        """
        if self.staged and self.digest:
            half = files.is_empty(self.target) and files.exists(self.staged)
            if half or files.own_digest(self.target) == self.digest:
                self.target.unlink()
        if files.exists(self.aside):
            try:
                files.place(self.aside, self.target)
            except FileExistsError as error:
                if files.own_digest(self.target) != files.own_digest(self.aside):
                    raise Obstacle(f"{self.target} is in the way of an earlier result, kept as {self.aside}: move it away") from error
                self.aside.unlink()


class Staging:
    """The hidden folder in which a person's files wait.

    Args:
        folder: the output folder of the call.
        name: name of an existing hidden folder; None makes a new one.

    """

    def __init__(self, folder: Path, name: str | None = None) -> None:
        self.folder = folder
        self.path = folder / (name or f".vera-staging-{secrets.token_hex(8)}")
        self.new, self.old = self.path / "new", self.path / "old"
        self.read = self.path / "read"

    def make(self) -> None:
        """Make the hidden folder, for this user only."""
        for path in (self.path, self.new, self.old):
            path.mkdir(mode=0o700)

    def remove(self, moves: Sequence[Move]) -> None:
        """Remove the hidden folder and the files that were set aside; the next call removes what is left."""
        for move in moves:
            with contextlib.suppress(OSError):
                move.aside.unlink()
        with contextlib.suppress(OSError):
            shutil.rmtree(self.path)

    def discard(self) -> None:
        """Remove the hidden folder, except files that were set aside and could not be put back."""
        for path in (self.new, self.read):
            with contextlib.suppress(OSError):
                shutil.rmtree(path)
        for path in (self.old, self.path):
            with contextlib.suppress(OSError):
                path.rmdir()

    def moves(self, new: dict[str, str], earlier: dict[str, str]) -> list[Move]:
        """Work out the moves of the folder's files; a file that stays unchanged has none.

        Args:
            new: names and SHA-256 of the staged files.
            earlier: names and SHA-256 of the recorded files that go.

        """
        return [
            Move(self.folder / name, self.new / name if name in new else None, new.get(name), self.old / name, earlier.get(name))
            for name in {**new, **earlier}
            if not new.get(name) == earlier.get(name) == files.own_digest(self.folder / name)
        ]


def place_together(
    moves: Sequence[Move], *, journal: Callable[[], object], commit: Callable[[], bytes], back: Callable[[], object]
) -> bytes:
    """Make all moves or none.

    Args:
        moves: changes to the files of one person.
        journal: function that writes the audit that announces the moves.
        commit: function that writes the audit that records them as done, and returns its bytes.
        back: function that writes the audit as it was before, or removes it.

    Returns:
        The audit that was written last.

    Raises:
        Obstacle: a file is not what the audit records.
        OSError: something can't be written.

    """
    journal()
    try:
        for move in moves:
            move.make()
        for folder in {move.target.parent for move in moves}:
            files.sync_folder(folder)
        return commit()
    except BaseException:
        for move in reversed(moves):
            move.undo()
        back()
        raise


def recover(folder: Path, write: Callable[[dict[str, Any]], object], *, identity: Path | None) -> dict[str, Any] | None:
    """Undo what a killed call left half done, and remove its litter; the caller holds the folder's lock.

    Args:
        folder: the output folder of the call.
        write: function that writes an audit into this folder.
        identity: the identity file of this call: the killed call's, if it is the same call.

    Returns:
        The audit as it is then; None if there is none.

    Raises:
        Obstacle: something there is not VerA's, or in the way.
        OSError: something can't be moved.

    """
    audit = read_audit(folder / AUDIT)
    if audit and broken_links(audit):  # going on would make a new chain over what somebody changed
        raise Obstacle(f"{folder / AUDIT} was changed after VerA wrote it: move it away, or choose another folder with --out")
    broken = [record for record in audit["people"] if record["status"] == "placing"] if audit else []
    for record in broken:
        staging = Staging(folder, record["staging"])
        earlier = {name: known for other in audit["earlier"] for name, known in outputs_of(other).items()} if audit else {}
        new = {name: known for name, known in outputs_of(record).items() if earlier.get(name) != known}
        moves = [
            Move(folder / name, staging.new / name if name in new else None, new.get(name), staging.old / name, None)
            for name in {**outputs_of(record), **earlier}
        ]
        if identity and (saved := record.get("saved_identity")):
            moves.append(Move(identity, identity.parent / saved["staged"], saved["digest"], identity.parent / saved["aside"], None))
        for move in moves:
            move.undo()
    if audit and broken:
        audit["people"] = [record for record in audit["people"] if record["status"] != "placing"]
        if audit["people"] or audit["earlier"]:
            write(audit)
        else:
            (folder / AUDIT).unlink()
            audit = None
    for name in os.listdir(folder):
        if STAGING.fullmatch(name) and files.is_own(folder / name, stat.S_IFDIR):
            shutil.rmtree(folder / name)
    files.remove_parts(folder / AUDIT)
    if identity and identity.parent.is_dir():
        files.remove_parts(identity)
    return audit
