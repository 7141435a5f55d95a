"""An evaluation's record on disk: one line of JSON for each finished item, so that a run that was killed can go on.

A line is written at once, when all that it speaks of is on disk; what a kill leaves of a last line is cut off again. Each process
writes a file of its own, and nobody else while it is open (a lock of the operating system, which no kill leaves behind). Of two
lines about one item the one of the later start counts, whatever the clocks say.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import numpy as np

from vera.files import append, cut_unfinished, storable
from vera.files import write_whole as write_file
from vera.types import VeraError
from vera.untrusted import field, read_json_lines

MEND = "remove the line, its item is then done again"
LONGEST = 100
"""DECISION: ids whose escaped form is longer are named by their digest: file systems take 255 bytes."""


class Item(NamedTuple):
    """What is done, recorded and repeated as a whole: all photographs of one person, by one contestant."""

    contestant: str
    person: str


@dataclass(frozen=True)
class Files:
    """Where an item's files are.

    Attributes:
        root: the run's folder.

    """

    root: Path

    def image(self, item: Item, number: int) -> Path:
        """The written photograph; the first of a person has number 1."""
        return self.root / "images" / item.contestant / f"{stem(item.person)}.{number}.png"

    def preserved(self, item: Item, number: int) -> Path:
        """The region that was kept, white on black."""
        return self.image(item, number).with_suffix(".preserved.png")

    def seen(self, item: Item) -> Path:
        """What detectors and recognisers saw in the photographs."""
        return self.root / "seen" / item.contestant / f"{stem(item.person)}.npz"


class Ledger:
    """The lines of one run.

    Args:
        root: the run's folder; made if it is not there.
        rank: number of this process; it appends to ``records-RANK.jsonl``.

    Raises:
        VeraError: the folder can't be written, or another run writes there.

    """

    def __init__(self, root: Path, rank: int = 0) -> None:
        self.root, self.path = root, root / f"records-{rank}.jsonl"
        try:
            root.mkdir(parents=True, exist_ok=True)
            self._lock = self.path.open("ab")
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            cut_unfinished(self.path)
        except BlockingIOError as error:
            raise VeraError(f"another run writes to {root}: wait until it has finished, or choose another folder") from error
        except OSError as error:
            raise VeraError(f"{root} can't be written ({error.strerror}): choose another folder with run.folder=DIR") from error
        self.start = 1 + max((_start(line) for line in self._lines()), default=0)

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        """Let others write."""
        self._lock.close()

    def append(self, kind: str, content: Mapping[str, Any]) -> None:
        """Add a line; it is on disk when this returns."""
        stated = dict(content) | {"kind": kind, "start": self.start, "at": time.time()}
        append(self.path, (json.dumps(plain(stated), ensure_ascii=False, allow_nan=False) + "\n").encode())

    def items(self) -> dict[Item, dict[str, Any]]:
        """The latest line of each item, whichever process wrote it."""
        return {Item(line["contestant"], line["person"]): line for line in self._lines() if line["kind"] == "item"}

    def sessions(self) -> list[dict[str, Any]]:
        """Each start of the run, in order."""
        return [line for line in self._lines() if line["kind"] == "session"]

    def _lines(self) -> list[dict[str, Any]]:
        lines = []
        for path in sorted(self.root.glob("records-*.jsonl")):
            for line in read_json_lines(path, what=f"{path}", whole=True, mend=MEND):
                _check(line, f"a line of {path}")
                lines.append(line)
        return sorted(lines, key=lambda line: (_start(line), 0 if _start(line) else line["at"]))  # stable: each file's own order


def stem(person: str) -> str:
    """A person's id as part of a file name."""
    escaped = quote(person, safe=" ")
    return escaped if len(escaped) <= LONGEST else hashlib.sha256(person.encode()).hexdigest()


def digest(value: Any) -> str:
    """SHA-256 of a plain value, shortened to 16 digits: what an item was made from."""
    return hashlib.sha256(json.dumps(plain(value), sort_keys=True).encode()).hexdigest()[:16]


def plain(value: Any) -> Any:
    """JSON's own types; a number that is not finite (nothing to measure) is null, what JSON does not know is its text."""
    if isinstance(value, Mapping):
        return {storable(str(key)): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if isinstance(value, int | bool | None) else storable(str(value))


def write_whole(path: Path, content: bytes) -> None:
    """Write a file, whole or not at all.

    Raises:
        VeraError: it can't be written.

    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, content)
    except OSError as error:
        raise VeraError(f"{path} can't be written ({error.strerror}): choose another folder with run.folder=DIR") from error


def _check(line: Mapping[str, Any], what: str) -> None:
    """Raise a VeraError for a line that this file's readers could not use."""
    field(line, "at", float if isinstance(line.get("at"), float) else int, what=what)
    if "start" in line:
        field(line, "start", int, what=what)
    if field(line, "kind", str, what=what) == "item":
        for name in ("contestant", "person"):
            field(line, name, str, what=what)


def _start(line: Mapping[str, Any]) -> int:
    """Which start of the run wrote a line; 0 for those of earlier versions, which only have their time."""
    return int(line.get("start", 0))
