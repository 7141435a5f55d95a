"""Whether the face that was found is the one that is there: an upright one, seen by more than one detector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from vera.faces.detection import DetectedFace, Detector
from vera.faces.turns import UPRIGHT, TurnDetector, TurnedFind, overlap, search_turns, turned
from vera.types import Mask, Photograph, VeraError

OVERLAP = 0.3
"""DECISION: least intersection over union of two detectors' boxes of one face."""
ANOTHER = 0.8
"""DECISION: score from which a face that only a further detector sees counts as a face."""
HOW = {1: "a quarter turn anticlockwise", 2: "a half turn", 3: "a quarter turn clockwise"}
"""What makes a face upright that was found in this turn."""


def confirmed(
    faces: Sequence[DetectedFace], weak: Sequence[DetectedFace], seen: Sequence[TurnedFind], detector: str
) -> tuple[list[DetectedFace], list[DetectedFace]]:
    """The faces and the weak finds, when a weak find that another detector sees in the same place counts as a face.

    Args:
        faces: faces of the detector that gives landmarks, largest first.
        weak: finds that it does not count as a face.
        seen: finds in all quarter turns, of all detectors.
        detector: name of the detector that gives landmarks.

    """
    upright = [find.face for find in seen if find.turn == UPRIGHT and find.detector != detector]
    known, doubtful = list(faces), list[DetectedFace]()
    for face in weak:
        (known if any(_same(face, other) for other in upright) else doubtful).append(face)
    return sorted(known, key=lambda face: face.area, reverse=True), doubtful


def unseen_faces(known: Sequence[DetectedFace], seen: Sequence[TurnedFind], detector: str) -> list[DetectedFace]:
    """Faces of the upright photograph that only further detectors see.

    Args:
        known: faces found by the detector that gives landmarks.
        seen: finds in all quarter turns, of all detectors.
        detector: name of the detector that gives landmarks.

    """
    upright = [find.face for find in seen if find.turn == UPRIGHT and find.detector != detector and find.face.score >= ANOTHER]
    return [face for face in upright if not any(_same(face, other) for other in known)]


def better_turn(faces: Sequence[DetectedFace], seen: Sequence[TurnedFind], detector: str, others: Sequence[TurnDetector]) -> int:
    """The turn in which any detector finds a better face than the best one found upright; 0 when there is none.

    A face in the photograph as it is counts only where the detector that gives landmarks found one too, if it found any: so a
    false find, such as a chin, cannot stand for the true face.

    Args:
        faces: found upright by the detector that gives landmarks.
        seen: finds in all quarter turns, of all detectors.
        detector: name of the detector that gives landmarks.
        others: the detectors that looked in quarter turns.

    Returns:
        Quarter turns anticlockwise that make the photograph upright.

    """
    for other in others:
        finds = [find for find in seen if find.detector == other.name]
        there = [find.face for find in finds if find.turn == UPRIGHT]
        upright = [face.score for face in there if not faces or any(_same(face, known) for known in faces)]
        if other.name == detector:
            upright += [face.score for face in faces]
        best = max((find for find in finds if find.turn != UPRIGHT), key=lambda find: find.face.score, default=None)
        if best and best.face.score > max(upright, default=0.0) + other.turn_margin:
            return best.turn
    return UPRIGHT


def require_upright(photograph: Photograph, turn: int) -> None:
    """Refuse a photograph that must be turned to be upright.

    Args:
        photograph: the photograph, whose name the message gives.
        turn: quarter turns anticlockwise that make it upright, from :func:`better_turn`; 0 for none.

    Raises:
        VeraError: it says how to turn the photograph.

    """
    if turn != UPRIGHT:
        raise VeraError(
            f"the face in photograph '{photograph.name}' is not upright: turn the photograph upright ({HOW[turn]}), "
            "let it be turned (--upright auto), or crop it to one upright face"
        )


def uprighted(
    detector: Detector, photograph: Photograph, mask: Mask | None, others: Sequence[TurnDetector]
) -> tuple[Photograph, Mask | None, list[str]]:
    """A photograph and its drawn mask turned upright by quarter turns, pixel for pixel.

    Args:
        detector: face detector with 68 landmarks.
        photograph: the photograph as it was read.
        mask: ``(H, W)`` in its pixels.
        others: the detectors that look in quarter turns.

    Returns:
        Both of them, and a sentence that says so if they were turned; the output has the turned orientation.

    """
    turn = better_turn(detector.search(photograph).faces, search_turns(others, photograph), detector.name, others)
    if turn == UPRIGHT:
        return photograph, mask, []
    upright = replace(photograph, pixels=turned(photograph.pixels, turn), quarter_turns=turn)
    told = f"{photograph.name}: the photograph was turned upright ({HOW[turn]}), and so is its output"
    return upright, None if mask is None else np.ascontiguousarray(np.rot90(mask, turn)), [told]


def _same(a: DetectedFace, b: DetectedFace) -> bool:
    return overlap(a.box, b.box) >= OVERLAP
