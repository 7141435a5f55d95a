"""Make a data set of mosaics from prepared people; an interrupted run resumes.

Identity number n depends on (seed, n), the people and the settings alone: not on the number of processes, nor on interruptions.
"""

from __future__ import annotations

import hashlib
import io
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from vera.faces.detection import Detector
from vera.faces.formats import FORMATS
from vera.faces.parsing import Parser
from vera.faces.photograph import write_labels
from vera.faces.recognition import Recogniser
from vera.files import write_whole
from vera.mosaic.bank import Bank
from vera.mosaic.colour import to_lab
from vera.mosaic.crew import deal
from vera.mosaic.look import measure
from vera.mosaic.partners import Recipe, check_people, draw
from vera.mosaic.people import SourcePerson
from vera.mosaic.portrait import Portrait, portrait
from vera.mosaic.privacy import Distances, PrivacyJudge
from vera.mosaic.quality import Norms
from vera.mosaic.records import Records
from vera.mosaic.sources import Instruments, prepare_file
from vera.rng import key
from vera.types import Pixels, VeraError

JPEG = 95
"""DECISION: quality of the images, without subsampling of colours. What is judged is the file, not the array it was made from."""
ATTEMPTS = 60
"""DECISION: draws for one identity, after which the limits must be wrong."""
SIZES = (64, 128, 256, 512, 1024)


@dataclass(frozen=True)
class Settings:
    """Settings that mosaics depend on, besides the people.

    Attributes:
        seed: seed of the draws.
        size: side of the mosaics in pixels.
        k: people whose features are mixed.
        min_distance: to the nearest real person.
        even: cover skin tones evenly, see :func:`vera.mosaic.partners.draw`.

    """

    seed: int
    size: int
    k: int
    min_distance: float
    even: bool = False

    def __post_init__(self) -> None:
        """Check the settings.

        Raises:
            VeraError: for a size that no pyramid fits.

        """
        if self.size not in SIZES:
            raise VeraError(f"--size {self.size}: choose from {', '.join(map(str, SIZES))}")


@dataclass(frozen=True)
class Backends:
    """Constructors of detector, recogniser and parser; each is called once in every process.

    Attributes:
        detector: function that makes the detector.
        recogniser: function that makes the recogniser.
        parser: function that makes the parser.

    """

    detector: Callable[[], Detector]
    recogniser: Callable[[], Recogniser]
    parser: Callable[[], Parser]


class Workshop:
    """Makes identities, one after the other.

    Args:
        out: the data set's folder.
        bank: all prepared people together.
        settings: settings that mosaics depend on.
        backends: constructors of detector, recogniser and parser.

    """

    def __init__(self, out: Path, bank: Bank, settings: Settings, backends: Backends) -> None:
        check_people(bank.sex.tolist(), bank.clear.tolist(), settings.k)
        self.out, self.bank, self.settings = out, bank, settings
        self.norms = Norms([look for own in bank.looks for look in own])
        self.judge = PrivacyJudge(backends.detector(), backends.recogniser(), bank.everybody, bank.owners)

    def __call__(self, number: int) -> list[dict[str, Any]]:
        """Make one identity, write its files, and return a record for each role.

        Raises:
            VeraError: no draw passed.

        """
        rejected: Counter[str] = Counter()
        for attempt in range(ATTEMPTS):
            recipe = draw(
                np.random.default_rng(key(self.settings.seed, f"mosaic {number}", attempt)),
                self.bank,
                self.settings.k,
                even=self.settings.even,
            )
            made, reason = self._all_roles(recipe, number)
            if made is not None:
                break
            rejected[reason] += 1
        else:
            why = ", ".join(f"{count} {reason}" for reason, count in rejected.most_common())
            raise VeraError(f"{ATTEMPTS} draws for mosaic {number} were rejected ({why}): add people, or choose a smaller --min-distance")
        records = []
        for role, (picture, encoded, distances) in zip(self.bank.roles, made, strict=True):
            name = f"{number:06d}_{role}"
            write_whole(self.out / "images" / f"{name}.jpg", encoded)
            write_labels(self.out / "masks" / f"{name}.png", picture.labels)
            points = np.round(picture.points, 5).tolist()
            records.append(self._record(name, number, attempt, role, recipe, distances) | {"rejected": dict(rejected), "points": points})
        return records

    def _all_roles(self, recipe: Recipe, number: int) -> tuple[list[tuple[Portrait, bytes, Distances]] | None, str]:
        """Make all photographs of one draw; or the reason why it was rejected."""
        sources = {self.bank.people[p].id for p in (*recipe.people, recipe.donor)}
        made = []
        for index, role in enumerate(self.bank.roles):
            picture = portrait(self.bank, recipe, index, self.settings.size)
            encoded = _encoded(picture.image)
            pixels: Pixels = np.asarray(Image.open(io.BytesIO(encoded), formats=FORMATS).convert("RGB"))
            faults = self.norms.faults(measure(to_lab(pixels), picture.labels, picture.points))
            if faults:
                return None, max(faults, key=faults.__getitem__)
            distances = self.judge.distances(pixels, f"{number:06d}_{role}", sources)
            if distances is None:
                return None, "no face found"
            if distances.person < self.settings.min_distance:
                return None, "too near a real person"
            made.append((picture, encoded, distances))
        return made, ""

    def _record(self, name: str, number: int, attempt: int, role: str, recipe: Recipe, distances: Distances) -> dict[str, Any]:
        people = [self.bank.people[p] for p in recipe.people]
        ages = [person.age for person in people]
        known = [age for age in ages if age is not None]
        mixture = round(float(np.dot(recipe.whole, known)), 1) if len(known) == len(ages) else None
        return {
            "name": name,
            "identity": number,
            "role": role,
            "seed": self.settings.seed,
            "attempt": attempt,
            "sources": [person.id for person in people],
            "surround": self.bank.people[recipe.donor].id,
            "weights": {n: np.round(w, 4).tolist() for n, w in {"whole": recipe.whole, **recipe.regions}.items()},
            "parts": {part: people[position].id for part, position in recipe.parts.items()},
            "sex": people[0].sex or None,
            "age": mixture,
            "nearest_source": round(distances.source, 4),
            "nearest_person": round(distances.person, 4),
        }


