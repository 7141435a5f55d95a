"""Search a photograph for faces in all quarter turns, since cameras and scanners produce turned photographs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import cv2
import numpy as np

from vera.faces.detection import Box, DetectedFace, Detector, DlibDetector
from vera.faces.yunet import YuNetDetector
from vera.types import Photograph, Pixels, Points

UPRIGHT = 0
TURNS = (0, 1, 2, 3)
"""Quarter turns anticlockwise by which a photograph is turned before it is searched."""
SIDE = 640
"""DECISION: longer side in pixels to which a photograph is reduced for this: what matters has a size in proportion to it."""


SAME = 0.5
"""DECISION: intersection over union of two boxes above which one detector means the same face by them."""


@dataclass(frozen=True)
class TurnedFind:
    """A face found in a turned photograph.

    Attributes:
        face: the face in the pixels of the photograph as it is.
        turn: quarter turns anticlockwise in which it was found: about the turn in which it is upright.
        detector: name of the detector that found it.

    """

    face: DetectedFace
    turn: int
    detector: str


class TurnDetector(Detector, Protocol):
    """A detector whose score tells whether a face is upright."""

    @property
    def turn_margin(self) -> float:
        """Score difference from which a face counts as more upright in one turn than in another."""
        ...


def quick_detectors(detector: DlibDetector) -> list[TurnDetector]:
    """The embedded detectors, set up for searching turned photographs: dlib's without enlarging, and YuNet.

    Raises:
        VeraError: when YuNet's weights are not installed.

    """
    return [detector.as_given(), YuNetDetector(detector)]


def search_turns(detectors: Sequence[Detector], photograph: Photograph, *, turns: Sequence[int] = TURNS) -> list[TurnedFind]:
    """All faces that any detector finds in any of these turns of a reduced photograph; a face may be found in several turns.

    Args:
        detectors: detectors that search the turned photographs.
        photograph: the photograph as it was read.
        turns: quarter turns anticlockwise to try, 0 to 3; all four by default.

    Returns:
        The finds, also those that score weakly, in the order of detectors and turns.

    """
    scale = min(1.0, SIDE / max(photograph.size))
    size = (max(1, round(photograph.size[1] * scale)), max(1, round(photograph.size[0] * scale)))
    ratio = np.array([photograph.size[1] / size[0], photograph.size[0] / size[1]])
    pixels = photograph.pixels
    small = (
        pixels if scale == 1 else np.asarray(cv2.resize(np.ascontiguousarray(pixels), size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    )
    found = []
    for turn in turns:
        view = replace(photograph, pixels=turned(small, turn))
        for detector in detectors:
            faces, weak = detector.search(view)
            found += [TurnedFind(_at_home(face, turn, size, ratio), turn, detector.name) for face in (*faces, *weak)]
    return found


def distinct(finds: Sequence[TurnedFind], margins: Mapping[str, float]) -> list[TurnedFind]:
    """Each face once for each detector, in the turn in which it scores best, and in those that score almost as well.

    Args:
        finds: finds in one photograph, from :func:`search_turns`.
        margins: the :attr:`TurnDetector.turn_margin` of each detector, by its name.

    """
    kept: list[TurnedFind] = []
    for find in sorted(finds, key=lambda find: find.face.score, reverse=True):
        better = [one for one in kept if one.detector == find.detector and overlap(one.face.box, find.face.box) > SAME]
        if not any(one.turn == find.turn or one.face.score > find.face.score + margins.get(find.detector, 0.0) for one in better):
            kept.append(find)
    return kept


def turned(pixels: Pixels, turn: int) -> Pixels:
    """An image turned anticlockwise by quarter turns; no pixel changes its value."""
    return np.ascontiguousarray(np.rot90(pixels, turn))


def turned_back(points: Points, turn: int, size: tuple[int, int]) -> Points:
    """Points of an image that :func:`turned` gave, in the image as it was.

    Args:
        points: ``(N, 2)`` in the turned image.
        turn: quarter turns anticlockwise, 0 to 3.
        size: ``(width, height)`` of the image as it was.

    """
    x, y = np.asarray(points, dtype=np.float64).T
    right, bottom = size[0] - 1, size[1] - 1
    return np.column_stack([(x, y), (right - y, x), (right - x, bottom - y), (y, bottom - x)][turn % 4])


def _at_home(face: DetectedFace, turn: int, size: tuple[int, int], ratio: Points) -> DetectedFace:
    """A find of the reduced and turned photograph in the pixels of the photograph."""
    corners = (turned_back(np.array(face.box).reshape(2, 2), turn, size) + 0.5) * ratio - 0.5
    (x0, y0), (x1, y1) = corners.min(axis=0).tolist(), corners.max(axis=0).tolist()
    return DetectedFace((x0, y0, x1, y1), (turned_back(face.landmarks, turn, size) + 0.5) * ratio - 0.5, face.score)


def overlap(a: Box, b: Box) -> float:
    """Intersection over union of two boxes."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    shared = max(width, 0.0) * max(height, 0.0)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
    return shared / max(sum(areas) - shared, 1e-9)
