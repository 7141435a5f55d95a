"""Map an aligned face into its photograph: windows of photograph pixels, and exact warps into them."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from torch import Tensor

from vera.faces.alignment import transform, warp_to_photograph
from vera.types import AlignedFace, Mask

Floats = npt.NDArray[np.float32]
"""``(h, w)`` or ``(h, w, C)`` float32."""

LEFT_EYE, RIGHT_EYE = slice(36, 42), slice(42, 48)


@dataclass(frozen=True)
class Window:
    """A box of photograph pixels, ``[top, bottom) x [left, right)``; all heavy work happens inside one."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """Index of this box in an ``(H, W, ...)`` array."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width, ``(h, w)``."""
        return self.bottom - self.top, self.right - self.left

    @classmethod
    def around_points(cls, points: npt.NDArray[np.float64], size: tuple[int, int], *, margin: float = 0.0) -> Window:
        """The smallest box that holds these points, widened by ``margin`` pixels and clipped to a photograph of ``(H, W)``."""
        low = np.floor(points.min(axis=0) - margin).astype(int)
        high = np.ceil(points.max(axis=0) + margin).astype(int) + 1
        height, width = size
        top, left = int(np.clip(low[1], 0, height - 1)), int(np.clip(low[0], 0, width - 1))
        bottom, right = int(np.clip(high[1], top + 1, height)), int(np.clip(high[0], left + 1, width))
        return cls(top, bottom, left, right)

    @classmethod
    def around_mask(cls, mask: Mask, *, margin: int) -> Window:
        """The smallest box that holds a non-empty mask, widened by ``margin`` pixels and clipped to its array."""
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        corners = np.array([[columns[0], rows[0]], [columns[-1], rows[-1]]], dtype=np.float64)
        return cls.around_points(corners, (mask.shape[0], mask.shape[1]), margin=float(margin))

    @classmethod
    def around_face(cls, face: AlignedFace, size: tuple[int, int]) -> Window:
        """The box of the whole aligned crop inside a photograph of ``(H, W)``."""
        return cls.around_points(crop_corners(face), size)

    def into(self, window: npt.NDArray[np.bool_], size: tuple[int, int]) -> Mask:
        """A mask of this window as a mask of the whole photograph, False elsewhere."""
        whole = np.zeros(size, dtype=bool)
        whole[self.slices] = window
        return whole


def eye_distance(face: AlignedFace) -> float:
    """Distance between the eyes' centres in photograph pixels: the unit of every length in this package."""
    return float(np.linalg.norm(face.landmarks[RIGHT_EYE].mean(axis=0) - face.landmarks[LEFT_EYE].mean(axis=0)))


def crop_corners(face: AlignedFace, *, inset: float = 0.0) -> npt.NDArray[np.float64]:
    """``(4, 2)`` corners of the aligned crop in photograph pixels, drawn in by ``inset`` aligned pixels."""
    low, high = inset - 0.5, face.size - 0.5 - inset
    square = np.array([[low, low], [high, low], [high, high], [low, high]])
    return transform(square, face.to_photograph)


def to_window(image: Tensor, face: AlignedFace, window: Window, *, cubic: bool = False) -> tuple[Floats, Mask]:
    """Resample something aligned into a window of the photograph by the exact transform.

    Args:
        image: ``(C, S, S)``; S may differ from ``face.size``: it covers the same square.
        face: aligned face whose transform leads to the photograph.
        window: the photograph pixels asked for.
        cubic: sharper than linear; clamped to the range of each channel.

    Returns:
        ``(h, w, C)``, 0 outside the aligned square, and ``(h, w)``: True inside it.

    """
    box = (window.left, window.top, window.right, window.bottom)
    planes = image.detach().float().cpu()
    warped, inside = warp_to_photograph(planes, face, (window.bottom, window.right), window=box, cubic=cubic)
    if cubic:
        low, high = planes.amin(dim=(1, 2)).numpy(), planes.amax(dim=(1, 2)).numpy()
        warped = np.where(inside[:, :, None], warped.clip(low, high), 0).astype(np.float32)
    return warped, inside


def inside_crop(face: AlignedFace, window: Window, *, inset: float) -> Mask:
    """Mask of a window's pixels that lie in the aligned crop, drawn in by ``inset`` aligned pixels."""
    canvas = np.zeros(window.shape, dtype=np.uint8)
    corners = crop_corners(face, inset=inset) - (window.left, window.top)
    cv2.fillConvexPoly(canvas, np.round(corners).astype(np.int32), 1)
    return canvas.astype(bool)


def dilate(mask: Mask, radius: float) -> Mask:
    """Dilate by a disc of ``radius`` pixels (exact Euclidean distance; 0 leaves the mask as it is)."""
    if radius <= 0 or not mask.any():
        return mask.copy()
    distance = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray(distance <= radius)
