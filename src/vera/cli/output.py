"""The output folder: what may be written there, all files of a person or none, and the audit beside them."""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vera.anonymization.private import write_private
from vera.cli.plan import Person, digest, output_files
from vera.types import AnonymizedPerson, VeraError

AUDIT = "audit.json"


class OutputFolder:
    """A folder that takes the outputs of one call.

    Args:
        path: the folder; made if it is not there.
        people: whose outputs will be written.
        sources: files that are read in this call and must not be overwritten whatever the options say.
        overwrite: outputs of any earlier call may be replaced. Without it only a call over the same photographs (by digest, as
            the earlier audit records them) may be repeated. What the earlier call wrote is removed at once, all of it: its
            record goes with its audit, and no image is left without one, nor for a person who is refused in this call.

    Raises:
        VeraError: the folder can't be written, holds outputs of an earlier call, or an output would overwrite a source.

    """

    def __init__(self, path: Path, people: Sequence[Person], *, sources: Iterable[Path], overwrite: bool) -> None:
        self.path = path
        names = [file for person in people for entry in person.entries for file in output_files(entry.name)]
        earlier = _recorded(path / AUDIT)
        written = [name for file in earlier for name in file["written"]]
        targets = [path / name for name in dict.fromkeys((*names, AUDIT, *written))]
        read = {os.path.realpath(source) for source in sources}
        for target in targets:
            if os.path.realpath(target) in read:
                raise VeraError(f"{target} is read, but would be overwritten or removed: choose another folder with --out")
        try:
            existing = [target for target in targets if target.exists()]
            if existing and not overwrite and not _repeats(earlier, existing, people):
                raise VeraError(f"{existing[0]} is there already: choose another folder with --out, or add --overwrite")
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
        try:
            with tempfile.TemporaryDirectory(prefix=".vera-", dir=self.path, ignore_cleanup_errors=True) as staging:
                for photograph in result.photographs:
                    as_colours = np.repeat(photograph.preserved[:, :, None] * np.uint8(255), 3, axis=2)
                    image, preserved = (Path(staging, name) for name in output_files(photograph.name))
                    write_png(image, photograph.image)
                    write_png(preserved, photograph.preserved)
                    for file, pixels in ((image, photograph.image), (preserved, as_colours)):
                        if not np.array_equal(read_photograph(file).pixels, pixels):
                            raise VeraError(f"{file.name} reads back differently from what was written: check the disk of {self.path}")
                for file in sorted(Path(staging).iterdir()):
                    os.replace(file, self.path / file.name)
                    placed.append(self.path / file.name)
        except BaseException as error:
            self.remove(placed)
            if isinstance(error, OSError):
                raise VeraError(f"{self.path} can't be written ({error.strerror}): nothing of this person was kept") from error
            raise
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
    try:
        path.stat()
        there, wrong = True, path.is_dir()
    except OSError as error:  # also a closed folder, or a name that is too long
        there, wrong = False, not isinstance(error, FileNotFoundError)
    if there and not overwrite:
        raise VeraError(f"the identity file {path} is there already: name another with --save-identity, or add --overwrite")
    if wrong or not os.access(path.parent, os.W_OK):
        raise VeraError(f"the identity file {path} can't be written: its folder must be there and writable")


def _recorded(audit: Path) -> list[dict[str, Any]]:
    """What an earlier audit says about the photographs it wrote images for; nothing if there is none, or none that can be read."""
    try:
        files = [file for person in json.loads(audit.read_bytes())["people"] for file in person["files"] if file["written"]]
        plainly_named = all(Path(name).name == name for file in files for name in file["written"])
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return files if plainly_named else []


def _repeats(earlier: Sequence[dict[str, Any]], existing: Iterable[Path], people: Sequence[Person]) -> bool:
    """Whether this call repeats an earlier one: all that exists was written by it, from photographs that this call takes too."""
    sources = {file.get("digest") for file in earlier}
    written = {name for file in earlier for name in file["written"]}
    taken = {digest(entry.path) for person in people for entry in person.entries} - {None}
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
