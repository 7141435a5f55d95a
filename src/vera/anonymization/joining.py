"""Joining a fitted face to its photograph, in photograph pixels.

The new face has the photograph's light already, so little is left to do. What differs in shade between new skin and the kept skin beside it
is carried inwards and fades. Beside a kept region the new face follows its colours a little way. At all other borders (hair,
background) only the outermost pixels are softened. Source pixels are read outside the covered region only, as averages; none is copied in.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch

from vera.anonymization.detail import grey_of, measured, octaves, with_detail
from vera.anonymization.placement import Floats, Window, dilate, eye_distance, to_window
from vera.anonymization.screened_poisson import FIXED, screened_poisson
from vera.types import FACE_FEATURES, FACE_SKIN, AlignedFace, Mask, Photograph, Pixels, Semantic

# DECISION: all lengths below are fractions of the distance between the eyes, unless they say pixels.
MARGIN = 0.2
"""How far around the covered region the photograph is looked at."""
SEAM_BAND = 0.06
"""How far outside the covered region the shade of kept skin is averaged."""
SMOOTHING = 0.03
"""Gaussian width of that average."""
SHADING_LENGTH = 0.35
"""How far a difference in shade reaches into the new face."""
SAME_SHADE = 40.0
"""DECISION: grey levels; skin whose colours differ by more is not compared (a shadow below the chin, a beard)."""
SAME_SKIN = 45.0
"""DECISION: the same for skin of the face itself that goes on beyond the region."""
SAME_HUE = (10.0, 0.2)
"""DECISION: grey levels, and share of their mean, that a channel's difference may lie from that mean: shadow changes all channels together,
a pale background does not."""
CROWN = 110.0
"""DECISION: the same for a bald crown, whose shine is carried in, too. Elsewhere so large a difference is a background's or a beard's."""
MOST_SHADE = 30.0
"""DECISION: grey levels, most that a difference in shade changes the new face, but for that of a crown."""
SKIN_SEAM = 0.03
"""Gaussian width of the border where skin of the face goes on beyond it."""
NECK_SEAM = 0.03
"""Gaussian width of the border between chin and neck: a chin rounds off into the shadow below it."""
KEPT_LENGTH = 0.05
"""How far the new face follows the colours of a kept region beside it."""
SOFT = 0.8
"""Gaussian width in pixels of the border of the new face (more in large photographs: see :data:`SOFT_SHARE`)."""
SOFT_SHARE = 0.006
DETAIL_INSET = 0.08
"""How far inside the covered region fine detail is measured."""
FEATURE_BORDER = 0.04
"""How far around eyes, brows and mouth their detail is measured."""
ALL_SKIN = (Semantic.SKIN, Semantic.NOSE, Semantic.EARS, Semantic.NECK)
"""Classes of kept pixels whose shade the new skin has to meet."""


def join(
    photograph: Photograph,
    face: AlignedFace,
    parsed: Floats,
    image: Floats,
    plain: Floats,
    covered: Mask,
    preserved: Mask,
    *,
    seed: int | None,
) -> Pixels:
    """Put a fitted face into its photograph.

    Args:
        photograph: the source photograph, ``(H, W, 3)`` uint8.
        face: the crop that the new face was fitted to.
        parsed: ``(S', S')`` class numbers of the crop, as floats.
        image: ``(S, S, 3)`` RGB, 0 to 255: the new face, with skin all over.
        plain: ``(S, S)`` in [0, 1]: 1 on its skin, 0 on its eyes, brows and mouth.
        covered: ``(H, W)``: what it covers; not empty.
        preserved: ``(H, W)``: what is kept on purpose.
        seed: seed of the added grain; the same seed gives the same grain. None: none is added, as in a clip, where it would flicker.

    Returns:
        ``(H, W, 3)`` uint8; equal to the source outside ``covered``, without any of its pixels inside.

    """
    unit = eye_distance(face)
    window = Window.around_mask(covered, margin=round(MARGIN * unit) + 4)
    region, kept = covered[window.slices], preserved[window.slices]
    labels, _ = to_window(torch.from_numpy(parsed)[None], face, window)
    named = np.round(labels[..., 0])
    pixels = photograph.pixels[window.slices].astype(np.float32)
    skin = region & ~dilate(~region, DETAIL_INSET * unit) & (named == Semantic.SKIN)
    features = region & dilate(np.isin(named, FACE_FEATURES), FEATURE_BORDER * unit)
    wanted, sharpness = (measured(pixels, where, octaves(unit)) for where in (skin, features))
    # From here on the source is known outside the covered region only.
    source = np.where(region[:, :, None], 0, pixels)
    planes = torch.from_numpy(np.ascontiguousarray(np.asarray(image, np.float32).transpose(2, 0, 1)))
    new, inside = to_window(planes, face, window, cubic=True)
    # The outermost pixels of skin are mixed with what is behind it.
    fleshy = np.isin(named, ALL_SKIN) | region
    flesh = fleshy & ~dilate(~fleshy, SKIN_SEAM * unit) & inside & ~region & ~kept
    around = inside & ~region
    difference = source - new
    same = np.isin(named, FACE_SKIN)
    crown = same & _above_brows(face, window, named.shape) & ~dilate(~same & ~region, SKIN_SEAM * unit)
    near = _largest(difference) < np.select([crown, same], [CROWN, SAME_SKIN], SAME_SHADE)
    grey = grey_of(difference)[..., None]
    near &= _largest(difference - grey) < SAME_HUE[0] + SAME_HUE[1] * np.abs(grey[..., 0])
    flesh &= ~dilate(flesh & ~near, SKIN_SEAM * unit)
    most = np.where(crown, CROWN, MOST_SHADE)[..., None]
    shade = np.where((named == Semantic.EARS)[..., None], grey, difference)  # ears are redder than cheeks
    new = new + _shading(shade.clip(-most, most), flesh, region, around, unit)
    bare, _ = to_window(torch.from_numpy(np.ascontiguousarray(plain, np.float32))[None], face, window)
    if (kept & dilate(region, 1.0)).any():
        carried = _towards_kept(source - new, kept & around, region, unit)
        grey = grey_of(carried)[..., None]
        new = new + grey + bare * (carried - grey)  # teeth beside kept lips, or an eye beside a kept lid, have a colour of their own
    bare = bare[..., 0]
    new = with_detail(new, skin & (bare > 0.5), region & (bare < 0.5), bare, wanted, sharpness, unit, seed=seed)
    new = _softened(new, source, region, fleshy & same & around & ~kept, SKIN_SEAM * unit)
    new = _softened(new, source, region, around & ~kept & (named == Semantic.NECK), NECK_SEAM * unit)
    new = _softened(new, source, region, around & ~kept, max(SOFT, SOFT_SHARE * unit))
    result = photograph.pixels.copy()
    result[window.slices][region] = np.round(new[region]).clip(0, 255).astype(np.uint8)
    return result


def _largest(difference: Floats) -> Floats:
    """``(h, w)``: the largest magnitude over the channels; NumPy's maximum along the last axis takes ten times as long."""
    return np.asarray(np.maximum.reduce([np.abs(difference[..., channel]) for channel in range(difference.shape[2])]), dtype=np.float32)


