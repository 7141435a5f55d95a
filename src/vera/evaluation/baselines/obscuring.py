"""Baselines that paint over a face: their base class, which finds the face and the regions; blur, pixelation, and a cover of one colour."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from vera.faces.alignment import align, warp_to_photograph
from vera.faces.detection import Detector
from vera.faces.landmarks import BROWS, FOREHEAD, LEAST_VISIBLE, NOSE_BASE, eye_distance
from vera.faces.masks import check_mask
from vera.faces.obscuring import blurred, box, covered, pixelated
from vera.faces.parsing import Parser
from vera.types import AlignedFace, Anonymized, AnonymizedPerson, Mask, Photograph, Pixels, Refused, Semantic, VeraError

ALIGNED = 256
"""DECISION: side at which baselines align and parse a face."""
GROWN = 0.15
"""DECISION: dilation of the landmarks' hull, in eye distances."""


@dataclass(frozen=True)
class BaselineScene:
    """One photograph as a baseline sees it.

    Attributes:
        photograph: the source photograph.
        face: the largest face, aligned.
        region: ``(H, W)``, the face with its forehead.
        preserved: ``(H, W)``, kept bit for bit.
        others: faces beside the one that is treated.

    """

    photograph: Photograph
    face: AlignedFace
    region: Mask
    preserved: Mask
    others: int

    @property
    def unit(self) -> float:
        """Distance between the eyes' centres, in photograph pixels."""
        return eye_distance(self.face.landmarks)


class Baseline(ABC):
    """An anonymizer (:class:`vera.types.Anonymizer`) that paints over the largest face of each photograph.

    Other faces are left as they are and counted in the audit: a table compares what happens to one person. Nothing is verified.

    Args:
        detector: face detector with 68 landmarks.
        preserve: classes kept bit for bit where they are seen.
        parser: parser that finds the preserved classes; None where nothing is preserved.

    Raises:
        VeraError: classes to keep, and no parser.

    """

    name: str

    def __init__(self, detector: Detector, *, preserve: Sequence[Semantic] = (), parser: Parser | None = None) -> None:
        if preserve and parser is None:
            named = ", ".join(known.name.lower() for known in preserve)
            raise VeraError(f"the baseline '{self.name}' needs a parser to preserve {named}: give one")
        self.detector, self.preserve, self.parser = detector, tuple(preserve), parser

    @property
    def config(self) -> dict[str, Any]:
        """All parameters that the result depends on, for the report's provenance."""
        return {
            **self._parameters(),
            "detector": self.detector.name,
            "preserve": [known.name.lower() for known in self.preserve],
            "parser": self.parser.name if self.preserve and self.parser else None,
        }

    def __call__(self, photographs: Sequence[Photograph], *, person: str, masks: Sequence[Mask | None] | None = None) -> AnonymizedPerson:
        """Paint over all photographs of one person; drawn ``masks`` are kept beside the classes.

        Raises:
            Refused: no face is found in a photograph, or it does not show the region to keep.

        """
        drawn = [None] * len(photographs) if masks is None else masks
        scenes = [self._look(photograph, mask) for photograph, mask in zip(photographs, drawn, strict=True)]
        results = []
        for scene, (painted, reached) in zip(scenes, self._paint(scenes, person), strict=True):
            replaced = scene.region & reached & ~scene.preserved
            image = scene.photograph.pixels.copy()
            image[replaced] = painted[replaced]
            results.append(Anonymized(scene.photograph.name, image, scene.preserved, replaced))
        audit = {"anonymizer": self.name, "config": self.config, "other_faces": [scene.others for scene in scenes]}
        return AnonymizedPerson(person, results, audit)

    @abstractmethod
    def _parameters(self) -> dict[str, Any]:
        """The baseline's own numbers."""

    @abstractmethod
    def _paint(self, scenes: Sequence[BaselineScene], person: str) -> list[tuple[Pixels, Mask]]:
        """Paint of each scene: colours ``(H, W, 3)``, and the mask ``(H, W)`` of painted pixels."""

    def _look(self, photograph: Photograph, mask: Mask | None) -> BaselineScene:
        faces = self.detector.detect(photograph)
        if not faces:
            raise Refused(f"{photograph.name}: no face found by {self.detector.name}")
        face = align(photograph, faces[0].landmarks, ALIGNED)
        preserved = np.zeros(photograph.size, dtype=bool)
        if mask is not None:
            preserved |= check_mask(np.asarray(mask), photograph.size, f"of {photograph.name}")
        scene = BaselineScene(photograph, face, face_region(face, photograph.size), preserved, len(faces) - 1)
        if self.parser is not None and self.preserve:
            parsed = self.parser.parse(face)
            for known in self.preserve:
                seen, _ = warp_to_photograph(parsed[[known]], face, photograph.size)
                if (seen[:, :, 0] > 0.5).sum() < LEAST_VISIBLE * scene.unit**2:
                    raise Refused(f"{photograph.name}: '{known.name.lower()}' is not visible and cannot be preserved")
            together, _ = warp_to_photograph(parsed[list(self.preserve)].sum(dim=0, keepdim=True), face, photograph.size)
            preserved |= together[:, :, 0] > 0.5
        return scene


