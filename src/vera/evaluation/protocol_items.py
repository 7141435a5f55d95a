"""One item of an evaluation: a person's photographs, anonymized by one contestant and written."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, is_dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from vera.data.people import Person
from vera.evaluation.protocol_ledger import Files, Item, digest
from vera.faces.masks import read_mask
from vera.faces.photograph import write_png
from vera.types import AnonymizedPerson, Anonymizer, Mask, Photograph, Refused, VeraError

ORIGINALS, CALIBRATION = "originals", "calibration"
"""Stand in a contestant's place for what is seen in the photographs themselves, and in those of a calibration."""


@dataclass(frozen=True)
class Contestant:
    """An anonymizer under the name the tables give it.

    Attributes:
        name: letters, digits and ``. _ + -``.
        anonymizer: judged by what it writes.
        settings: how it was made, plain values; items made under other settings are made again.
        again: the same anonymizer with other seeds, for the diversity of its faces.

    Raises:
        VeraError: a name that cannot be a folder's, or that means something else here.

    """

    name: str
    anonymizer: Anonymizer
    settings: Mapping[str, Any] = field(default_factory=dict)
    again: tuple[Anonymizer, ...] = ()

    def __post_init__(self) -> None:
        if not re.fullmatch(r"\w[\w.+-]*", self.name) or self.name in (ORIGINALS, CALIBRATION):
            raise VeraError(f"an anonymizer can't be called '{self.name}': take letters, digits, '.', '_', '+' and '-', and no name in use")

    @property
    def runs(self) -> list[tuple[str, Anonymizer]]:
        """The anonymizer under its name, then the others as ``NAME@1``, ``NAME@2``, ..."""
        return [(self.name, self.anonymizer), *((f"{self.name}@{number}", other) for number, other in enumerate(self.again, 1))]


def described(anonymizer: Anonymizer) -> dict[str, Any]:
    """What an anonymizer says of itself: class, ``config``, ``options`` and the bundle's digest, as far as it has them."""
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
        """Decoded.

        Raises:
            VeraError: one can't be read.

        """
        return [file.read() for file in self.person.photographs]

    @cached_property
    def masks(self) -> list[Mask | None]:
        """What is drawn to be preserved, for each photograph.

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
        _check(item.contestant, result, sources.photographs)
        record |= {"status": "written", "images": _write(item, result, files), "audit": result.audit}
    return record


def key(contestant: Mapping[str, Any], sources: Sources) -> str:
    """What an item is made from: other settings or photographs, another key."""
    return digest({"contestant": contestant, "person": sources.person.id, "photographs": sources.digests})


def _write(item: Item, result: AnonymizedPerson, files: Files) -> list[dict[str, str]]:
    written = []
    for number, photograph in enumerate(result.photographs, 1):
        image, preserved = files.image(item, number), files.preserved(item, number)
        image.parent.mkdir(parents=True, exist_ok=True)
        write_png(image, photograph.image)
        write_png(preserved, photograph.preserved)
        written.append({"image": file_digest(image), "preserved": file_digest(preserved)})
    return written


def _check(contestant: str, result: AnonymizedPerson, sources: Sequence[Photograph]) -> None:
    sizes = [(photograph.image.shape[:2], photograph.preserved.shape) for photograph in result.photographs]
    if sizes != [(source.size, source.size) for source in sources]:
        raise VeraError(f"'{contestant}' gave other photographs back than it was given: one of the same size for each, in their order")


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes; ``unreadable`` for one that can't be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return "unreadable"
