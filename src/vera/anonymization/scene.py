"""One photograph made ready: its face, alignment, segmentation and regions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from vera.anonymization.colour import tone
from vera.anonymization.placement import Floats, eye_distance
from vera.anonymization.preservation import covered_classes, preserved_region, replaced_region
from vera.anonymization.request import Options
from vera.faces.alignment import align, pull
from vera.faces.detection import DetectedFace, Detector
from vera.faces.parsing import Parser
from vera.types import AlignedFace, Mask, Photograph, Points, Semantic, VeraError

PARSING_SIZE = 256
"""DECISION: side at which faces are parsed: outlines to about a hundredth of the eye distance."""


@dataclass(frozen=True)
class Scene:
    """A photograph with all that anonymization needs to know of it.

    Attributes:
        photograph: the source.
        face: aligned at :data:`PARSING_SIZE`.
        parsed: ``(K, S', S')`` class probabilities at that size.
        image: ``(3, S, S)`` aligned at the network's size.
        segmentation: ``(K, S, S)`` class probabilities at the network's size.
        preserved: ``(H, W)``, kept bit for bit.
        replaced: ``(H, W)``, no source pixel stays.
        replaced_share: ``(1, S, S)``: which share of each aligned pixel is replaced.
        kept_classes: classes whose codes stay the photograph's.
        tone: median colour of the face's skin, in which the new face is shown: of the face itself three numbers pass on, no more.

    """

    photograph: Photograph
    face: AlignedFace
    parsed: Tensor
    image: Tensor
    segmentation: Tensor
    preserved: Mask
    replaced: Mask
    replaced_share: Tensor
    kept_classes: tuple[Semantic, ...]
    tone: Floats | None

    def facts(self) -> dict[str, Any]:
        """What the audit says about it."""
        return {
            "name": self.photograph.name,
            "digest": self.photograph.digest,
            "size": list(self.photograph.size),
            "eye_distance": round(eye_distance(self.face), 1),
            "preserved_pixels": int(self.preserved.sum()),
            "replaced_pixels": int(self.replaced.sum()),
            "kept_classes": [known.name.lower() for known in self.kept_classes],
        }


@dataclass(frozen=True)
class Chosen:
    """The face to anonymize in one photograph.

    Attributes:
        face: where it is.
        among: how many faces were found.
        warnings: what somebody must look at.

    """

    face: DetectedFace
    among: int
    warnings: tuple[str, ...]


def find_face(detector: Detector, photograph: Photograph, options: Options) -> Chosen:
    """The face to anonymize.

    With several faces in a photograph, ``options.face`` chooses (1 = largest) and ``options.leave_others`` must allow the
    others to stay. A number that a photograph does not have is refused, also where it shows one face: that one may be somebody else's.

    Raises:
        VeraError: no face, several without a choice, no face of this number, or one that the photograph's border cuts off.

    """
    faces, weak = detector.search(photograph)
    if not faces:
        raise VeraError(f"no face found in photograph '{photograph.name}': give an upright, sharp photograph of one face, or crop closer")
    if len(faces) > 1 and not (options.face and options.leave_others):
        raise VeraError(
            f"{len(faces)} faces found in photograph '{photograph.name}': choose one (--face, 1 is the largest) "
            "and say that the others stay as they are (--leave-others), or crop the photograph"
        )
    number = options.face or 1
    if number > len(faces):
        raise VeraError(
            f"photograph '{photograph.name}' shows {len(faces)} face{'s' if len(faces) > 1 else ''}, not {number}: "
            "choose a lower number, or crop the photographs to one face each"
        )
    chosen = faces[number - 1]
    if cut_off(chosen.landmarks, photograph.size):
        raise VeraError(
            f"the face in photograph '{photograph.name}' is cut off at its border (brows to chin must be seen): "
            "give a photograph that shows the whole face"
        )
    warnings = [f"{photograph.name}: {warning}" for warning in photograph.warnings] + [
        f"{photograph.name}: at ({find.box[0]:.0f}, {find.box[1]:.0f}) to ({find.box[2]:.0f}, {find.box[3]:.0f}) something looks a little "
        f"like a face (score {find.score:.2f}) and is left as it is: make sure that nobody is recognisable there"
        for find in weak
    ]
    return Chosen(chosen, len(faces), tuple(warnings))


def cut_off(landmarks: Points, size: tuple[int, int]) -> bool:
    """Whether a landmark lies outside a photograph of ``(H, W)``.

    What is not there cannot be replaced, and what alignment puts in its place (the mirrored rest) is no face.
    """
    return bool((landmarks < -0.5).any() or (landmarks > np.array(size[::-1]) - 0.5).any())


def set_scene(photograph: Photograph, landmarks: Points, parser: Parser, *, size: int, mask: Mask | None, options: Options) -> Scene:
    """Align and parse a face and settle its regions.

    Args:
        photograph: the source.
        landmarks: ``(68, 2)`` of the chosen face.
        parser: segments it.
        size: side S of the network's images.
        mask: ``(H, W)``: drawn region to preserve.
        options: classes to preserve, hair.

    Raises:
        VeraError: see :mod:`vera.anonymization.preservation`.

    """
    face, small = align(photograph, landmarks, PARSING_SIZE), align(photograph, landmarks, size)
    parsed = parser.parse(face).detach().float().cpu()
    preserved = preserved_region(photograph, face, parsed, classes=options.preserve, mask=mask)
    replaced = replaced_region(photograph, face, parsed, preserved, hair=options.hair)
    share = pull(replaced, small.to_photograph, size)
    kept = dict.fromkeys([*options.preserve, *covered_classes(face, parsed, preserved)])
    segmentation = F.adaptive_avg_pool2d(parsed[None], size)[0]
    return Scene(
        photograph=photograph,
        face=face,
        parsed=parsed,
        image=small.image,
        segmentation=segmentation,
        preserved=preserved,
        replaced=replaced,
        replaced_share=torch.from_numpy(np.ascontiguousarray(share))[None].clamp(0, 1),
        kept_classes=tuple(kept),
        tone=tone(small.image, segmentation),
    )
