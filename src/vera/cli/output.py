"""The output folder: what may be written there, all files of a person or none, and the audit beside them."""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vera.cli.plan import Person, output_files
from vera.types import AnonymizedPerson, VeraError

AUDIT = "audit.json"
OWNER_ONLY = 0o600


class OutputFolder:
    """A folder that takes the outputs of one call.

    Args:
        path: the folder; made if it is not there.
        people: whose outputs will be written.
        sources: files that are read in this call and must not be overwritten whatever the options say.
        overwrite: outputs of any earlier call may be replaced. Without it only a call over the same photographs (by digest, as
            the earlier audit records them) may be repeated. What is replaced is removed at once, so that nothing of the earlier
            call is left for a person who is refused in this one.

    Raises:
        VeraError: the folder can't be written, holds outputs of an earlier call, or an output would overwrite a source.

    """

    def __init__(self, path: Path, people: Sequence[Person], *, sources: Iterable[Path], overwrite: bool) -> None:
        self.path = path
        names = [file for person in people for entry in person.entries for file in output_files(entry.name)]
        targets = [path / name for name in (*names, AUDIT)]
        read = {source.resolve() for source in sources}
        for target in targets:
            if target.resolve() in read:
                raise VeraError(f"{target} would overwrite a file that is read: choose another folder with --out")
        existing = [target for target in targets if target.exists()]
        if existing and not overwrite and not _repeats(path / AUDIT, existing, people):
            raise VeraError(f"{existing[0]} is there already: choose another folder with --out, or add --overwrite")
        try:
            path.mkdir(parents=True, exist_ok=True)
            Path(tempfile.mkdtemp(prefix=".vera-", dir=path)).rmdir()
            for target in existing:
                target.unlink()
        except OSError as error:
            raise VeraError(f"the output folder {path} can't be written ({error.strerror}): choose another with --out") from error

    def write_person(self, result: AnonymizedPerson) -> list[Path]:
        """Write a verified person's images: all of them or none.

        The files are made in a temporary folder, decoded again and compared, and only then moved to their names.

        Raises:
            VeraError: they can't be written, or what was decoded is not what was to be written.

        """
        from vera.faces.photograph import read_photograph, write_png

        placed: list[Path] = []
        staging = Path(tempfile.mkdtemp(prefix=".vera-", dir=self.path))
        try:
            for photograph in result.photographs:
                image, preserved = output_files(photograph.name)
                write_png(staging / image, photograph.image)
                write_png(staging / preserved, photograph.preserved)
                if not np.array_equal(read_photograph(staging / image).pixels, photograph.image):
                    raise VeraError(f"{image} reads back differently from what was written: check the disk of {self.path}")
            for file in sorted(staging.iterdir()):
                os.replace(file, self.path / file.name)
                placed.append(self.path / file.name)
        except BaseException as error:
            self.remove(placed)
            if isinstance(error, OSError):
                raise VeraError(f"{self.path} can't be written ({error.strerror}): nothing of this person was kept") from error
            raise
        finally:
            shutil.rmtree(staging)
        return placed

    def remove(self, files: Iterable[Path]) -> None:
        """Take files away again."""
        for file in files:
            file.unlink(missing_ok=True)

    def write_audit(self, audit: dict[str, Any]) -> Path:
        """Write ``audit.json``, readable by its owner only.

        Raises:
            VeraError: it can't be written.

        """
        text = json.dumps(plain(audit), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        try:
            return write_private(self.path / AUDIT, text.encode())
        except OSError as error:
            raise VeraError(f"{self.path / AUDIT} can't be written ({error.strerror})") from error


def check_identity_target(path: Path, *, overwrite: bool) -> None:
    """Raise a VeraError if an identity file can't be written, or would destroy the face of an earlier visit."""
    if path.exists() and not overwrite:
        raise VeraError(f"the identity file {path} is there already: name another with --save-identity, or add --overwrite")
    if path.is_dir() or not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise VeraError(f"the identity file {path} can't be written: its folder must be there and writable")


def write_private(path: Path, content: bytes) -> Path:
    """Write a file that only its owner may read, in one step."""
    descriptor, temporary = tempfile.mkstemp(prefix=".vera-", dir=path.parent)  # mkstemp makes it 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        os.chmod(temporary, OWNER_ONLY)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return path


def _repeats(audit: Path, existing: Iterable[Path], people: Sequence[Person]) -> bool:
    """Whether this call repeats an earlier one: all that exists was written by it, from photographs that this call takes too."""
    try:
        recorded = [person for person in json.loads(audit.read_bytes())["people"] if person["status"] == "written"]
        sources = {photograph["digest"] for person in recorded for photograph in person["photographs"]}
        written = {name for person in recorded for file in person["files"] for name in file["written"]}
        taken = {hashlib.sha256(entry.path.read_bytes()).hexdigest() for person in people for entry in person.entries}
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return sources <= taken and {file.name for file in existing} <= written | {AUDIT}


def plain(value: Any) -> Any:
    """JSON's own types for what numpy and pathlib leave in an audit; a number that is not finite (nothing to measure) is null."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value
