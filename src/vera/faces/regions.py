"""Draw the regions of :mod:`vera.faces.region_choice` as masks: named parts from landmarks and segmentation, boxes and polygons.

The 68 landmarks of iBUG's order go from left to right *in the photograph*, so the patient's right eye is points 36 to 41.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np
import numpy.typing as npt

from vera.faces.landmarks import eye_distance, scaled
from vera.faces.region_choice import MM_OF_EYE_DISTANCE, Region
from vera.types import Mask, Points, Semantic, VeraError

FINE = 4
"""Bits of a pixel's fraction in drawing."""
CLOSED = 0.035
"""DECISION: mean gap of the inner lips in eye distances under which the mouth counts as closed: landmarks of closed lips lie 0.01 apart."""
ROUND = 0.03
"""DECISION: Gaussian width that rounds the corners of drawn parts, in eye distances."""
LID = 12 / MM_OF_EYE_DISTANCE
"""DECISION: height of the lower lid in its middle, in eye distances: to about where the cheek begins."""
TO_BROW = 0.75
"""DECISION: the upper lid goes up to this share of the way to the brow's landmarks, which lie in the brow's middle."""


@dataclass(frozen=True)
class Side:
    """One side of a face: landmarks from the outer corner inwards, and where it lies.

    Attributes:
        eye: the outer corner, upper lid, inner corner, lower lid.
        brow: landmarks of the brow.
        jaw: landmarks beside the cheek, from above.
        wing: landmark beside the nostril.
        corner: landmark of the mouth's corner.
        sign: 1 on the right of the photograph, -1 on its left.

    """

    eye: tuple[int, ...]
    brow: tuple[int, ...]
    jaw: tuple[int, ...]
    wing: int
    corner: int
    sign: float


RIGHT = Side((36, 37, 38, 39, 40, 41), (17, 18, 19, 20, 21), (1, 2, 3, 4, 5), 31, 48, -1.0)
LEFT = Side((45, 44, 43, 42, 47, 46), (26, 25, 24, 23, 22), (15, 14, 13, 12, 11), 35, 54, 1.0)
"""The patient's sides."""


