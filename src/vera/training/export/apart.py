"""Keep the identities of a bank that are far from the faces that a generator was trained on, as a recogniser sees them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from vera.anonymization.portrait import on_mean_layout
from vera.data.sample import FaceDataset
from vera.faces.detection import Detector
from vera.faces.photograph import photograph_from_pixels
from vera.faces.recognition import Embedding, Recogniser
from vera.inversion.banked import BankedGenerator
from vera.types import Pixels, Progress, VeraError, tensor_to_image


@dataclass(frozen=True)
class Apart:
    """Requirement that no identity of a bank is near a training face.

    Attributes:
        least: distance of the recogniser from which on an identity is kept.
        detector: face detector for training faces and for portraits of the identities.
        recogniser: face recogniser that compares them.
        progress: a function that is told of the faces done; None for no reports.

    """

    least: float
    detector: Detector
    recogniser: Recogniser
    progress: Progress | None = None

    def choose(self, network: BankedGenerator, faces: FaceDataset) -> tuple[list[int], dict[str, Any]]:
        """Choose the rows of a bank whose portraits are far from every training face.

        Portraits are drawn at the truncation at which anonymization draws from the bank. A row whose portrait shows no face is not kept:
        nobody can say whom it is near. What is drawn later mixes rows, and is not compared again.

        Args:
            network: frozen generator with a bank.
            faces: the faces that the generator was trained on.

        Returns:
            Indices of the rows, and what was found, for the bundle's provenance.

        Raises:
            VeraError: no face is found in any training image.

        """
        known = [found for n in range(len(faces)) if (found := self._seen("training faces", n, len(faces), _pixels(faces, n))) is not None]
        if not known:
            raise VeraError("--min-distance: no face is found in the run's training data, so nothing can be compared: leave it out")
        kept, nearest, faceless = [], [], 0
        rows = network.mean + network.truncation * (network.bank - network.mean)
        for n in range(len(rows)):
            with torch.no_grad():
                image = network.generator(on_mean_layout(network, rows[n : n + 1])).image[0]
            found = self._seen("identities", n, len(rows), tensor_to_image(image))
            if found is None:
                faceless += 1
                continue
            distance = min(self.recogniser.distance(found, one) for one in known)
            if distance >= self.least:  # a NaN is not kept
                kept.append(n)
                nearest.append(distance)
        facts = {
            "recogniser": self.recogniser.name,
            "least_distance": self.least,
            "training_faces_compared": len(known),
            "training_faces_not_found": len(faces) - len(known),
            "identities_too_near": len(rows) - len(kept) - faceless,
            "identities_without_a_face": faceless,
            "nearest": round(min(nearest), 4) if nearest else None,
        }
        return kept, facts

    def _seen(self, what: str, number: int, count: int, pixels: Pixels) -> Embedding | None:
        """The embedding of the largest face of a picture; None where no face is found."""
        photograph = photograph_from_pixels(pixels, f"{what} {number}")
        found = [self.recogniser.embed(photograph.pixels, face.landmarks) for face in self.detector.detect(photograph)[:1]]
        if self.progress is not None:
            self.progress(what, number + 1, count)
        return found[0] if found else None


def _pixels(faces: FaceDataset, number: int) -> Pixels:
    return np.ascontiguousarray(faces[number]["image"].permute(1, 2, 0).numpy())
