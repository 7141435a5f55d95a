"""One item of an evaluation (a person's photographs, anonymized by one method), how it is made, and its record on disk.

The record is one line of JSON for each finished item, so that a run that was killed can go on. A line is written at once, when all that
it speaks of is on disk; what a kill leaves of a last line is cut off again. Each process writes a file of its own, and nobody else while
it is open (a lock of the operating system, which no kill leaves behind). Of two lines about one item the one of the later start counts,
whatever the clocks say.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, is_dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from vera import files, untrusted
from vera.data.people import Person
from vera.faces.masks import read_mask
from vera.faces.photograph import write_png
from vera.files import append, cut_unfinished, plain
from vera.types import AnonymizedPerson, Anonymizer, Mask, Photograph, Refused, VeraError

MEND = "remove the line, its item is then done again"
LONGEST = 100
"""DECISION: ids whose escaped form is longer are named by their digest: file systems take 255 bytes."""


class Item(NamedTuple):
    """The unit of work of an evaluation: all photographs of one person, by one method."""

    method: str
    person: str

    @property
    def line(self) -> dict[str, str]:
        """Names of the item in a line of the ledger, where the method has the key ``contestant``, as in the first runs."""
        return {"contestant": self.method, "person": self.person}


@dataclass(frozen=True)
class Files:
    """Paths of an item's files.

    Attributes:
        root: folder of the run.

    """

    root: Path

    def image(self, item: Item, number: int) -> Path:
        """The written photograph; the first of a person has number 1."""
        return self.root / "images" / item.method / f"{stem(item.person)}.{number}.png"

    def preserved(self, item: Item, number: int) -> Path:
        """The region that was kept, white on black."""
        return self.image(item, number).with_suffix(".preserved.png")

    def seen(self, item: Item) -> Path:
        """Path of the cached observations of these photographs."""
        return self.root / "seen" / item.method / f"{stem(item.person)}.npz"


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
        """Release the lock on this process's file."""
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
            for line in untrusted.read_json_lines(path, what=f"{path}", whole=True, mend=MEND):
                _check_line(line, f"a line of {path}")
                lines.append(line)
        return sorted(lines, key=lambda line: (_start(line), 0 if _start(line) else line["at"]))  # stable: each file's own order


def stem(person: str) -> str:
    """A person's id as part of a file name."""
    escaped = quote(person, safe=" ")
    return escaped if len(escaped) <= LONGEST else hashlib.sha256(person.encode()).hexdigest()


def digest(value: Any) -> str:
    """SHA-256 of a plain value, shortened to 16 digits."""
    return hashlib.sha256(json.dumps(plain(value), sort_keys=True).encode()).hexdigest()[:16]


def _check_line(line: Mapping[str, Any], what: str) -> None:
    """Raise a VeraError for a line that this file's readers could not use."""
    untrusted.field(line, "at", float if isinstance(line.get("at"), float) else int, what=what)
    if "start" in line:
        untrusted.field(line, "start", int, what=what)
    if untrusted.field(line, "kind", str, what=what) == "item":
        for name in ("contestant", "person"):
            untrusted.field(line, name, str, what=what)


def _start(line: Mapping[str, Any]) -> int:
    """Number of the run's start that wrote a line; 0 for lines of earlier versions, which only have their time."""
    return int(line.get("start", 0))


ORIGINALS, CALIBRATION = "originals", "calibration"
"""Item names for the original photographs, and for those of a calibration."""


@dataclass(frozen=True)
class Method:
    """An anonymization method under its name in the tables.

    Attributes:
        name: letters, digits and ``. _ + -``.
        anonymizer: judged by what it writes.
        settings: settings of the method, plain values; items made under other settings are made again.
        again: the same anonymizer with other seeds, for the diversity of its faces.
        seeded: whether its result depends on a seed.

    Raises:
        VeraError: a name that cannot be a folder's, or that means something else here.

    """

    name: str
    anonymizer: Anonymizer
    settings: Mapping[str, Any] = field(default_factory=dict)
    again: tuple[Anonymizer, ...] = ()
    seeded: bool = True

    def __post_init__(self) -> None:
        if not re.fullmatch(r"\w[\w.+-]*", self.name) or self.name in (ORIGINALS, CALIBRATION):
            raise VeraError(f"an anonymizer can't be called '{self.name}': take letters, digits, '.', '_', '+' and '-', and no name in use")

    @property
    def runs(self) -> list[tuple[str, Anonymizer]]:
        """The anonymizer under its name, then the others as ``NAME@1``, ``NAME@2``, ..."""
        return [(self.name, self.anonymizer), *((f"{self.name}@{number}", other) for number, other in enumerate(self.again, 1))]


