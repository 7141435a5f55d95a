"""The skin of an identity in a photograph: rows of the bank, warped onto its mesh and mixed.

Broad colours are mixed over all rows; the fine detail of each feature comes from one row (:mod:`vera.mosaic.textures`), so no row
appears whole. Neutral and smiling images cross-fade in the broad colours; detail comes from the nearer of the two.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from vera.mosaic.colour import recoloured, to_lab, to_rgb
from vera.mosaic.textures import Skin, averaged, broad, detailed, with_openings
from vera.mosaic.warping import Target, pull
from vera.types import Points

Floats = npt.NDArray[np.float32]
WHITES = (0.8, 1.25)
"""DECISION: most that eyes and teeth become darker or lighter with the skin around them."""


def mixed_texture(
    images: Sequence[tuple[Floats, Floats]],
    points: Sequence[tuple[Points, Points]],
    tones: npt.NDArray[np.floating],
    weights: npt.NDArray[np.float64],
    parts: Mapping[str, int],
    target: Target,
    *,
    smile: float,
    teeth: bool,
) -> Floats:
    """Mix rows of the bank on a mesh.

    Args:
        images: neutral and smiling of each row, ``(T, T, 3)`` RGB, 0 to 255, of the crop.
        points: their meshes, ``(105, 2)`` each.
        tones: ``(rows, 3)`` CIELAB of their skins.
        weights: ``(rows,)`` shares in the broad colours, sum 1.
        parts: feature to row: whose detail it takes; see :data:`vera.mosaic.partners.PARTS`.
        target: the mesh of the new face.
        smile: share of the smiling images, 0 to 1.
        teeth: the mouth is open, so that what lies between the lips comes from the smiling images.

    Returns:
        ``(S, S, 3)`` RGB, 0 to 255, about.

    """
    wanted = np.asarray(weights @ tones)
    near = int(smile > 0.5)
    sharp, faded = [], []
    for pair, meshes, tone in zip(images, points, tones, strict=True):
        sharp.append(_skin(_warped(pair[near], meshes[near], target), tone, wanted))
        if smile in (0.0, 1.0):
            faded.append(sharp[-1])
        else:
            share = smile if near == 0 else 1 - smile
            other = _skin(_warped(pair[1 - near], meshes[1 - near], target), tone, wanted)
            faded.append(Skin((1 - share) * sharp[-1].image + share * other.image, sharp[-1].plain, sharp[-1].valid))
    scale = target.size / 256
    plain = averaged(sharp, weights, scale)
    # Detail is what the nearer images show beyond their own broad colours, else the cross-fade would count as detail.
    face = broad(averaged(faded, weights, scale), scale) + detailed(plain, sharp, parts, target) - broad(plain, scale)
    mouth = sharp[parts["mouth"]]
    if teeth and near == 0:
        row = parts["mouth"]
        mouth = _skin(_warped(images[row][1], points[row][1], target), tones[row], wanted)
    return with_openings(face, [sharp[parts["eyes"]], mouth], {"eyes": 0, "mouth": 1}, target, resting=not teeth)


def _warped(image: Floats, mesh: Points, target: Target) -> Floats:
    return to_lab(np.asarray(pull(image, target.way_to(mesh), margin=0), dtype=np.float32))


def _skin(lab: Floats, tone: npt.NDArray[np.floating], wanted: npt.NDArray[np.floating]) -> Skin:
    """A row in the mixture's tone, and only in its lightness (for the whites of eyes and teeth)."""
    plain = lab * np.array([np.clip(wanted[0] / max(float(tone[0]), 1.0), *WHITES), 1, 1], np.float32)
    return Skin(to_rgb(recoloured(lab, tone, wanted)), to_rgb(plain), np.ones(lab.shape[:2], np.float32))
