"""An anonymizer that also keeps a drawn spot, as a scar or a mole on a cheek would be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from vera.anonymization.pipeline import VeraAnonymizer
from vera.types import AnonymizedPerson, Mask, Photograph, Points, VeraError

RADIUS = 0.25
"""DECISION: of the spot, in eye distances: about 16 mm on an adult's face."""


class Drawn:
    """Keeps a disc on the person's right cheek in every photograph; implements :class:`vera.types.Anonymizer`.

    Args:
        ours: does the work.

    """

    def __init__(self, ours: VeraAnonymizer) -> None:
        self.ours, self.options, self.bundle = ours, ours.options, ours.bundle
        self.config = {"drawn": "disc on the right cheek", "radius": RADIUS}

    def __call__(self, photographs: Sequence[Photograph], *, person: str) -> AnonymizedPerson:
        """Anonymize all photographs of one person.

        Raises:
            VeraError: no face is found, and what the anonymizer raises.

        """
        masks = [spot(self._landmarks(photograph), photograph.size) for photograph in photographs]
        return self.ours(photographs, person=person, masks=masks)

    def _landmarks(self, photograph: Photograph) -> Points:
        faces = self.ours.detector.detect(photograph)
        if not faces:
            raise VeraError(f"no face found in '{photograph.name}': the spot has no place")
        return faces[0].landmarks


def spot(landmarks: Points, size: tuple[int, int]) -> Mask:
    """``(H, W)``: a disc half-way between the outer corner of the right eye and the right corner of the mouth."""
    right, left = landmarks[36:42].mean(axis=0), landmarks[42:48].mean(axis=0)
    x, y = (landmarks[36] + landmarks[48]) / 2
    rows, columns = np.mgrid[: size[0], : size[1]]
    distance: Any = np.hypot(columns - x, rows - y)
    return np.asarray(distance <= RADIUS * np.linalg.norm(left - right), dtype=np.bool_)
