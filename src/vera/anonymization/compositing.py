"""Put a generated face into its photograph, in photograph pixels.

The output is ``where(replaced, generated + correction, source)``: the source's weight is exactly 1 in the preserved region and
outside the replaced one, exactly 0 inside it. The seam is closed by changing generated pixels only: colours matched by statistics,
then a correction that equals (source - generated) at the border and fades inwards. It reads source pixels outside the replaced
region only, smoothed along the border so that hair is not drawn in.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from vera.anonymization import colour
from vera.anonymization.placement import Floats, Window, dilate, eye_distance, to_window
from vera.anonymization.screened_poisson import FIXED, screened_poisson
from vera.types import AlignedFace, Mask, Photograph, Pixels, Semantic

# DECISION: all lengths below are fractions of the distance between the eyes.
SAMPLING_BAND = 0.5
"""How far outside the replaced region colours and grain are measured."""
SEAM_BAND = 0.06
"""How far outside the replaced region the seam's target colour is averaged."""
SMOOTHING = 0.02
"""Gaussian width of that average."""
SHADING_LENGTH = 0.6
"""How far a difference in shading between equal surfaces (skin to skin) reaches into the replaced region."""
CLOSING_LENGTH = 0.03
"""How far any other difference at the border (skin to hair) reaches into the replaced region."""
SAME_SHADE = 48.0
"""DECISION: grey levels; border pixels whose colours (once matched) differ by more do not show the same surface."""
AGREEMENT_FLOOR = 1e-4
"""Weight in the shading of a border pixel whose surfaces differ, against 1 for equal ones."""

SURFACES = (
    (Semantic.SKIN, Semantic.NOSE, Semantic.EARS),
    (Semantic.HAIR,),
    (Semantic.MOUTH,),
    (Semantic.EYES,),
    (Semantic.BACKGROUND,),
    (Semantic.CLOTHES,),
    (Semantic.GLASSES,),
    (Semantic.HAT,),
    (Semantic.EARRINGS,),
    (Semantic.BROWS,),
    (Semantic.NECK,),
)
"""Classes that look alike at a border: differences in shading between them are worth carrying on."""
NONE = -1
SKIN, HAIR, MOUTH, EYES, BEHIND, CLOTHES, GLASSES, HAT, EARRINGS, BROWS, NECK = range(len(SURFACES))
BODIES = (
    (SKIN, (SKIN, MOUTH, EYES, BROWS, GLASSES, EARRINGS)),
    *((surface, (surface,)) for surface in (MOUTH, EYES, BROWS, NECK, HAIR, BEHIND, CLOTHES, HAT)),
)
"""Which surface's shading is carried on into which: the skin's into all that lies in the face; the others' goes on from there."""
EYES_FOLLOW = 0.5
"""DECISION: share of the change of tone that eyes take: light falls on them, too, but their white is no skin, and would turn blue."""
OWN_LIGHT = (HAIR, CLOTHES)
"""Hair and clothes take their colours from their own kind only; all else goes with the skin (what shines on hair not on brows)."""


@dataclass(frozen=True)
class Rendering:
    """A generated face for one photograph: image, segmentation and wanted skin tone.

    Attributes:
        image: ``(3, S, S)`` in [-1, 1].
        segmentation: ``(K, S, S)`` class probabilities of that image.
        tone: Lab colour that the face's skin shall have, or None for its own (see :func:`vera.anonymization.colour.tone`).

    """

    image: Tensor
    segmentation: Tensor
    tone: Floats | None


def composite(photograph: Photograph, face: AlignedFace, parsed: Tensor, rendering: Rendering, replaced: Mask, *, seed: int) -> Pixels:
    """Replace a region of a photograph by a generated face.

    Args:
        photograph: the source photograph, ``(H, W, 3)`` uint8.
        face: its alignment; image and segmentations may have any size, they cover the same square.
        parsed: ``(K, S', S')`` class probabilities of the source.
        rendering: the generated face in the same alignment.
        replaced: ``(H, W)``; must lie inside the aligned crop and not be empty.
        seed: seed of the added grain; the same seed gives the same grain.

    Returns:
        ``(H, W, 3)`` uint8; equal to the source outside ``replaced``, without any of its pixels inside.

    """
    unit = eye_distance(face)
    window = Window.around_mask(replaced, margin=round(SAMPLING_BAND * unit) + 2)
    region = replaced[window.slices]
    # From here on the source is known outside the replaced region only.
    source = np.where(region[:, :, None], 0, photograph.pixels[window.slices]).astype(np.float32)
    generated, inside = to_window((rendering.image + 1) * 127.5, face, window, cubic=True)
    shares = _surfaces(rendering.segmentation, face, window)
    ours, theirs = shares.argmax(axis=2), _surfaces(parsed, face, window).argmax(axis=2)
    around = inside & ~region
    same = (ours == theirs) & around
    nearby = dilate(region, SAMPLING_BAND * unit) & around
    toned = colour.match_tone(generated, colour.tone(rendering.image, rendering.segmentation), rendering.tone)
    generated = _match_surfaces(generated.clip(0, 255), toned, source, shares, np.where(same & nearby, theirs, NONE))
    backdrop = _backdrop(source, region, around & (theirs == BEHIND), sigma=max(SMOOTHING * unit, 0.5))
    generated = generated + shares[:, :, BEHIND, None] * np.nan_to_num(backdrop - generated)
    corrected = generated + seam_correction(source - generated, np.where(same, ours, NONE), shares, region, around, unit=unit)
    measured = nearby & ~dilate(region, 3) & np.isin(theirs, (SKIN, NECK))
    corrected = colour.match_grain(corrected, source, measured, region & (ours != BEHIND), seed=seed)
    result = photograph.pixels.copy()
    result[window.slices][region] = np.round(corrected[region]).clip(0, 255).astype(np.uint8)
    return result


