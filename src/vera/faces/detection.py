"""Finding faces and their 68 landmarks (iBUG order: jaw 0-16, brows 17-26, nose 27-35, eyes 36-47, mouth 48-67)."""

from __future__ import annotations

import copy
import importlib
import importlib.util
import math
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, Protocol

import cv2
import numpy as np

from vera.types import Photograph, Pixels, Points, VeraError

Box = tuple[float, float, float, float]
"""``x0, y0, x1, y1`` in photograph pixels."""

WINDOW = 80
"""Side in pixels of dlib's sliding window: no smaller face is found in the image as given."""
ENLARGE_BELOW = 1024
"""DECISION: photographs with a longer side under this many pixels are enlarged, at most twofold, so that faces near 40 px are found too."""
MOST_PIXELS = 48_000_000
"""DECISION: larger photographs are shrunk for the search only (memory: about 15 bytes a pixel, time: about 0.1 s a megapixel)."""
WEAK = 0.2
"""DECISION: finds with a lower score are no faces by themselves: patterns on clothes, chins of turned faces, and some faces."""
LANDMARK_BOX = 320
"""DECISION: side in pixels to which a detected box is brought before the landmarks are read: dlib answers in whole pixels."""
LANDMARK_LOOKS = ((0, 0, 1), (-0.03, 0, 1), (0.03, 0, 1), (0, -0.03, 1), (0, 0.03, 1), (0, 0, 0.95), (0, 0, 1.05))
"""DECISION: (shift x, shift y, scale) of the box for each look; the landmarks are their mean, steadier than one look."""


@dataclass(frozen=True)
class DetectedFace:
    """One face found in a photograph.

    Attributes:
        box: ``(x0, y0, x1, y1)`` in photograph pixels; it may reach outside the photograph.
        landmarks: ``(68, 2)`` float64 in photograph pixels, iBUG order.
        score: the detector's own confidence, comparable within one detector only.

    """

    box: Box
    landmarks: Points
    score: float

    @property
    def area(self) -> float:
        """Square pixels of the box."""
        return (self.box[2] - self.box[0]) * (self.box[3] - self.box[1])


class Finds(NamedTuple):
    """Finds of a detector in one photograph: faces, and weak candidates.

    Attributes:
        faces: finds that count as faces, largest first; empty when there is none.
        weak: finds that look a little like faces but do not count; somebody must look there.

    """

    faces: list[DetectedFace]
    weak: list[DetectedFace]


class Detector(Protocol):
    """Finds faces with 68 landmarks."""

    @property
    def name(self) -> str:
        """Name of the detector, for the audit."""
        ...

    def search(self, photograph: Photograph) -> Finds:
        """All faces, and the finds that do not count."""
        ...

    def detect(self, photograph: Photograph) -> list[DetectedFace]:
        """All faces, largest first; an empty list when there is none."""
        ...


class DlibDetector:
    """dlib's frontal HOG detector and its 68-landmark shape predictor; nothing is downloaded.

    It looks at the whole photograph at full resolution, so that faces from about 80 px (40 px in small photographs) up to the
    whole frame are found. Faces turned by more than about 30 degrees may be missed. The landmark model was trained on
    data for non-commercial use (iBUG 300-W). The first call loads the models; the object is not for several threads at once.

    Raises:
        VeraError: when dlib or its weights are not installed.

    Examples:
        >>> from skimage import data
        >>> from vera.faces.detection import DlibDetector
        >>> from vera.faces.photograph import photograph_from_pixels
        >>> (face,) = DlibDetector().as_given().detect(photograph_from_pixels(data.astronaut(), "astronaut"))
        >>> face.landmarks.shape
        (68, 2)

    """

    name = "dlib-hog-68"
    turn_margin = 0.3  # DECISION: what is no face scores up to 0.3, upright faces mostly above 1

    def __init__(self) -> None:
        dlib: Any = load_dlib()
        self._enlarges = True
        self._rectangle: Any = dlib.rectangle
        self._detector: Any = dlib.get_frontal_face_detector()
        self._predictor: Any = dlib.shape_predictor(str(dlib_weights("shape_predictor_68_face_landmarks.dat")))

    def as_given(self) -> DlibDetector:
        """This detector for quick searches: it does not enlarge small photographs, so faces under 80 px are missed."""
        quick = copy.copy(self)
        quick._enlarges = False
        return quick

    def detect(self, photograph: Photograph) -> list[DetectedFace]:
        """All faces, largest first; an empty list when there is none."""
        return self.search(photograph).faces

    def search(self, photograph: Photograph) -> Finds:
        """All faces, and the finds that score under :data:`WEAK`."""
        pixels = photograph.pixels
        scale = search_scale(*photograph.size) if self._enlarges else min(1.0, search_scale(*photograph.size))
        found, scores, _ = self._detector.run(_resized(pixels, scale), 0, 0.0)
        boxes = [_to_photograph_box((r.left(), r.top(), r.right(), r.bottom()), scale) for r in found]
        distinct = merge_duplicates(boxes, [float(s) for s in scores])
        every = [DetectedFace(boxes[i], self.landmarks(pixels, boxes[i]), float(scores[i])) for i in distinct]
        every.sort(key=lambda face: face.area, reverse=True)
        return Finds([face for face in every if face.score >= WEAK], [face for face in every if face.score < WEAK])

    def landmarks(self, pixels: Pixels, box: Box) -> Points:
        """The 68 landmarks inside a box.

        Args:
            pixels: ``(H, W, 3)`` uint8 RGB.
            box: around the face, as this detector draws it.

        Returns:
            ``(68, 2)`` float64 in the pixels' coordinates.

        """
        side = max(box[2] - box[0], box[3] - box[1])
        centre = np.array([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2])
        crop, scale, origin = crop_around(pixels, centre, 2.0 * side, LANDMARK_BOX / side)
        looks = []
        for dx, dy, grow in LANDMARK_LOOKS:
            middle = (centre + side * np.array([dx, dy]) - origin + 0.5) * scale - 0.5
            half = grow * LANDMARK_BOX / 2
            corners = [round(float(v)) for v in (*(middle - half), *(middle + half))]
            shape = self._predictor(crop, self._rectangle(*corners))
            looks.append([(p.x, p.y) for p in shape.parts()])
        mean = np.asarray(looks, dtype=np.float64).mean(axis=0)
        return np.asarray((mean + 0.5) / scale - 0.5 + origin, dtype=np.float64)


