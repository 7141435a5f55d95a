"""Expected regions of a face and its surroundings, drawn from 68 landmarks of an aligned face."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from vera.faces.landmarks import HAIRLINE, scaled
from vera.types import Mask, Points, Semantic

Map = npt.NDArray[np.float32]

JAW, LEFT_BROW, RIGHT_BROW = slice(0, 17), slice(17, 22), slice(22, 27)
LEFT_EYE, RIGHT_EYE, LIPS = slice(36, 42), slice(42, 48), slice(48, 60)
FINE = 4
"""Polygons are drawn this much larger and averaged down: antialiased."""


class FaceGeometry:
    """Regions of one aligned face as masks; all are expectations from the landmarks, none looks at colours.

    Args:
        points: ``(68, 2)`` pixel coordinates in the aligned face.
        side: side of the aligned square in pixels.

    """

    def __init__(self, points: Points, side: int) -> None:
        self.points = points
        self.side = side
        self.rows: npt.NDArray[np.float64]
        self.columns: npt.NDArray[np.float64]
        self.rows, self.columns = np.mgrid[:side, :side].astype(np.float64)
        brows = points[17:27].mean(0)
        self.up = brows - points[33]
        middle, half = (points[0] + points[16]) / 2, (points[16] - points[0]) / 2
        angles = np.linspace(np.pi, 0, 17)[1:-1, None]
        top = brows + HAIRLINE * self.up - middle  # the hairline itself is found by colour
        arc = middle + np.cos(angles) * half + np.sin(angles) * top
        self.outline = np.vstack([points[JAW], arc[::-1]])
        self.centre = points[27:31].mean(0)
        self.width = float(np.linalg.norm(points[16] - points[0]))
        self.brow_row, self.chin_row = float(brows[1]), float(points[8, 1])
        self.face = self._scaled_outline(0.95)
        self.core = self._core()
        self.below_jaw = self._below_jaw()
        self.ears = self._ears()

    @property
    def head(self) -> Mask:
        """Face and hair, probably."""
        wide = self._scaled_outline(1.35) | self._scaled_outline(1.35, np.array([0, 0.25 * self.up[1]]))
        return np.asarray(wide & (self.rows < self.chin_row), dtype=np.bool_)

    @property
    def scalp(self) -> Mask:
        """Pixels that certainly show the person: the forehead with the hair on it."""
        return np.asarray(self._scaled_outline(1.12) & (self.rows < self.brow_row), dtype=np.bool_)

    @property
    def torso(self) -> Mask:
        """Neck and shoulders, probably: from the jaw's sides outwards."""
        left, right, low = self.points[4], self.points[12], self.side
        reach = 0.5 * self.width
        corners = [
            left,
            right,
            (right[0] + reach, low * 0.86),
            (low, low * 0.95),
            (low, low),
            (0, low),
            (0, low * 0.95),
            (left[0] - reach, low * 0.86),
        ]
        return self._filled(np.array(corners))

    @property
    def column(self) -> Mask:
        """Pixels that certainly show the person: from the chin down to the border."""
        left, right = self.points[6], self.points[10]
        return self._filled(np.array([left, right, (right[0], self.side), (left[0], self.side)]))

    @property
    def margin(self) -> Mask:
        """Pixels that certainly show background: the outermost columns at both sides of the face."""
        strip = 0.025 * self.side
        at_side = (self.columns < strip) | (self.columns >= self.side - strip)
        return np.asarray(at_side & (self.rows < self.points[4:13, 1].mean()) & ~self._scaled_outline(1.2), dtype=np.bool_)

    @property
    def crown(self) -> Mask:
        """Hair, if there is any: above and beside the forehead."""
        return np.asarray((self.rows < self.brow_row) & ~self._scaled_outline(1.1), dtype=np.bool_)

    @property
    def beside_face(self) -> Mask:
        """Region beside the face that hanging hair passes: outside the outline, at the height of the nose's base and the mouth."""
        low, high = self.points[33, 1], self.points[48:60, 1].mean()
        return np.asarray((self.rows > low) & (self.rows < high) & ~self._scaled_outline(1.08), dtype=np.bool_)

    @property
    def throat(self) -> Mask:
        """Neck, unless covered: a short column under the chin."""
        jaw = self.points[5:12]
        near, far = (np.array([0.0, share * self.side]) for share in (0.015, 0.09))
        return self._filled(np.vstack([jaw + near, (jaw + far)[::-1]])) & self.below_jaw

    @property
    def bottom(self) -> Mask:
        """Clothes, probably: what lies lowest."""
        return np.asarray(self.rows > max(0.93 * self.side, min(self.chin_row + 0.04 * self.side, 0.98 * self.side)), dtype=np.bool_)

    @property
    def last_rows(self) -> Mask:
        """The border that clothes reach."""
        return np.asarray(self.rows >= self.side - 3, dtype=np.bool_)

    def material_priors(self) -> Map:
        """``(3, side, side)``: how much flesh, hair and clothes are expected, before colours are looked at; not normalised."""
        soft = self.side / 50
        inner = _soft(self._scaled_outline(0.9), soft)
        oval = _soft(self._scaled_outline(1.02), soft)
        core = _soft(self.core, soft / 2)
        under = 1 / (1 + np.exp(-(self.rows - self.chin_row) / (0.03 * self.side)))
        depth = np.clip((self.rows - self.chin_row) / max(self.side - self.chin_row, 1.0), 0, 1)
        throat = _soft(self.throat, soft)
        beside = _soft(self.ears, soft / 2)
        between = (self.columns > self.points[4, 0]) & (self.columns < self.points[12, 0])
        features = np.max([self.part(s) for s in (Semantic.EYES, Semantic.MOUTH, Semantic.NOSE)], axis=0)
        flesh = 0.08 + 0.3 * beside + 0.4 * oval + 0.5 * inner + 0.6 * throat + under * (0.25 - 0.15 * depth)
        hair = (0.75 - 0.45 * oval - 0.15 * inner - 0.2 * beside) * (1 - 0.75 * under) * (1 - core) * (1 - features) * (1 - 0.6 * throat)
        hair *= 1 - 0.5 * under * between
        beard = _soft(self._scaled_outline(1.03) & (self.rows > self.points[36:48, 1].mean()), soft / 2)
        hair *= 1 - 0.97 * beard  # beards count as skin, as in CelebAMask-HQ
        clothes = under * (0.15 + 0.75 * depth) * (1 - 0.7 * throat) * (1 - oval * (1 - under))
        return np.stack([flesh, hair, clothes]).astype(np.float32)

    def part(self, semantic: Semantic) -> Map:
        """``(side, side)`` in [0, 1], antialiased: nose, brows, eyes or mouth."""
        polygons = {
            Semantic.NOSE: [self._nose()],
            Semantic.BROWS: [self._brow(LEFT_BROW), self._brow(RIGHT_BROW)],
            Semantic.EYES: [self._eye(LEFT_EYE), self._eye(RIGHT_EYE)],
            Semantic.MOUTH: [self.points[LIPS]],
        }
        return np.asarray(np.max([self._drawn(polygon) for polygon in polygons[semantic]], axis=0), dtype=np.float32)

    def _core(self) -> Mask:
        """Pixels that certainly show skin: cheeks, nose and the brows' gap, without eyes and mouth."""
        p = self.points
        inside = self.centre + 0.85 * (p[[1, 2, 3, 4, 5, 11, 12, 13, 14, 15]] - self.centre)
        cheeks = self._filled(np.vstack([inside, p[[45, 27, 36]] + [0, 0.01 * self.side]]))
        mouth = self._filled(scaled(p[LIPS], 1.25))
        eyes = np.max([self._drawn(scaled(p[e], 1.6)) for e in (LEFT_EYE, RIGHT_EYE)], axis=0) > 0
        return np.asarray(cheeks & ~mouth & ~eyes, dtype=np.bool_)

    def _below_jaw(self) -> Mask:
        jaw = self.points[2:15]
        order = np.argsort(jaw[:, 0])
        line = np.interp(self.columns[0], jaw[order, 0], jaw[order, 1])[None]
        inside = (self.columns > jaw[:, 0].min()) & (self.columns < jaw[:, 0].max())
        return np.asarray(np.where(inside, self.rows > line, self.rows > self.points[[3, 13], 1].mean()), dtype=np.bool_)

    def _ears(self) -> Mask:
        p, low, high = self.points, self.points[17:27, 1].mean(), self.points[[3, 13], 1].mean()
        level = (self.rows > low - 0.02 * self.side) & (self.rows < high + 0.02 * self.side)
        height = p[[0, 1, 2, 3, 4]][:, ::-1], p[[16, 15, 14, 13, 12]][:, ::-1]
        left = self.columns < np.interp(self.rows[:, 0], *height[0].T)[:, None] - 0.006 * self.side
        right = self.columns > np.interp(self.rows[:, 0], *height[1].T)[:, None] + 0.006 * self.side
        near = np.abs(self.columns - self.centre[0]) < 0.5 * self.width + 0.16 * self.width + abs(self.centre[0] - (p[0, 0] + p[16, 0]) / 2)
        return np.asarray(level & near & (left | right), dtype=np.bool_)

    def _nose(self) -> Points:
        p, out = self.points, 0.025 * self.width
        bridge = [p[27] + 0.4 * (p[e] - p[27]) for e in (39, 42)]
        wings = [
            p[35] + [out, -out],
            p[35] + [out * 0.6, out * 0.3],
            p[33] + [0, out * 0.5],
            p[31] + [-out * 0.6, out * 0.3],
            p[31] + [-out, -out],
        ]
        return np.array([bridge[0], bridge[1], p[29] + 0.6 * (p[35] - p[33]) * [1, 0], *wings, p[29] + 0.6 * (p[31] - p[33]) * [1, 0]])

    def _brow(self, part: slice) -> Points:
        line = self.points[part]
        thick = 0.028 * self.width * np.array([0.6, 1.0, 1.0, 1.0, 0.6])[:, None] * [0, 1]
        return np.vstack([line - 0.6 * thick, (line + 1.1 * thick)[::-1]])

    def _eye(self, part: slice) -> Points:
        return scaled(self.points[part], np.array([1.08, 1.25]))

    def _scaled_outline(self, factor: float, shift: npt.NDArray[np.float64] | float = 0.0) -> Mask:
        return self._filled(self.centre + shift + factor * (self.outline - self.centre))

    def _filled(self, polygon: Points) -> Mask:
        return np.asarray(self._drawn(polygon) > 0.5, dtype=np.bool_)

    def _drawn(self, polygon: Points) -> Map:
        canvas = np.zeros((self.side * FINE, self.side * FINE), np.uint8)
        fine = np.clip((polygon + 0.5) * FINE - 0.5, -1e5, 1e5).round().astype(np.int32)
        cv2.fillPoly(canvas, [fine], 255)
        return np.asarray(cv2.resize(canvas, (self.side, self.side), interpolation=cv2.INTER_AREA), dtype=np.float32) / np.float32(255)


def _soft(mask: Mask, sigma: float) -> Map:
    return np.asarray(cv2.GaussianBlur(mask.astype(np.float32), (0, 0), sigma), dtype=np.float32)