def _above_brows(face: AlignedFace, window: Window, shape: tuple[int, ...]) -> Mask:
    """Pixels of a window that lie above the brows, as the head is tilted."""
    brows, down = face.landmarks[17:27].mean(axis=0), face.landmarks[8] - face.landmarks[27]
    rows, columns = np.indices(shape)
    away = (columns + window.slices[1].start - brows[0]) * down[0] + (rows + window.slices[0].start - brows[1]) * down[1]
    return np.asarray(away < 0, dtype=np.bool_)


def _shading(difference: Floats, flesh: Mask, region: Mask, around: Mask, unit: float) -> Floats:
    """The difference in shade to the kept skin beside the region, carried into it; 0 where no skin is beside it."""
    band = (dilate(region, max(SEAM_BAND * unit, 2.0)) & flesh).astype(np.float32)
    ring = dilate(region, 1.0) & around
    values, weight = _average(difference, band, max(SMOOTHING * unit, 0.5))
    # Where no skin is near, the border says nothing, and the correction fades along it.
    held = np.where(ring, FIXED * np.clip(2 * weight, 0, 1) ** 2 * (weight > 0.05), 0).astype(np.float32)
    return np.where(region[:, :, None], screened_poisson(values, held, region | ring, length=SHADING_LENGTH * unit), 0).astype(np.float32)


def _towards_kept(difference: Floats, kept: Mask, region: Mask, unit: float) -> Floats:
    """The difference to a kept region, carried a little way into the new face."""
    ring = dilate(region, 1.0) & kept
    values, _ = _average(difference, (dilate(region, 2.5) & kept).astype(np.float32), 1.0)
    spread = screened_poisson(values, np.where(ring, FIXED, 0).astype(np.float32), region | ring, length=max(KEPT_LENGTH * unit, 1.5))
    return np.where(region[:, :, None], spread, 0).astype(np.float32)


def _softened(new: Floats, source: Floats, region: Mask, around: Mask, sigma: float) -> Floats:
    """The outermost pixels of the new face, mixed with the average colour beyond them."""
    ring = around & dilate(region, 4 * sigma)
    beyond, weight = _average(source, ring.astype(np.float32), sigma)
    share = cv2.GaussianBlur(np.where(around, 0, 1).astype(np.float32), (0, 0), sigma)
    share = np.where(weight > 1e-3, np.clip(2 * share - 1, 0, 1), 1)[:, :, None]
    return np.asarray(share * new + (1 - share) * beyond, dtype=np.float32)


def _average(values: Floats, weight: Floats, sigma: float) -> tuple[Floats, Floats]:
    """Gaussian average of weighted pixels (0 far from any of them), and the share of weight there."""
    above = cv2.GaussianBlur(values * weight[:, :, None], (0, 0), sigma).reshape(values.shape)
    below = np.asarray(cv2.GaussianBlur(weight, (0, 0), sigma), dtype=np.float32)
    return np.asarray(np.where(below[..., None] > 1e-6, above / np.maximum(below, 1e-6)[..., None], 0), dtype=np.float32), below
