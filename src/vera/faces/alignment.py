"""Aligned faces: the FFHQ crop (Karras et al., CVPR 2019) as an exact similarity transform, in both directions."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from vera.types import AlignedFace, Mask, Photograph, Points, VeraError

Floats = npt.NDArray[np.float32]
Similarity = npt.NDArray[np.float64]
"""``(2, 3)``, source pixel coordinates to target pixel coordinates."""
Window = tuple[int, int, int, int]
"""``x0, y0, x1, y1`` in photograph pixels, ends excluded."""


def align(photograph: Photograph, landmarks: Points, size: int) -> AlignedFace:
    """Cut a face out in the FFHQ alignment.

    Shrinking is antialiased; outside the photograph the crop shows its reflection.

    Args:
        photograph: photograph of any size.
        landmarks: ``(68, 2)`` in photograph pixels, iBUG order.
        size: side S of the crop in pixels.

    Returns:
        The aligned face, image ``(3, S, S)`` float32 in [-1, 1].

    Raises:
        VeraError: for landmarks of another shape, not finite, or with eyes and mouth in one point.

    Examples:
        >>> from skimage import data
        >>> from vera.faces.alignment import align
        >>> from vera.faces.detection import DlibDetector
        >>> from vera.faces.photograph import photograph_from_pixels
        >>> photograph = photograph_from_pixels(data.astronaut(), "astronaut")
        >>> (found,) = DlibDetector().as_given().detect(photograph)
        >>> face = align(photograph, found.landmarks, size=128)
        >>> face.image.shape, face.to_photograph.shape
        (torch.Size([3, 128, 128]), (2, 3))

    """
    to_photograph = ffhq_similarity(landmarks, size)
    crop = resample(photograph.pixels, to_photograph, size, cubic=True)
    image = torch.from_numpy(np.ascontiguousarray(crop.transpose(2, 0, 1))).div(127.5).sub(1).clamp(-1, 1)
    return AlignedFace(image=image, to_photograph=to_photograph, landmarks=np.asarray(landmarks, dtype=np.float64))


def ffhq_similarity(landmarks: Points, size: int) -> Similarity:
    """Aligned pixel coordinates to photograph pixel coordinates.

    The crop's x axis is eye-to-eye minus the rotated eye-to-mouth; half its side is the larger of 2.0 eye-to-eye and 1.8
    eye-to-mouth; its centre lies 0.1 eye-to-mouth below the middle of the eyes.

    Args:
        landmarks: landmarks in photograph pixels, ``(68, 2)`` in iBUG order.
        size: side S of the crop; its corners are ``(-0.5, -0.5)`` and ``(S - 0.5, S - 0.5)``.

    Returns:
        ``(2, 3)`` float64: rotation, uniform scale and shift.

    Raises:
        VeraError: as :func:`align`.

    """
    points = np.asarray(landmarks, dtype=np.float64)
    if points.shape != (68, 2) or not np.isfinite(points).all():
        raise VeraError("alignment needs 68 finite landmarks (x, y) in iBUG order: take a detector that gives them")
    if size < 1:
        raise VeraError(f"an aligned face needs a positive size, this is {size}")
    left, right, mouth = points[36:42].mean(0), points[42:48].mean(0), (points[48] + points[54]) / 2
    eyes, eye_to_eye = (left + right) / 2, right - left
    eye_to_mouth = mouth - eyes
    x = eye_to_eye - np.array([-eye_to_mouth[1], eye_to_mouth[0]])
    length = np.hypot(*x)
    if length < 1e-6:
        raise VeraError("the landmarks' eyes and mouth fall into one point: choose another face or photograph")
    x *= max(2.0 * np.hypot(*eye_to_eye), 1.8 * np.hypot(*eye_to_mouth)) / length
    y = np.array([-x[1], x[0]])
    corner = eyes + 0.1 * eye_to_mouth - x - y
    step = 2 / size
    return np.column_stack([x * step, y * step, corner + (x + y) / size])


def resample(values: npt.NDArray[Any], to_source: Similarity, size: int, *, cubic: bool = False) -> Floats:
    """Resample a square of an image through a similarity transform, antialiased when it shrinks, reflected outside.

    Args:
        values: ``(H, W)`` or ``(H, W, C)`` uint8, bool or float.
        to_source: ``(2, 3)``, target pixel coordinates to this image's.
        size: side of the target.
        cubic: sharper, but overshoots; for images. Linear keeps masks and probabilities in their range.

    Returns:
        ``(size, size)`` or ``(size, size, C)`` float32 in the input's units.

    """
    height, width = values.shape[:2]
    corners = np.array([[x, y, 1.0] for x in (-0.5, size - 0.5) for y in (-0.5, size - 0.5)]) @ to_source.T
    shrink = float(np.hypot(*to_source[:, 0]))
    margin = 4 * max(1.0, shrink) + 2
    lower, upper = np.floor(corners.min(0) - margin), np.ceil(corners.max(0) + margin)
    (x0, x1), (y0, y1) = (_span(int(a), int(b), n) for a, b, n in zip(lower, upper, (width, height), strict=True))
    part = np.ascontiguousarray(values[y0:y1, x0:x1])
    part = part.astype(np.float32) if part.dtype != np.uint8 else part
    offset = to_source - np.array([[0, 0, x0], [0, 0, y0]])
    whole = max(1, int(shrink))  # first average whole blocks, which is exact and fast, then blur the little that is left
    if whole > 1:
        part = _average_blocks(part, whole)
        offset = offset / whole
        offset[:, 2] += 0.5 / whole - 0.5
    part = _blurred(part.astype(np.float32), shrink / whole)
    flags = (cv2.INTER_CUBIC if cubic else cv2.INTER_LINEAR) | cv2.WARP_INVERSE_MAP
    return _warp(part, offset, (size, size), flags, cv2.BORDER_REFLECT_101)


def warp_to_photograph(
    image: Tensor | Floats, face: AlignedFace, size: tuple[int, int], *, window: Window | None = None, cubic: bool = False
) -> tuple[Floats, Mask]:
    """Warp an image from the aligned face back into its photograph.

    Args:
        image: ``(C, S', S')`` float, any range; S' may differ from the face's size (the crop's frame is the same).
        face: aligned face whose transform leads to the photograph.
        size: the photograph's ``(H, W)``.
        window: ``(x0, y0, x1, y1)``, ends excluded: compute only this part of the photograph. None: all of it.
        cubic: sharper, but overshoots; for images. Linear keeps masks and probabilities in their range.

    Returns:
        ``(H, W, C)`` float32, zero outside the crop, and ``(H, W)`` bool, True inside the crop; H and W are the window's, if given.

    """
    array = image.detach().float().cpu().numpy() if isinstance(image, Tensor) else np.asarray(image, dtype=np.float32)
    if array.ndim != 3 or array.shape[1] != array.shape[2]:
        raise VeraError(f"an aligned image must be (C, S, S), this is {array.shape}")
    side = array.shape[-1]
    ratio = face.size / side
    to_photograph = face.to_photograph @ np.array([[ratio, 0, (ratio - 1) / 2], [0, ratio, (ratio - 1) / 2], [0, 0, 1]])
    x0, y0, x1, y1 = window or (0, 0, size[1], size[0])
    to_window = to_photograph - np.array([[0, 0, x0], [0, 0, y0]])
    channels = _blurred(np.ascontiguousarray(array.transpose(1, 2, 0)), 1 / float(np.hypot(*to_photograph[:, 0])))
    flags = cv2.INTER_CUBIC if cubic else cv2.INTER_LINEAR
    shape = (max(y1 - y0, 0), max(x1 - x0, 0))
    warped = _warp(channels, to_window, shape, flags, cv2.BORDER_REPLICATE).reshape(*shape, array.shape[0])
    inside = _inside(to_window, shape, side)
    warped[~inside] = 0
    return warped, inside


def transform(points: Points, similarity: Similarity) -> Points:
    """``(N, 2)`` points through a ``(2, 3)`` similarity."""
    return np.asarray(points @ similarity[:, :2].T + similarity[:, 2], dtype=np.float64)


def _span(low: int, high: int, length: int) -> tuple[int, int]:
    """The part of [0, length) that ``[low, high]`` needs, its reflections at the borders included."""
    needed_low, needed_high = min(low, 2 * (length - 1) - high), max(high, -low)
    return min(max(needed_low, 0), length - 1), max(min(needed_high + 1, length), 1)


def _average_blocks(part: npt.NDArray[Any], side: int) -> npt.NDArray[Any]:
    height, width = part.shape[:2]
    padded = cv2.copyMakeBorder(part, 0, -height % side, 0, -width % side, cv2.BORDER_REFLECT)
    blocks = (padded.shape[1] // side, padded.shape[0] // side)
    return np.asarray(cv2.resize(padded, blocks, interpolation=cv2.INTER_AREA))


def _blurred(image: Floats, shrink: float) -> Floats:
    """Low-pass filter before shrinking by ``shrink`` (Gaussian; sigma 0 at 1, about half a target pixel at 2)."""
    if shrink <= 1:
        return image
    sigma = 0.5 * float(np.sqrt(shrink**2 - 1))
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101), dtype=np.float32).reshape(image.shape)


def _warp(image: Floats, matrix: Similarity, shape: tuple[int, int], flags: int, border: int) -> Floats:
    """``cv2.warpAffine`` for any number of channels (it takes four)."""
    if image.ndim == 2:
        return np.asarray(cv2.warpAffine(image, matrix, shape[::-1], flags=flags, borderMode=border), dtype=np.float32)
    parts = [
        cv2.warpAffine(np.ascontiguousarray(image[..., c : c + 4]), matrix, shape[::-1], flags=flags, borderMode=border)
        for c in range(0, image.shape[2], 4)
    ]
    return np.asarray(np.concatenate([p.reshape(*shape, -1) for p in parts], axis=2), dtype=np.float32)


def _inside(to_window: Similarity, shape: tuple[int, int], side: int) -> Mask:
    inverse = np.linalg.inv(to_window[:, :2])
    columns, rows = np.arange(shape[1]) - to_window[0, 2], np.arange(shape[0])[:, None] - to_window[1, 2]
    u, v = (inverse[i, 0] * columns + inverse[i, 1] * rows for i in (0, 1))
    return np.asarray((u >= -0.5) & (u <= side - 0.5) & (v >= -0.5) & (v <= side - 0.5), dtype=np.bool_)
