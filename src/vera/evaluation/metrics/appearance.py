"""Appearance of an anonymized face beside its source: landmarks, colour of skin, border and region, and sharpness.

Colours are compared by the CIEDE2000 difference (Sharma, Wu and Dalal, 2005); about 1 is just noticeable.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from skimage.color import deltaE_ciede2000, rgb2lab

from vera.distributed import Collected
from vera.faces.landmarks import eye_distance, require_landmarks
from vera.mosaic.colour import typology_angle
from vera.types import Mask, Pixels, Points, VeraError

CHEEKS = ((2, 31), (14, 35))
"""Landmarks of the jaw and the nose's wing; a cheek lies half-way between them."""
RADIUS = 0.12
"""DECISION: radius of a patch of cheek, in eye distances."""
TONES = ((55.0, "very light"), (41.0, "light"), (28.0, "intermediate"), (10.0, "tan"), (-30.0, "brown"))
"""Least individual typology angle of each skin tone, in degrees; under the last it is dark (Chardon, Cretois and Hourseau, 1991;
Del Bino et al., 2006)."""
DARK = "dark"
FIGURES = ("landmark_error", "skin_delta_e", "ita_change", "seam_delta_e", "seam_delta_e_before", "region_delta_e", "sharpness")


class AppearanceChange(Collected):
    """Means over photographs of seven differences between a face and its anonymized one."""

    higher_is_better = False

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        for name in FIGURES:
            self.add_column(name, torch.float64)

    def update(self, original: Pixels, anonymized: Pixels, preserved: Mask, landmarks: Points, found: Points | None) -> None:
        """Add one photograph whose original shows a face.

        Args:
            original: the source photograph, ``(H, W, 3)`` uint8.
            anonymized: the anonymized photograph, of the same size.
            preserved: mask ``(H, W)`` of the pixels that must be equal.
            landmarks: ``(68, 2)`` of the original's face, in its pixels.
            found: landmarks of the anonymized face; None if no face is found there.

        Raises:
            VeraError: arrays of different sizes, or landmarks that are not 68 finite points.

        """
        if original.shape != anonymized.shape or preserved.shape != original.shape[:2]:
            raise VeraError(f"{original.shape}, {anonymized.shape} and {preserved.shape}: compare photographs of one size")
        points = require_landmarks(landmarks, "a comparison of faces needs")
        unit = max(eye_distance(points), 1e-6)
        shift = np.linalg.norm(found - points, axis=1).mean() / unit if found is not None else np.nan
        skin, new_skin = (lab_of_skin(pixels, points, without=preserved) for pixels in (original, anonymized))
        seam = [seam_difference(pixels, preserved) for pixels in (anonymized, original)]
        sharp = [_sharpness(pixels, points, preserved) for pixels in (anonymized, original)]
        values = (
            shift,
            float(_difference(skin, new_skin)) if skin is not None and new_skin is not None else np.nan,
            typology_angle(new_skin) - typology_angle(skin) if skin is not None and new_skin is not None else np.nan,
            *seam,
            _mean_difference(original[preserved], anonymized[preserved]),
            sharp[0] / sharp[1] if sharp[1] > 0 else np.nan,
        )
        for name, value in zip(FIGURES, values, strict=True):
            self.append(name, [value])

    def compute(self) -> dict[str, Any]:
        """Means, None where nothing could be measured; and the number of ``photographs``.

        ``landmark_error``: mean distance of the 68 landmarks, in eye distances (NME). ``skin_delta_e``: of the cheeks' median colours.
        ``ita_change``: mean change of the individual typology angle, in degrees (above 0: lighter). ``seam_delta_e``: between neighbours
        across the preserved region's border; ``seam_delta_e_before``: the same in the original. ``region_delta_e``: inside the region, 0
        if it is kept. ``sharpness``: ratio of the Laplacian's standard deviation in the replaced face, after to before.
        """
        columns = {name: np.sort(self.column(name)) for name in FIGURES}
        finite = {name: values[np.isfinite(values)] for name, values in columns.items()}
        means = {name: float(values.mean()) if len(values) else None for name, values in finite.items()}
        return {**means, "photographs": len(columns["sharpness"])}


def lab_of_skin(pixels: Pixels, landmarks: Points, *, without: Mask | None = None) -> npt.NDArray[np.float64] | None:
    """Median CIE Lab colour of both cheeks, ``(3,)``; None if they lie outside the photograph or in the mask.

    Args:
        pixels: ``(H, W, 3)`` uint8 sRGB.
        landmarks: ``(68, 2)`` in these pixels.
        without: mask ``(H, W)`` of pixels that do not count; None for none.

    """
    patch = np.zeros(pixels.shape[:2], dtype=np.uint8)
    radius = max(1, round(RADIUS * eye_distance(landmarks)))
    for jaw, wing in CHEEKS:
        centre = np.clip(np.round((landmarks[jaw] + landmarks[wing]) / 2), -1e6, 1e6).astype(int)
        cv2.circle(patch, (int(centre[0]), int(centre[1])), radius, 1, -1)
    chosen = patch.astype(bool) & (~without if without is not None else True)
    return np.asarray(np.median(_lab(pixels[chosen]), axis=0)) if chosen.any() else None


def skin_tone(pixels: Pixels, landmarks: Points) -> str | None:
    """Name of the skin tone of a face by its typology angle, as in :data:`TONES`; None where no cheek is seen.

    It is measured in the photograph, whose light and white balance it includes: it tells groups of pictures apart, not origins of people.

    Args:
        pixels: ``(H, W, 3)`` uint8 sRGB.
        landmarks: ``(68, 2)`` in these pixels.

    """
    lab = lab_of_skin(pixels, landmarks)
    if lab is None:
        return None
    angle = typology_angle(lab)
    return next((name for least, name in TONES if angle > least), DARK)


def seam_difference(pixels: Pixels, region: Mask) -> float:
    """Mean colour difference of neighbouring pixels of which one is in the region; NaN without a border."""
    across, down = region[:, 1:] != region[:, :-1], region[1:] != region[:-1]
    first = np.concatenate([pixels[:, :-1][across], pixels[:-1][down]])
    second = np.concatenate([pixels[:, 1:][across], pixels[1:][down]])
    return float(_difference(_lab(first), _lab(second)).mean()) if len(first) else float("nan")


def _mean_difference(first: npt.NDArray[np.uint8], second: npt.NDArray[np.uint8]) -> float:
    """Mean colour difference of two lists of pixels, ``(N, 3)``; NaN of none. Only those that differ are converted: most are equal."""
    changed = (first != second).any(axis=1)
    if not changed.any():
        return 0.0 if len(first) else float("nan")
    return float(_difference(_lab(first[changed]), _lab(second[changed])).sum() / len(first))


def _sharpness(pixels: Pixels, landmarks: Points, preserved: Mask) -> float:
    hull = np.zeros(preserved.shape, dtype=np.uint8)
    cv2.fillConvexPoly(hull, cv2.convexHull(np.round(landmarks).astype(np.int32)), 1)
    inside = hull.astype(bool) & ~preserved
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.float64)
    return float(cv2.Laplacian(grey, cv2.CV_64F)[inside].std()) if inside.any() else float("nan")


def _lab(colours: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    return np.asarray(rgb2lab(colours[None])[0] if len(colours) else np.zeros((0, 3)), dtype=np.float64)


def _difference(first: npt.NDArray[np.float64], second: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(deltaE_ciede2000(first, second), dtype=np.float64)  # type: ignore[no-untyped-call]
