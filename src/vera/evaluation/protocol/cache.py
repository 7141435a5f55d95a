"""On-disk cache of detections, landmarks and embeddings of each photograph."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vera.evaluation.judges import Observation, Observer
from vera.evaluation.protocol.items import ORIGINALS, Files, Item, Ledger, Sources, digest, key
from vera.faces.photograph import read_photograph
from vera.files import plain, write_into_run
from vera.types import Photograph, VeraError
from vera.untrusted import read_arrays

Records = Mapping[Item, Mapping[str, Any]]
"""The ledger's lines."""


@dataclass(frozen=True)
class Observed:
    """One person before and after a method, as a finished run has recorded it.

    Attributes:
        person: id of the person.
        status: status of the method's item: ``written``, ``refused``, ``unusable`` or ``failed``.
        digests: digests of the source photographs.
        before: observations of the source photographs.
        after: observations of the outputs; none where nothing was written.

    """

    person: str
    status: str
    digests: Sequence[str]
    before: Sequence[Observation]
    after: Sequence[Observation]


class ObservationCache:
    """Cache that observes an item's photographs once, stores the result, and records the item.

    Args:
        files: paths of the run's files.
        ledger: ledger that takes a line for each finished item.
        observer: detectors and recognisers; under others, photographs are looked at again.
        session: provenance of the session, plain values.

    """

    def __init__(self, files: Files, ledger: Ledger, observer: Observer, session: Mapping[str, Any]) -> None:
        self.files, self.ledger, self.observer, self.session = files, ledger, observer, digest(session)
        self.seen_by = digest([[part.name for part in parts] for parts in (observer.detectors, observer.recognisers)])
        ledger.append("session", plain(session) | {"session": self.session})

    def originals(self, sources: Sources, done: Records, *, called: str = ORIGINALS) -> list[Observation] | None:
        """Observations of a person's source photographs; None if they cannot be read, which is recorded."""
        item, wanted = Item(called, sources.person.id), key({}, sources)
        known = done.get(item)
        if known and known["key"] == wanted and self.has_seen(item, known):
            return load_seen(self.files.seen(item)) if known["status"] == "written" else None
        record: dict[str, Any] = {"key": wanted, "status": "written", "digests": sources.digests}
        try:
            photographs = sources.photographs
        except VeraError as error:
            self.record(item, record | {"status": "unusable", "reason": str(error)})
            return None
        return self._look(item, record, photographs, ())

    def written(self, item: Item, record: Mapping[str, Any], sources: Sequence[Observation]) -> None:
        """Observe the files that an item's record names, as they are on disk.

        Args:
            item: the item: one person's photographs by one method.
            record: record of the item, just made or from an earlier run.
            sources: observations of the source photographs.

        Raises:
            VeraError: a file is not what was written.

        """
        photographs = [read_written(self.files.image(item, n), one["image"]) for n, one in enumerate(record["images"], 1)]
        self._look(item, record, photographs, sources)

    def has_seen(self, item: Item, record: Mapping[str, Any]) -> bool:
        """Whether the cache holds every observation of an item by this face backend."""
        return record["status"] != "written" or (record.get("seen_by") == self.seen_by and self.files.seen(item).is_file())

    def record(self, item: Item, content: Mapping[str, Any]) -> None:
        """Write the item's line: it is finished."""
        self.ledger.append("item", dict(content) | item.line | {"session": self.session})

    def _look(
        self, item: Item, record: Mapping[str, Any], photographs: Sequence[Photograph], sources: Sequence[Observation]
    ) -> list[Observation]:
        places = [one.landmarks if np.isfinite(one.landmarks).all() else None for one in sources] or [None] * len(photographs)
        seen = [self.observer(photograph, place=place) for photograph, place in zip(photographs, places, strict=True)]
        save_seen(self.files.seen(item), seen)
        self.record(item, dict(record) | {"seen_by": self.seen_by, "found": [one.found for one in seen]})
        return seen


def save_seen(path: Path, seen: Sequence[Observation]) -> None:
    """Write observations of one person's photographs."""
    arrays: dict[str, Any] = {"landmarks": np.stack([one.landmarks for one in seen])}
    for number, one in enumerate(seen):
        arrays |= {f"found/{number}/{name}": np.array(found) for name, found in one.found.items()}
        arrays |= {f"embedding/{number}/{name}": vector for name, vector in one.embeddings.items()}
    content = io.BytesIO()
    np.savez(content, **arrays)
    write_into_run(path, content.getvalue())


def load_seen(path: Path) -> list[Observation]:
    """Read the observations of one person's photographs.

    Raises:
        VeraError: the file is missing or damaged.

    """
    arrays = read_arrays(path, what=f"{path}")
    try:
        landmarks = arrays.pop("landmarks")
        parts: list[dict[str, dict[str, Any]]] = [{"found": {}, "embedding": {}} for _ in landmarks]
        for key, values in arrays.items():
            kind, number, name = key.split("/", 2)
            parts[int(number)][kind][name] = values
        marks = zip(parts, landmarks, strict=True)
        return [Observation({k: bool(v) for k, v in part["found"].items()}, points, part["embedding"]) for part, points in marks]
    except (ValueError, LookupError, TypeError) as error:
        raise VeraError(f"{path} can't be read ({error}): remove it and run the evaluation again") from error


def read_observed(run: Path, method: str) -> list[Observed]:
    """Observations of everybody in a run whose photographs could be read, before and after one method.

    Args:
        run: folder of a finished evaluation.
        method: name of the anonymization method.

    Raises:
        VeraError: a record or an observation can't be read.

    """
    with Ledger(run) as ledger:
        items = ledger.items()
    files, found = Files(run), []
    for item, original in items.items():
        result = items.get(Item(method, item.person))
        if item.method == ORIGINALS and original["status"] == "written" and result is not None:
            after = load_seen(files.seen(Item(method, item.person))) if result["status"] == "written" else []
            found.append(Observed(item.person, str(result["status"]), original["digests"], load_seen(files.seen(item)), after))
    return found


def read_written(path: Path, recorded: str) -> Photograph:
    """A written image, decoded from disk.

    Raises:
        VeraError: it is not what was written.

    """
    photograph = read_photograph(path)
    if photograph.digest != recorded:
        raise VeraError(f"{path} is not what this run wrote: remove it and run the evaluation again")
    return photograph