def seam_correction(difference: Floats, same: npt.NDArray[np.intp], shares: Floats, region: Mask, around: Mask, *, unit: float) -> Floats:
    """The correction of generated pixels that closes the seam.

    A difference in shading is carried on from where both show the same surface, and within the body that this surface belongs to only:
    what light does to the neck says nothing of the chin above it, nor do lips of the cheek.

    Args:
        difference: ``(h, w, C)`` source minus generated; read at ``around`` only.
        same: ``(h, w)``: at ``around`` the surface that source and generated both show, or :data:`NONE`.
        shares: ``(h, w, N)``: share of each surface in the generated pixels.
        region: ``(h, w)``: the replaced region.
        around: ``(h, w)``: pixels outside it where both images are known.
        unit: distance between the eyes in pixels.

    Returns:
        ``(h, w, C)``: equal to the smoothed difference at the border, fading inwards; 0 elsewhere.

    """
    ring = dilate(region, 1.0) & around
    domain = region | ring
    band = (dilate(region, max(SEAM_BAND * unit, 2.0)) & around).astype(np.float32)
    # However a parser names two surfaces: where their colours are far apart they are not the same.
    same = np.where(np.abs(difference).max(axis=2) < SAME_SHADE, same, NONE)
    sigma = max(SMOOTHING * unit, 0.5)
    shading = np.zeros_like(difference)
    for giving, taking in BODIES:
        alike = same == giving
        if (alike & (band > 0)).any():
            missing = _shading(difference - shading, alike, ring, band, domain, sigma=sigma, length=SHADING_LENGTH * unit)
            shading = shading + shares[:, :, list(taking)].sum(axis=2, keepdims=True) * missing
    held = np.where(ring, FIXED, 0).astype(np.float32)
    target = _average(difference, band, sigma)
    closing = screened_poisson(target - shading, held, domain, length=max(CLOSING_LENGTH * unit, 1.0))
    return np.where(region[:, :, None], shading + closing, 0).astype(np.float32)


def _shading(difference: Floats, alike: Mask, ring: Mask, band: Floats, domain: Mask, *, sigma: float, length: float) -> Floats:
    """The difference at the border where surfaces are alike, carried on into the domain from there."""
    values = _average(difference, band * (alike + AGREEMENT_FLOOR), sigma)
    agreement = _average(alike[:, :, None].astype(np.float32), band, sigma)[:, :, 0]
    # Elsewhere on the border it is carried along from where they are.
    held = np.where(ring, FIXED * (AGREEMENT_FLOOR**2 + np.maximum(agreement - 0.5, 0) * 2), 0).astype(np.float32)
    return screened_poisson(values, held, domain, length=length)


def _average(values: Floats, weight: Floats, sigma: float) -> Floats:
    """Gaussian average of weighted pixels (normalised convolution); 0 far from any of them."""
    above = cv2.GaussianBlur(values * weight[:, :, None], (0, 0), sigma).reshape(values.shape)
    below = cv2.GaussianBlur(weight, (0, 0), sigma)[:, :, None]
    return np.asarray(np.where(below > 1e-12, above / np.maximum(below, 1e-12), 0), dtype=np.float32)


def _match_surfaces(generated: Floats, toned: Floats, source: Floats, shares: Floats, same: npt.NDArray[np.intp]) -> Floats:
    """Match colours surface by surface: hair must not take the shift of the skin.

    Args:
        generated: generated pixels, ``(h, w, 3)`` RGB, 0 to 255.
        toned: ``(h, w, 3)``: the same in the tone of the photograph's face.
        source: ``(h, w, 3)``, read where ``same`` names a surface.
        shares: ``(h, w, N)``: share of each surface in the generated pixels.
        same: ``(h, w)``: the surface both show outside the replaced region, or :data:`NONE`.

    """
    result = toned + (1 - EYES_FOLLOW) * shares[:, :, EYES, None] * (generated - toned)
    for number in OWN_LIGHT:
        own = colour.match_colour(generated, source, same == number)
        result = result + shares[:, :, number, None] * (own - toned)
    return np.asarray(result, dtype=np.float32)


def _backdrop(source: Floats, region: Mask, behind: Mask, *, sigma: float) -> Floats:
    """The background beside the replaced region, carried on into it without any texture; NaN where none is known.

    DECISION: in the rim that dilation takes from the background this beats any generated one.
    """
    ring = dilate(region, 1.0) & behind
    values = _average(source, behind.astype(np.float32), sigma)
    carried = screened_poisson(values, np.where(ring, FIXED, 0).astype(np.float32), region | ring, length=float(max(region.shape)))
    known = region if ring.any() else np.zeros_like(region)
    return np.where(known[:, :, None], carried, np.where(behind[:, :, None], values, np.float32(np.nan))).astype(np.float32)


def _surfaces(segmentation: Tensor, face: AlignedFace, window: Window) -> Floats:
    """``(h, w, N)`` share of each of :data:`SURFACES`."""
    grouped = torch.stack([segmentation[list(classes)].sum(dim=0) for classes in SURFACES])
    return to_window(grouped, face, window)[0]
