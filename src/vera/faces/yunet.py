"""YuNet, a second face detector (OpenCV's model zoo), which also finds turned faces."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from vera.faces.alignment import resample, transform
from vera.faces.detection import LANDMARK_BOX, DetectedFace, DlibDetector, Finds, merge_duplicates
from vera.faces.opencv_zoo import YUNET, zoo_session
from vera.faces.sface import template_similarity
from vera.types import Photograph, Pixels

SIDES = (1280, 320)
"""DECISION: longer sides in pixels at which a photograph is searched, if it is larger: the network finds faces of about 10 to 300 px."""
STRIDES = (8, 16, 32)
CONFIDENT = 0.7
"""DECISION: finds with a lower score are no faces."""
CENTRE, SIDE = (53.6, 70.1), 88.0
"""Where dlib's box lies around a face and how large it is, in the coordinates of the five-point template, on average."""

Floats = npt.NDArray[np.float64]


class YuNetDetector:
    """YuNet (MIT), which gives five points, and dlib's 68 landmarks inside the face that they frame.

    Faces may be turned in the image by any angle that YuNet sees (most up to a right angle): the landmarks are read in a crop in which
    the face is upright, and brought back.

    Args:
        landmarks: dlib's detector, used only to read the 68 landmarks inside a found box.

    Raises:
        VeraError: when the weights are not installed.

    """

    name = "yunet-68"
    turn_margin = 0.02  # DECISION: upright faces score about 0.04 more than the same faces turned

    def __init__(self, landmarks: DlibDetector) -> None:
        self._landmarks = landmarks
        self._session: Any = zoo_session(YUNET, free=(2, 3))

    def detect(self, photograph: Photograph) -> list[DetectedFace]:
        """All faces, largest first; an empty list when there is none."""
        return self.search(photograph).faces

    def search(self, photograph: Photograph) -> Finds:
        """All faces; no weak finds."""
        found = self.find(photograph.pixels)
        faces = [self._with_landmarks(photograph.pixels, row) for row in found]
        return Finds(sorted(faces, key=lambda face: face.area, reverse=True), [])

    def find(self, pixels: Pixels) -> Floats:
        """All faces without their 68 landmarks.

        Args:
            pixels: ``(H, W, 3)`` uint8 RGB.

        Returns:
            ``(N, 15)``, best first: ``x0, y0, x1, y1``, five points ``x, y`` (see :func:`vera.faces.recognition.five_points`) in
            photograph pixels, and the score in [0, 1].

        """
        scales = sorted({min(1.0, side / max(pixels.shape[:2])) for side in SIDES}, reverse=True)
        rows = np.concatenate([self._at(pixels, scale) for scale in scales])
        kept = merge_duplicates([tuple(row[:4]) for row in rows.tolist()], rows[:, 14].tolist())
        return rows[kept]

    def _at(self, pixels: Pixels, scale: float) -> Floats:
        """Finds at one image size, several rows for each face; see :meth:`find`."""
        size = (max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale)))
        small = pixels if scale == 1 else np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA))
        height, width = (-(-length // 32) * 32 for length in small.shape[:2])
        padded = np.zeros((1, 3, height, width), dtype=np.float32)
        padded[0, :, : small.shape[0], : small.shape[1]] = small[:, :, ::-1].transpose(2, 0, 1)
        outputs = [np.asarray(output[0], dtype=np.float64) for output in self._session.run(None, {YUNET.input: padded})]
        rows = []
        for number, stride in enumerate(STRIDES):
            kind, thing, box, points = outputs[number::3]
            scores = np.sqrt(kind.clip(0, 1) * thing.clip(0, 1)).ravel()
            good = np.flatnonzero(scores >= CONFIDENT)
            cells = np.column_stack([good % (width // stride), good // (width // stride)])
            centre, half = cells + box[good, :2], np.exp(box[good, 2:]) / 2
            corners = np.hstack([centre - half, centre + half, points[good] + np.tile(cells, 5)]) * stride
            rows.append(np.column_stack([(corners + 0.5) / scale - 0.5, scores[good]]))
        return np.concatenate(rows)

    def _with_landmarks(self, pixels: Pixels, row: Floats) -> DetectedFace:
        """The 68 landmarks, read where the face is upright and has dlib's size, and brought back."""
        step = SIDE / LANDMARK_BOX  # one pixel of the crop, in the template's coordinates
        middle = LANDMARK_BOX - 0.5  # of the crop, which is twice as large as the box
        template = template_similarity(row[4:14].reshape(5, 2))
        turn = template[:, :2] * step
        to_photograph = np.column_stack([turn, template @ (*CENTRE, 1.0) - turn @ (middle, middle)])
        crop = resample(pixels, to_photograph, 2 * LANDMARK_BOX).round().clip(0, 255).astype(np.uint8)
        low, high = middle - LANDMARK_BOX / 2, middle + LANDMARK_BOX / 2
        points = self._landmarks.landmarks(crop, (low, low, high, high))
        x0, y0, x1, y1 = row[:4].tolist()
        return DetectedFace((x0, y0, x1, y1), transform(points, to_photograph), float(row[14]))