def face_region(face: AlignedFace, size: tuple[int, int]) -> Mask:
    """``(H, W)``: the landmarks' hull with the forehead above it, dilated a little."""
    points = face.landmarks
    up = points[BROWS].mean(axis=0) - points[NOSE_BASE]
    hull = cv2.convexHull(np.round(np.vstack([points, points[BROWS] + FOREHEAD * up])).astype(np.int32))
    canvas = np.zeros(size, dtype=np.uint8)
    cv2.fillConvexPoly(canvas, hull, 1)
    radius = max(1, round(GROWN * eye_distance(points)))
    cv2.polylines(canvas, [hull], True, 1, thickness=2 * radius)
    return canvas.astype(bool)


class _Obscuring(Baseline):
    """A baseline that looks at one photograph at a time."""

    def _paint(self, scenes: Sequence[BaselineScene], person: str) -> list[tuple[Pixels, Mask]]:
        return [(self._obscure(scene), np.ones(scene.photograph.size, dtype=bool)) for scene in scenes]

    def _obscure(self, scene: BaselineScene) -> Pixels:
        raise NotImplementedError


class Blur(_Obscuring):
    """Gaussian blur.

    Args:
        detector: face detector with 68 landmarks.
        width: the Gaussian's standard deviation, in eye distances.
        preserve: classes kept bit for bit.
        parser: parser that finds the preserved classes; None where nothing is preserved.

    """

    name = "blur"

    def __init__(self, detector: Detector, *, width: float, preserve: Sequence[Semantic] = (), parser: Parser | None = None) -> None:
        super().__init__(detector, preserve=preserve, parser=parser)
        if not width > 0:
            raise VeraError(f"a blur needs a positive width in eye distances, this is {width}")
        self.width = width

    def _parameters(self) -> dict[str, Any]:
        return {"width": self.width}

    def _obscure(self, scene: BaselineScene) -> Pixels:
        return blurred(scene.photograph.pixels, scene.region, sigma=self.width * scene.unit)


class Pixelate(_Obscuring):
    """Square blocks of their mean colour.

    Args:
        detector: face detector with 68 landmarks.
        blocks: across the width of the region.
        preserve: classes kept bit for bit.
        parser: parser that finds the preserved classes; None where nothing is preserved.

    """

    name = "pixelate"

    def __init__(self, detector: Detector, *, blocks: int, preserve: Sequence[Semantic] = (), parser: Parser | None = None) -> None:
        super().__init__(detector, preserve=preserve, parser=parser)
        if blocks < 1:
            raise VeraError(f"pixelation needs at least one block, these are {blocks}")
        self.blocks = blocks

    def _parameters(self) -> dict[str, Any]:
        return {"blocks": self.blocks}

    def _obscure(self, scene: BaselineScene) -> Pixels:
        columns = box(scene.region)[1]
        side = max(1, -(-(columns.stop - columns.start) // self.blocks))
        return pixelated(scene.photograph.pixels, scene.region, side=side)


class Cover(_Obscuring):
    """One colour over the face: the baseline that tables call "mask".

    Args:
        detector: face detector with 68 landmarks.
        colour: ``black``, or ``mean``: the region's own mean.
        preserve: classes kept bit for bit.
        parser: parser that finds the preserved classes; None where nothing is preserved.

    """

    name = "cover"

    def __init__(self, detector: Detector, *, colour: str, preserve: Sequence[Semantic] = (), parser: Parser | None = None) -> None:
        super().__init__(detector, preserve=preserve, parser=parser)
        if colour not in ("black", "mean"):
            raise VeraError(f"unknown colour '{colour}' of a cover: choose black or mean")
        self.colour = colour

    def _parameters(self) -> dict[str, Any]:
        return {"colour": self.colour}

    def _obscure(self, scene: BaselineScene) -> Pixels:
        return covered(scene.photograph.pixels, scene.region, colour=self.colour)