def prepare_all(people: Sequence[SourcePerson], folder: Path, size: int, backends: Backends, *, workers: int) -> Iterator[str]:
    """Prepare everybody's photographs that are not prepared yet; yields a name for each.

    Raises:
        VeraError: a photograph that cannot be read, or shows no face, or several.

    """
    folder.mkdir(parents=True, exist_ok=True)
    jobs = [(person.id, role, path) for person in people for role, path in person.photographs.items()]
    yield from deal(jobs, partial(_preparer, folder, size, backends), workers=workers)


def make(
    out: Path,
    sources: Path,
    everybody: Sequence[SourcePerson],
    mixed: Sequence[SourcePerson],
    settings: Settings,
    backends: Backends,
    *,
    count: int,
    workers: int,
) -> Iterator[int]:
    """Make what is missing of the first ``count`` identities; yields the number of each that is on disk, also of those that were.

    Args:
        out: the data set's folder.
        sources: folder of the prepared photographs.
        everybody: mosaics keep their distance from all of them.
        mixed: people who may be mixed.
        settings: settings that mosaics depend on besides the people: seed, size, k, limits.
        backends: constructors of detector, recogniser and parser.
        count: number of identities to make.
        workers: number of processes, at least 1.

    Raises:
        VeraError: the folder holds mosaics of other settings or people, or an identity cannot be made.

    """
    records = Records(out)
    records.begin(asdict(settings) | {"roles": list(mixed[0].roles), "people": _digest(sources, everybody, mixed)})
    missing = [number for number in range(count) if number not in records.done]
    yield from (number for number in range(count) if number in records.done)
    start = partial(_workshop, out, sources, list(everybody), list(mixed), settings, backends)
    for made in deal(missing, start, workers=workers):
        records.add(made)
        yield made[0]["identity"]
    records.sort()


def _digest(sources: Path, everybody: Sequence[SourcePerson], mixed: Sequence[SourcePerson]) -> str:
    """Digest of everything that mosaics take from the people: photographs, points, segmentations, and their table."""
    digest = hashlib.sha256()
    for person in everybody:
        for role in person.roles:
            for suffix in (".json", ".labels.png"):
                digest.update((sources / f"{person.id}_{role}{suffix}").read_bytes())
    digest.update(repr([(person.id, person.sex, person.age) for person in mixed]).encode())
    return digest.hexdigest()


def _workshop(
    out: Path, sources: Path, everybody: list[SourcePerson], mixed: list[SourcePerson], settings: Settings, backends: Backends
) -> Workshop:
    return Workshop(out, Bank(sources, everybody, mixed, settings.size), settings, backends)


def _preparer(folder: Path, size: int, backends: Backends) -> Callable[[tuple[str, str, Path]], str]:
    instruments = Instruments(backends.detector(), backends.parser(), backends.recogniser())

    def one(job: tuple[str, str, Path]) -> str:
        person, role, path = job
        prepare_file(path, folder, person, role, size=size, instruments=instruments)
        return f"{person}_{role}"

    return one


def _encoded(pixels: Pixels) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=JPEG, subsampling=0)
    return buffer.getvalue()
