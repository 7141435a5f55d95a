"""Readers that no generator was trained against: landmarks, light on the cheeks, and a recogniser."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import torch
from calibrate import angles
from torch import Tensor

from vera.attributes.encoder import AttributeEncoder
from vera.evaluation.metrics.attributes import expression, pose
from vera.faces.detection import DlibDetector
from vera.faces.photograph import photograph_from_pixels
from vera.faces.recognition import DlibRecogniser
from vera.types import Pixels, Points, VeraError, tensor_to_image

UNITS = {
    "yaw": "degrees", "pitch": "degrees", "roll": "degrees", "mouth_opening": "eye distances", "mouth_width": "eye distances",
    "mouth_corners": "eye distances", "eye_opening": "eye distances", "brow_height": "eye distances",
    "light_right": "relative brightness", "light_below": "relative brightness",
}  # fmt: skip
RIGHT, LEFT, BELOW, ABOVE = (15, 45, 35), (1, 36, 31), (8, 57), (19, 24, 27)
"""Landmarks between which a patch of skin lies: both cheeks, the chin; above the brows."""


class Landmarks(AttributeEncoder):
    """Pose by perspective-n-point, expression and light by 68 landmarks: of the image alone, through a detector's shape predictor.

    Pitch of a face is off by a constant, which its proportions make. The landmarks are looked for in one box for all faces: faces of a
    generator are aligned. Whether a detector finds the face there is counted apart (:attr:`found`).

    Args:
        typical: an aligned face, ``(3, S, S)``, in which the detector says where faces are.

    """

    size = None

    def __init__(self, typical: Tensor) -> None:
        super().__init__()
        self.describe(UNITS, {name: (-1.0, 1.0) for name in UNITS})
        self.detector: Any = DlibDetector()
        faces = self.detector.detect(photograph_from_pixels(tensor_to_image(typical), "typical face"))
        if not faces:
            raise VeraError("the detector finds no face in the bundle's mean face")
        self.box, self.recogniser = faces[0].box, DlibRecogniser()

    def points(self, image: Tensor) -> tuple[Pixels, Points]:
        """Pixels and landmarks of one face."""
        pixels = tensor_to_image(image)
        return pixels, self.detector.landmarks(pixels, self.box)

    def forward(self, images: Tensor, segmentations: Tensor) -> Tensor:
        """``(B, 10)``; the segmentation takes no part."""
        rows = []
        for image in images:
            pixels, points = self.points(image)
            mouth, width, corners, left, right, left_brow, right_brow = expression(points)
            rows.append(
                [
                    *angles(pose(points, pixels.shape[:2])), mouth, width, corners, (left + right) / 2, (left_brow + right_brow) / 2,
                    *light(pixels, points),
                ]
            )  # fmt: skip
        return torch.tensor(np.array(rows), dtype=torch.float32)

    def distance(self, a: Tensor, b: Tensor) -> Tensor:
        """The recogniser's, ``(B,)``."""
        pairs = zip(a, b, strict=True)
        seen = [[self.recogniser.embed(p, q) for p, q in map(self.points, pair)] for pair in pairs]
        return torch.tensor([self.recogniser.distance(*pair) for pair in seen])

    def found(self, image: Tensor) -> bool:
        """Whether the detector finds a face."""
        return bool(self.detector.detect(photograph_from_pixels(tensor_to_image(image), "face")))


def light(pixels: Pixels, points: Points) -> tuple[float, float]:
    """How much brighter the right cheek (in the image) is than the left one, and the chin than the forehead, over their mean."""
    grey = cv2.GaussianBlur(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.float32), (0, 0), pixels.shape[0] / 64)
    unit = float(np.hypot(*(points[45] - points[36])))

    def at(numbers: Sequence[int], down: float = 0.0) -> float:
        x, y = points[list(numbers)].mean(axis=0)
        row, column = (int(np.clip(round(v), 0, len(grey) - 1)) for v in (y + down * unit, x))
        return float(grey[row, column])

    right, left, below, above = at(RIGHT), at(LEFT), at(BELOW), at(ABOVE, -0.25)
    return 2 * (right - left) / max(right + left, 1.0), 2 * (below - above) / max(below + above, 1.0)