def load_dlib() -> ModuleType:
    """The dlib module.

    Raises:
        VeraError: when it is not installed.

    """
    try:
        return importlib.import_module("dlib")
    except ImportError as error:
        raise VeraError("dlib is not installed: run `pip install dlib-bin`") from error


def dlib_weights(file: str) -> Path:
    """Locate a weight file of the package face_recognition_models.

    The package is located without importing it: its ``__init__`` needs ``pkg_resources``, which setuptools has removed.

    Raises:
        VeraError: when the package or the file is absent.

    """
    spec = importlib.util.find_spec("face_recognition_models")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / "models" / file
        if path.is_file():
            return path
    raise VeraError(f"the weights {file} are missing: run `pip install face_recognition_models` (they come with that package)")


def search_scale(height: int, width: int) -> float:
    """Factor by which a photograph is resized for the search: up to 2 for small ones, under 1 only for very large ones."""
    enlarge = min(2.0, ENLARGE_BELOW / max(height, width))
    return min(max(1.0, enlarge), math.sqrt(MOST_PIXELS / (height * width)))


def merge_duplicates(boxes: list[Box], scores: list[float]) -> list[int]:
    """Choose the boxes to keep, best score first, when several mean the same face.

    Two boxes mean the same face when their overlap is over 0.3 of their union or over 0.8 of the smaller one.
    """
    kept: list[int] = []
    for i in sorted(range(len(boxes)), key=lambda j: scores[j], reverse=True):
        if not any(_same_face(boxes[i], boxes[k]) for k in kept):
            kept.append(i)
    return kept


def crop_around(pixels: Pixels, centre: Points, side: float, scale: float) -> tuple[Pixels, float, Points]:
    """A square window of a photograph, cut at its borders and resized.

    Args:
        pixels: ``(H, W, 3)`` uint8.
        centre: ``(2,)`` of the window.
        side: side of the window in photograph pixels.
        scale: resizing factor; above 1 enlarges.

    Returns:
        The resized window, the factor, and its origin ``(2,)``: window coordinates are ``(p - origin + 0.5) * factor - 0.5``.

    Raises:
        VeraError: when the window lies outside the photograph.

    """
    height, width = pixels.shape[:2]
    x0, y0 = (max(0, int(np.floor(c - side / 2))) for c in centre)
    x1, y1 = (min(n, int(np.ceil(c + side / 2)) + 1) for c, n in zip(centre, (width, height), strict=True))
    if x1 <= x0 or y1 <= y0:
        raise VeraError("the face lies outside the photograph: give landmarks in this photograph's pixels")
    return _resized(pixels[y0:y1, x0:x1], scale), scale, np.array([x0, y0], dtype=np.float64)


def _resized(pixels: Pixels, scale: float) -> Pixels:
    if scale == 1:
        return np.ascontiguousarray(pixels)
    # Through dsize=None and fx, fy OpenCV keeps the exact factor, where the rounded size would bend the coordinates.
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(np.ascontiguousarray(pixels), None, fx=scale, fy=scale, interpolation=interpolation), dtype=np.uint8)


def _to_photograph_box(corners: tuple[int, int, int, int], scale: float) -> Box:
    x0, y0, x1, y1 = ((v + 0.5) / scale - 0.5 for v in corners)
    return x0, y0, x1, y1


def _same_face(a: Box, b: Box) -> bool:
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return False
    shared = width * height
    areas = [(c[2] - c[0]) * (c[3] - c[1]) for c in (a, b)]
    return shared > 0.3 * (sum(areas) - shared) or shared > 0.8 * min(areas)
