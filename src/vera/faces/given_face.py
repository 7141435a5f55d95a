"""A face that the user points out, where detection fails: 68 landmarks, or a box in which they are looked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from vera.faces.landmarks import BROWS, COUNT, LEFT_EYE, NOSE_BASE, RIGHT_EYE
from vera.files import printable
from vera.types import Photograph, Pixels, Points, VeraError
from vera.untrusted import read_json

if TYPE_CHECKING:
    from vera.faces.detection import Box, DetectedFace

FORM = '{"box": [x, y, width, height], "landmarks": [[x, y], ... 68 points]}, either or both'
LEAST = 10.0
"""DECISION: least side of a face in pixels; in smaller ones landmarks mean nothing."""


@dataclass(frozen=True)
class GivenFace:
    """The place of a face, in pixels of the photograph as it is displayed.

    Attributes:
        box: x, y, width, height around brows, ears' front and chin, or None.
        landmarks: 68 points (x, y) in iBUG order, from left to right in the photograph, or None: they are looked for in the box.

    """

    box: tuple[float, float, float, float] | None = None
    landmarks: tuple[tuple[float, float], ...] | None = None


@runtime_checkable
class FindsLandmarks(Protocol):
    """A detector that finds landmarks in a box."""

    def landmarks(self, pixels: Pixels, box: Box) -> Points:
        """The ``(68, 2)`` landmarks inside a box of ``(H, W, 3)`` pixels."""
        ...


def read_given(path: Path) -> GivenFace:
    """Read a face from a JSON file.

    Args:
        path: file with a box, 68 landmarks, or both.

    Raises:
        VeraError: it can't be read, has other content, or numbers of another form.

    """
    what = f"--landmarks {printable(str(path))}"
    found = read_json(path, what=what)
    if not isinstance(found, dict) or not found or set(found) - {"box", "landmarks"}:
        raise VeraError(f"{what} must be {FORM}")
    return given_of(found, what)


def given_of(found: dict[str, Any], what: str) -> GivenFace:
    """A face from JSON's values, of a file or of an audit.

    Args:
        found: box and landmarks, either may be missing or None.
        what: the source's name in messages.

    Raises:
        VeraError: numbers of another form.

    """
    box, points = found.get("box"), found.get("landmarks")
    if box is None and points is None:
        raise VeraError(f"{what} must be {FORM}")
    if box is not None and not (_numbers(box, 4) and min(box[2:]) >= LEAST):
        raise VeraError(f"{what}: the box must be [x, y, width, height], at least {LEAST:.0f} pixels wide and high")
    if points is not None and not (isinstance(points, list | tuple) and len(points) == COUNT and all(_numbers(one, 2) for one in points)):
        raise VeraError(f"{what}: the landmarks must be {COUNT} points [x, y] in iBUG order")
    return GivenFace(
        None if box is None else (float(box[0]), float(box[1]), float(box[2]), float(box[3])),
        None if points is None else tuple((float(x), float(y)) for x, y in points),
    )


def locate(given: GivenFace, photograph: Photograph, detector: object) -> DetectedFace:
    """The face that was pointed out.

    Args:
        given: place of the face, as the user told it.
        photograph: photograph that shows it.
        detector: finds the landmarks where only a box is given.

    Raises:
        VeraError: it lies outside the photograph, its landmarks are no upright face, or the detector finds none in a box.

    """
    from vera.faces.detection import DetectedFace  # only now, since it brings OpenCV, and options are read before

    height, width = photograph.size
    corners = None if given.box is None else (given.box[0], given.box[1], given.box[0] + given.box[2], given.box[1] + given.box[3])
    if corners and not (min(corners) >= 0 and corners[2] <= width and corners[3] <= height):
        raise VeraError(f"the given box reaches outside photograph '{photograph.name}', which is {width} pixels wide and {height} high")
    if given.landmarks is not None:
        points = np.asarray(given.landmarks, dtype=np.float64)
    elif corners and isinstance(detector, FindsLandmarks):
        points = detector.landmarks(photograph.pixels, corners)
    else:
        raise VeraError("a box alone needs a detector that finds landmarks in it: give 68 landmarks")
    if (points < -0.5).any() or (points > np.array([width, height]) - 0.5).any():
        raise VeraError(f"the given landmarks reach outside photograph '{photograph.name}', which is {width} pixels wide and {height} high")
    if points[LEFT_EYE].mean(axis=0)[0] >= points[RIGHT_EYE].mean(axis=0)[0] or points[BROWS].mean(axis=0)[1] >= points[NOSE_BASE][1]:
        raise VeraError(
            f"the given landmarks are no upright face in photograph '{photograph.name}': points 36 to 41 are the eye on the left of the "
            "picture, 42 to 47 the eye on its right, and brows lie above the nose"
        )
    (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
    if min(right - left, bottom - top) < LEAST:
        raise VeraError(f"the given landmarks are less than {LEAST:.0f} pixels apart in photograph '{photograph.name}': they are no face")
    return DetectedFace(corners or (float(left), float(top), float(right), float(bottom)), points, 1.0)


def _numbers(values: Any, count: int) -> bool:
    """Whether a value is a list of so many numbers; :mod:`vera.untrusted` has seen that all are finite."""
    if not isinstance(values, list | tuple) or len(values) != count:
        return False
    return all(isinstance(one, int | float) and not isinstance(one, bool) and abs(one) < 1e6 for one in values)