class Parts:
    """The parts of one face as masks.

    Args:
        points: ``(68, 2)`` landmarks, iBUG order, in the pixels of ``labels``.
        labels: ``(h, w)`` class numbers of the photograph's pixels around the face.

    """

    def __init__(self, points: Points, labels: npt.NDArray[np.uint8]) -> None:
        self.points, self.labels, self.unit = points, labels, eye_distance(points)
        across = points[42:48].mean(axis=0) - points[36:42].mean(axis=0)
        self.across = across / np.linalg.norm(across)
        self.down = np.array([-self.across[1], self.across[0]])
        sides = {"left": LEFT, "right": RIGHT}
        draw: dict[str, Callable[[], Mask]] = {
            "teeth": self.teeth, "lips": self.lips, "nose_tip": self.nose_tip, "nostrils": self.nostrils,
            "chin": self.chin, "forehead": self.forehead, "cheeks": lambda: self.cheek(LEFT) | self.cheek(RIGHT),
        }  # fmt: skip
        for name, side in sides.items():
            draw |= {
                f"{name}_eye": partial(self.eye, side),
                f"{name}_upper_eyelid": partial(self.upper_eyelid, side),
                f"{name}_lower_eyelid": partial(self.lower_eyelid, side),
                f"{name}_brow": partial(self.of_side, Semantic.BROWS, side),
                f"{name}_ear": partial(self.of_side, Semantic.EARS, side),
                f"{name}_cheek": partial(self.cheek, side),
            }
        self._draw = draw | {known.name.lower(): partial(self.of_class, known) for known in Semantic}

    def mask(self, name: str) -> Mask:
        """A named region.

        Args:
            name: key of :data:`vera.faces.region_choice.NAMES`, or the name of a semantic class.

        Returns:
            ``(h, w)``; empty where the part is not seen.

        Raises:
            VeraError: teeth of a closed mouth.

        """
        return self._draw[name]()

    def of_class(self, known: Semantic) -> Mask:
        """Pixels of a class."""
        return np.asarray(self.labels == known)

    def of_side(self, known: Semantic, side: Side) -> Mask:
        """Pixels of a class on one side of the face's midline."""
        rows, columns = np.nonzero(self.labels == known)
        top, way = self.points[27], self.points[8] - self.points[27]
        beyond = way[1] * (columns - top[0]) - way[0] * (rows - top[1])  # above 0: right of the midline in the photograph
        chosen = beyond * side.sign > 0
        found = np.zeros(self.labels.shape, dtype=bool)
        found[rows[chosen], columns[chosen]] = True
        return found

    def eye(self, side: Side) -> Mask:
        """An eye between its lids."""
        line = self.points[list(side.eye)]
        near = self._filled(scaled(line, 1.4))
        return self._filled(line) | (self.of_side(Semantic.EYES, side) & near)

    def upper_eyelid(self, side: Side) -> Mask:
        """The skin above an eye, up to the brow."""
        eye, brow = self.points[list(side.eye[:4])], self.points[list(side.brow)]
        out = -self._outwards(side)
        low = np.vstack([eye[0] - 0.06 * self.unit * out, eye, eye[3] + 0.03 * self.unit * out])
        at = (brow - eye[0]) @ out
        height = np.interp((low - eye[0]) @ out, at, (brow - eye[0]) @ self.down)
        over = low + ((height - (low - eye[0]) @ self.down) * TO_BROW)[:, None] * self.down
        lid = self._smooth(np.vstack([low, over[::-1]])) | self._filled(np.vstack([eye, over[4:0:-1]]))
        return np.asarray(lid & ~self.eye(side) & (self.labels != Semantic.BROWS) & (self.labels != Semantic.HAIR))

    def lower_eyelid(self, side: Side) -> Mask:
        """The skin under an eye."""
        eye = self.points[list(side.eye)]
        line = eye[[0, 5, 4, 3]]
        low = line + LID * self.unit * np.array([0.45, 1.0, 1.0, 0.5])[:, None] * self.down
        lid = self._smooth(np.vstack([line, low[::-1]])) | self._filled(np.vstack([line, low[2:0:-1]]))
        return np.asarray(lid & ~self.eye(side) & (self.labels != Semantic.NOSE))

    def lips(self) -> Mask:
        """Both lips."""
        outer = self.points[48:60]
        whole = self._filled(outer) | (self.of_class(Semantic.MOUTH) & self._filled(scaled(outer, 1.25)))
        return whole & ~self._filled(self.points[60:68]) if self._gap() > CLOSED else whole

    def teeth(self) -> Mask:
        """The inside of the lips."""
        if self._gap() <= CLOSED:
            raise VeraError("the mouth is closed, and no teeth are seen")
        return self._filled(self.points[60:68])

    def nose_tip(self) -> Mask:
        """An oval around the tip."""
        tip = self.points[30] + 0.02 * self.unit * self.down
        return self._oval(tip, 0.19, 0.15) & ~self.nostrils()

    def nostrils(self) -> Mask:
        """The base of the nose with both nostrils."""
        line = self.points[31:36] + np.array([-0.05, 0, 0, 0, 0.05])[:, None] * self.unit * self.across
        up = np.array([0.10, 0.14, 0.10, 0.14, 0.10])[:, None] * self.unit * self.down
        return self._smooth(np.vstack([line - up, (line + 0.03 * self.unit * self.down)[::-1]]))

    def chin(self) -> Mask:
        """The chin: one piece, also where the parser sees the neck in a fold under it."""
        jaw, lip = self.points[6:11] + 0.06 * self.unit * self.down, self.points[57]
        fold = lip + 0.3 * (self.points[8] - lip)
        corners = [fold + part * self.unit * self.across for part in (-0.36, -0.18, 0.0, 0.18, 0.36)]
        return largest(self._smooth(np.vstack([jaw, corners[::-1]])) & ~self._is(Semantic.MOUTH, Semantic.NECK, Semantic.CLOTHES))

    def forehead(self) -> Mask:
        """The skin above the brows."""
        brows = self.points[17:27] - 0.02 * self.unit * self.down
        up = 1.6 * self.unit * self.down
        return largest(self._filled(np.vstack([brows, (brows - up)[::-1]])) & self._is(Semantic.SKIN))

    def cheek(self, side: Side) -> Mask:
        """A cheek."""
        p, out, unit = self.points, self._outwards(side), self.unit
        eye = p[list(side.eye)][[0, 5, 4, 3]] + (LID + 0.04) * unit * np.array([0.45, 1.0, 1.0, 0.75])[:, None] * self.down
        wing, corner = p[side.wing] + 0.1 * unit * out, p[side.corner] + 0.12 * unit * out
        jaw = p[list(side.jaw)]
        inwards = wing - jaw
        jaw = jaw + 0.04 * unit * inwards / np.linalg.norm(inwards, axis=1, keepdims=True)
        return self._smooth(np.vstack([eye, [wing, corner], jaw[::-1]])) & self._is(Semantic.SKIN)

    def _outwards(self, side: Side) -> npt.NDArray[np.float64]:
        return np.asarray(side.sign * self.across)

    def _gap(self) -> float:
        """Mean distance of the inner lips, in eye distances."""
        return float(np.linalg.norm(self.points[[61, 62, 63]] - self.points[[67, 66, 65]], axis=1).mean()) / self.unit

    def _is(self, *classes: Semantic) -> Mask:
        return np.isin(self.labels, [int(known) for known in classes])

    def _oval(self, centre: Points, wide: float, high: float) -> Mask:
        angles = np.linspace(0, 2 * math.pi, 48, endpoint=False)[:, None]
        return self._filled(centre + self.unit * (wide * np.cos(angles) * self.across + high * np.sin(angles) * self.down))

    def _smooth(self, polygon: Points) -> Mask:
        """A polygon with rounded corners."""
        soft = cv2.GaussianBlur(self._filled(polygon).astype(np.float32), (0, 0), ROUND * self.unit)
        return np.asarray(soft > 0.5)

    def _filled(self, polygon: Points) -> Mask:
        return filled(polygon, self.labels.shape)


