"""One photograph made ready: its face, alignment, segmentation and regions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from vera.anonymization.placement import eye_distance
from vera.anonymization.preservation import covered_classes, preserved_region, region_facts, replaced_region
from vera.anonymization.request import Options
from vera.anonymization.uprightness import OVERLAP, better_turn, confirmed, require_upright, unseen_faces
from vera.faces.alignment import align
from vera.faces.detection import DetectedFace, Detector
from vera.faces.given_face import locate
from vera.faces.parsing import Parser
from vera.faces.turns import UPRIGHT, TurnDetector, TurnedFind, overlap, search_turns
from vera.types import AlignedFace, Mask, Photograph, Points, Semantic, Unsupported, VeraError

PARSING_SIZE = 256
"""DECISION: side at which faces are parsed: outlines to about a hundredth of the eye distance."""

DARKEST = 80
"""DECISION: a face whose brightest parts are darker (of 255) is refused: too few colours are left, and the new face gets false ones.
Its brightest parts, not its median, which would refuse dark skin in good light: in 200 faces of LFW and in the London set's ten
darkest they are above 160; a face in a fifth of its light, which was written with false colours, has about 50."""
BRIGHTEST_PERCENT = 98


@dataclass(frozen=True)
class Scene:
    """A photograph with all that anonymization needs to know of it.

    Attributes:
        photograph: the source photograph.
        face: the aligned face at :data:`PARSING_SIZE`.
        parsed: ``(K, S', S')`` class probabilities at that size.
        preserved: ``(H, W)``, kept bit for bit.
        replaced: ``(H, W)``, no source pixel stays.
        kept_classes: classes of which more than half is kept.
        outlined_classes: classes of which named regions keep a part, or a neighbour: they are replaced, but their outline should stay.
        hair_edge: ``(H, W)``, where kept hair is mixed again over the new face; None where the renderer has no such band.

    """

    photograph: Photograph
    face: AlignedFace
    parsed: Tensor
    preserved: Mask
    replaced: Mask
    kept_classes: tuple[Semantic, ...]
    hair_edge: Mask | None = None
    outlined_classes: tuple[Semantic, ...] = ()

    def facts(self) -> dict[str, Any]:
        """Plain values that describe it in the audit."""
        return region_facts(
            self.photograph,
            self.preserved,
            self.replaced,
            hair_edge=self.hair_edge,
            kept_classes=self.kept_classes,
            eye_distance=round(eye_distance(self.face), 1),
        )


@dataclass(frozen=True)
class Chosen:
    """The face to anonymize in one photograph.

    Attributes:
        face: the face that is treated.
        among: number of faces that were found.
        warnings: warnings that somebody must look at.
        seen: upright finds of the further detectors, anywhere in the photograph.

    """

    face: DetectedFace
    among: int
    warnings: tuple[str, ...]
    seen: tuple[TurnedFind, ...]


class SeenFaces(NamedTuple):
    """Faces that the detectors find in a photograph.

    Attributes:
        faces: faces with landmarks, largest first: the order of ``options.face``.
        weak: places that look a little like a face.
        unseen: faces that only further detectors see; they have no landmarks of their own and cannot be chosen.
        turn: quarter turns anticlockwise that would make the photograph upright; 0 for none.
        upright: finds of the further detectors in the photograph as it is.

    """

    faces: list[DetectedFace]
    weak: list[DetectedFace]
    unseen: list[DetectedFace]
    turn: int
    upright: list[TurnedFind]


def search_faces(detector: Detector, photograph: Photograph, others: Sequence[TurnDetector] = ()) -> SeenFaces:
    """All faces of a photograph, before one is chosen.

    Args:
        detector: face detector with 68 landmarks.
        photograph: the photograph that is searched.
        others: look at the photograph in all quarter turns.

    """
    seen = search_turns(others, photograph)
    faces, weak = detector.search(photograph)
    faces, weak = confirmed(faces, weak, seen, detector.name)
    unseen = unseen_faces([*faces, *weak], seen, detector.name)
    upright = [find for find in seen if find.turn == UPRIGHT]
    return SeenFaces(faces, weak, unseen, better_turn(faces, seen, detector.name, others), upright)


def find_face(detector: Detector, photograph: Photograph, options: Options, others: Sequence[TurnDetector] = ()) -> Chosen:
    """The face to anonymize.

    With several faces in a photograph, ``options.face`` chooses (1 = largest) and ``options.leave_others`` must allow the
    others to stay. A number that a photograph does not have is refused, also where it shows one face: that one may be somebody else's.

    Args:
        detector: face detector with 68 landmarks.
        photograph: the photograph that is searched.
        options: choices of the call: which face to take, or where it is, and whether others may stay.
        others: look at the photograph in all quarter turns, for turned faces and for those that ``detector`` does not see.

    Raises:
        Unsupported: no face, or one that is cut off.
        VeraError: a turned face, several without a choice, no face of this number, or one that is too dark.

    """
    faces, weak, unseen, turn, seen = search_faces(detector, photograph, others)
    if options.given is not None:
        chosen = locate(options.given, photograph, detector)
        further, doubtful = (
            [face for face in found if overlap(face.box, chosen.box) < OVERLAP] for found in ([*faces, *unseen], [*weak, *unseen])
        )
        return _given_face(chosen, photograph, options, further, doubtful, seen)
    require_upright(photograph, turn)
    if not faces:
        raise Unsupported(
            f"no face found in photograph '{photograph.name}': give an upright, sharp photograph of one face, or crop closer", photograph
        )
    among = len(faces) + len(unseen)
    if among > 1 and not (options.face and options.leave_others):
        raise VeraError(
            f"{among} faces found in photograph '{photograph.name}': choose one (--face, 1 is the largest) "
            "and say that the others stay as they are (--leave-others), or crop the photograph"
        )
    number = options.face or 1
    if number > len(faces):
        raise VeraError(
            f"photograph '{photograph.name}' shows {len(faces)} face{'s' if len(faces) > 1 else ''}, not {number}: "
            "choose a lower number, or crop the photographs to one face each"
        )
    chosen = faces[number - 1]
    require_usable(chosen, photograph)
    return Chosen(chosen, among, tuple(_warnings(photograph, [*weak, *unseen])), tuple(seen))


def _warnings(photograph: Photograph, doubtful: Sequence[DetectedFace]) -> list[str]:
    """Warnings about the file, and about places that look a little like a face."""
    return [f"{photograph.name}: {warning}" for warning in photograph.warnings] + [
        f"{photograph.name}: at ({find.box[0]:.0f}, {find.box[1]:.0f}) to ({find.box[2]:.0f}, {find.box[3]:.0f}) something looks a little "
        f"like a face (score {find.score:.2f}) and is left as it is: make sure that nobody is recognisable there"
        for find in doubtful
    ]


def _given_face(
    chosen: DetectedFace,
    photograph: Photograph,
    options: Options,
    further: Sequence[DetectedFace],
    doubtful: Sequence[DetectedFace],
    seen: Sequence[TurnedFind],
) -> Chosen:
    """The face that the user points out; all others that are found count as further people."""
    if further and not options.leave_others:
        raise VeraError(
            f"{len(further)} face{'s' if further[1:] else ''} found in photograph '{photograph.name}' beside the given one: "
            "say that they stay as they are (--leave-others), or crop the photograph"
        )
    require_usable(chosen, photograph)
    told = "the face was given (--landmarks), not found: make sure that it is replaced in the right place, and that nobody is recognisable"
    return Chosen(chosen, 1 + len(further), (f"{photograph.name}: {told}", *_warnings(photograph, doubtful)), tuple(seen))


def require_usable(chosen: DetectedFace, photograph: Photograph) -> None:
    """Raise an error for a face that is cut off (Unsupported), or too dark (VeraError)."""
    if cut_off(chosen.landmarks, photograph.size):
        raise Unsupported(
            f"the face in photograph '{photograph.name}' is cut off at its border (brows to chin must be seen): "
            "give a photograph that shows the whole face",
            photograph,
        )
    if brightness(photograph, chosen.landmarks) < DARKEST:
        raise VeraError(
            f"the face in photograph '{photograph.name}' is too dark for its colours to be told: give a photograph with more light, "
            "or brighten it in an image editor first"
        )


def cut_off(landmarks: Points, size: tuple[int, int]) -> bool:
    """Whether a landmark lies outside a photograph of ``(H, W)``.

    What is not there cannot be replaced, and what alignment puts in its place (the mirrored rest) is no face.
    """
    return bool((landmarks < -0.5).any() or (landmarks > np.array(size[::-1]) - 0.5).any())


def brightness(photograph: Photograph, landmarks: Points) -> float:
    """Brightness of a face's brightest parts (white of the eyes, teeth, shine): a percentile of each pixel's brightest channel, 0 to 255.

    Args:
        photograph: photograph that shows the face.
        landmarks: ``(68, 2)`` of the face, within the photograph.

    """
    left, top = np.floor(landmarks.min(axis=0)).astype(int).clip(min=0)
    right, bottom = np.ceil(landmarks.max(axis=0)).astype(int) + 1
    return float(np.percentile(photograph.pixels[top:bottom, left:right].max(axis=2), BRIGHTEST_PERCENT))


def set_scene(photograph: Photograph, landmarks: Points, parser: Parser, *, mask: Mask | None, options: Options) -> Scene:
    """Align and parse a face, and compute its preserved and replaced regions.

    Args:
        photograph: the source photograph, ``(H, W, 3)`` uint8.
        landmarks: ``(68, 2)`` of the chosen face.
        parser: parser that segments the aligned face.
        mask: ``(H, W)``: drawn region to preserve.
        options: classes and regions to preserve, hair.

    Raises:
        VeraError: a class is not visible, a mask does not fit, or nothing is left to replace (:mod:`vera.anonymization.preservation`).

    """
    return scene_of(photograph, *parsed_face(photograph, landmarks, parser), mask=mask, options=options)


def parsed_face(photograph: Photograph, landmarks: Points, parser: Parser) -> tuple[AlignedFace, Tensor]:
    """Align a face, and parse it: ``(K, S', S')`` class probabilities.

    Args:
        photograph: the source photograph, ``(H, W, 3)`` uint8.
        landmarks: ``(68, 2)`` of the chosen face.
        parser: parser that segments the aligned face.

    """
    face = align(photograph, landmarks, PARSING_SIZE)
    return face, parser.parse(face).detach().float().cpu()


def scene_of(photograph: Photograph, face: AlignedFace, parsed: Tensor, *, mask: Mask | None, options: Options) -> Scene:
    """Compute the preserved and replaced regions of a face that is aligned and parsed.

    Args:
        photograph: the source photograph, ``(H, W, 3)`` uint8.
        face: the face, aligned for the parser.
        parsed: ``(K, S', S')`` class probabilities.
        mask: ``(H, W)``: drawn region to preserve.
        options: classes and regions to preserve, hair.

    Raises:
        VeraError: see :func:`set_scene`.

    """
    preserved = preserved_region(photograph, face, parsed, classes=options.preserve, mask=mask, regions=options.regions)
    replaced = replaced_region(photograph, face, parsed, preserved, hair=options.hair)
    kept = dict.fromkeys([*options.preserve, *covered_classes(face, parsed, preserved)])
    outlined = dict.fromkeys(known for region in options.regions for known in region.outlined)
    return Scene(photograph, face, parsed, preserved, replaced, tuple(kept), outlined_classes=tuple(outlined))