def described(anonymizer: Anonymizer) -> dict[str, Any]:
    """Describe an anonymizer by plain values: class, ``config``, ``options`` and the bundle's digest, as far as it has them."""
    kind, options, bundle = type(anonymizer), getattr(anonymizer, "options", None), getattr(anonymizer, "bundle", None)
    return {
        "class": f"{kind.__module__}.{kind.__qualname__}",
        "config": getattr(anonymizer, "config", None),
        "options": asdict(options) if is_dataclass(options) and not isinstance(options, type) else None,
        "bundle": getattr(bundle, "digest", None),
    }


class Sources:
    """One person's photographs: digests at once, pixels when somebody needs them."""

    def __init__(self, person: Person) -> None:
        self.person = person

    @cached_property
    def digests(self) -> list[str]:
        """SHA-256 of each photograph's file and of its mask's; what can't be read has none, reading it will say why."""
        return [file_digest(file.path) + (f"+{file_digest(file.mask)}" if file.mask else "") for file in self.person.photographs]

    @cached_property
    def photographs(self) -> list[Photograph]:
        """The decoded photographs.

        Raises:
            VeraError: one can't be read.

        """
        return [file.read() for file in self.person.photographs]

    @cached_property
    def masks(self) -> list[Mask | None]:
        """Read the drawn masks of each photograph.

        Raises:
            VeraError: a mask can't be read, or is none.

        """
        pairs = zip(self.person.photographs, self.photographs, strict=True)
        return [None if file.mask is None else read_mask(file.mask, photograph.size) for file, photograph in pairs]


def make(item: Item, anonymizer: Anonymizer, sources: Sources, files: Files) -> dict[str, Any]:
    """Anonymize one person and write the result.

    Returns:
        The item's record. ``status`` is ``written``; ``refused`` (the anonymizer's own verification); ``unusable`` (photographs or
        masks that can't be used); or ``failed`` (a fault of the anonymizer, tried again by the next run); the last three with ``reason``.

    Raises:
        VeraError: the anonymizer gives back something else than one image of each photograph's size, or nothing can be written.

    """
    result, failure = None, dict[str, Any]()
    started = time.perf_counter()
    try:
        photographs, masks = sources.photographs, sources.masks
        drawn = {"masks": masks} if any(mask is not None for mask in masks) else {}
        started = time.perf_counter()  # reading is not the anonymizer's time
        result = anonymizer(photographs, person=item.person, **drawn)
    except Refused as error:
        failure = {"status": "refused", "reason": str(error), "audit": error.audit}
    except VeraError as error:
        failure = {"status": "unusable", "reason": str(error)}
    except Exception as error:  # one person must not cost a night; the report counts it, the command line leaves with 1
        failure = {"status": "failed", "reason": f"{type(error).__name__}: {error}"}
    record = {"seconds": round(time.perf_counter() - started, 4)} | failure
    if result is not None:
        _check(item.method, result, sources.photographs)
        record |= {"status": "written", "images": _write(item, result, files), "audit": result.audit}
    return record


def key(method: Mapping[str, Any], sources: Sources) -> str:
    """Digest of all that an item depends on: method, settings and photographs."""
    return digest({"contestant": method, "person": sources.person.id, "photographs": sources.digests})


def _write(item: Item, result: AnonymizedPerson, files: Files) -> list[dict[str, str]]:
    written = []
    for number, photograph in enumerate(result.photographs, 1):
        image, preserved = files.image(item, number), files.preserved(item, number)
        image.parent.mkdir(parents=True, exist_ok=True)
        write_png(image, photograph.image)
        write_png(preserved, photograph.preserved)
        written.append({"image": file_digest(image), "preserved": file_digest(preserved)})
    return written


def _check(method: str, result: AnonymizedPerson, sources: Sequence[Photograph]) -> None:
    sizes = [(photograph.image.shape[:2], photograph.preserved.shape) for photograph in result.photographs]
    if sizes != [(source.size, source.size) for source in sources]:
        raise VeraError(f"'{method}' gave other photographs back than it was given: one of the same size for each, in their order")


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes; ``unreadable`` for one that can't be read."""
    return files.digest(path) or "unreadable"