def filled(polygon: Points, size: tuple[int, ...]) -> Mask:
    """The inside of a polygon, ``(H, W)`` of this size; points are pixel centres (x, y)."""
    canvas = np.zeros(size, dtype=np.uint8)
    cv2.fillPoly(canvas, [np.round(polygon * 2**FINE).astype(np.int32)], 1, shift=FINE)
    return canvas.astype(bool)


def shape_mask(region: Region, size: tuple[int, int], name: str) -> Mask:
    """A box or polygon, without its margin.

    Args:
        region: a box or polygon. The box x, y, w, h covers columns x to x + w - 1 and rows y to y + h - 1.
        size: ``(H, W)`` of the photograph as it is displayed.
        name: the photograph's name in messages.

    Raises:
        VeraError: it reaches outside the photograph, or covers no pixel.

    """
    numbers, (height, width) = region.numbers, size
    if region.name == "box":
        x, y, w, h = numbers
        inside = min(x, y) >= 0 and x + w <= width and y + h <= height
    else:
        points = np.asarray(numbers, dtype=np.float64).reshape(-1, 2)
        inside = bool((points >= 0).all() and (points <= np.array([width, height]) - 1).all())
    if not inside:
        raise VeraError(
            f"'{region}' reaches outside photograph '{name}', which is {width} pixels wide and {height} high as it is displayed: "
            "count pixels from 0 at its top left"
        )
    if region.name == "polygon":
        return filled(points, size)
    mask = np.zeros(size, dtype=bool)
    mask[math.floor(y) : math.ceil(y + h), math.floor(x) : math.ceil(x + w)] = True
    return mask


def largest(mask: Mask) -> Mask:
    """The largest connected piece of a mask ``(H, W)``; an empty one stays empty."""
    count, pieces, statistics, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    if count < 2:
        return mask
    return np.asarray(pieces == 1 + int(statistics[1:, cv2.CC_STAT_AREA].argmax()))
