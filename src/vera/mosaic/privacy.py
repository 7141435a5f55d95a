"""Distance of a mosaic to real people, and the limit under which it is rejected."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from vera.faces.detection import Detector
from vera.faces.photograph import photograph_from_pixels
from vera.faces.recognition import Embedding, Recogniser
from vera.types import Pixels


@dataclass(frozen=True)
class Distances:
    """Recognition distances from one mosaic to real people.

    Attributes:
        source: to the nearest of those it is made of, the surround's donor included.
        person: to the nearest of everybody in the table, also of those who were not mixed.
        nearest: id of the nearest person.

    """

    source: float
    person: float
    nearest: str


class PrivacyJudge:
    """Measure distances of mosaics to real people from embeddings alone; no photograph is needed.

    Args:
        detector: face detector, the same as for photographs.
        recogniser: the one that made the embeddings.
        embeddings: embeddings of all real photographs.
        owners: id of the person on each of these photographs.

    """

    def __init__(self, detector: Detector, recogniser: Recogniser, embeddings: Sequence[Embedding], owners: Sequence[str]) -> None:
        self.detector, self.recogniser = detector, recogniser
        self.embeddings, self.owners = list(embeddings), list(owners)

    def distances(self, pixels: Pixels, name: str, sources: Collection[str]) -> Distances | None:
        """Distances of a mosaic; None when not exactly one face is found in it.

        Args:
            pixels: image of the mosaic, ``(S, S, 3)`` uint8.
            name: name of the mosaic, for messages.
            sources: ids of the people it is made of.

        """
        photograph = photograph_from_pixels(pixels, name)
        faces = self.detector.detect(photograph)
        if len(faces) != 1:
            return None
        embedding = self.recogniser.embed(photograph.pixels, faces[0].landmarks)
        each = [self.recogniser.distance(embedding, other) for other in self.embeddings]
        nearest = min(range(len(each)), key=each.__getitem__)
        own = min(distance for distance, owner in zip(each, self.owners, strict=True) if owner in sources)
        return Distances(source=own, person=each[nearest], nearest=self.owners[nearest])
