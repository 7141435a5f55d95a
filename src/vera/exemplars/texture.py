"""Texture of an identity in a photograph: rows of the bank, warped onto its mesh and mixed.

Broad colours of the skin are mixed over all rows; each feature takes its colours and its fine detail from one row
(:mod:`vera.mosaic.textures`), so no row appears whole. Neutral and smiling images cross-fade in the broad colours; detail comes from
the nearer of the two. The broad colours' deviation from the mean face of such a complexion is scaled up: rows are mixtures themselves, and
mixtures of mixtures look alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from vera.mosaic.colour import recoloured, to_lab, to_rgb
from vera.mosaic.textures import ZONES, Skin, averaged, broad, detailed, with_openings, zone
from vera.mosaic.warping import Target, resample, softened
from vera.types import Points

Floats = npt.NDArray[np.float32]
WHITES = (0.8, 1.25)
"""DECISION: most that eyes and teeth become darker or lighter with the skin around them."""
OWN = (0.9, 0.4, 0.4)
"""DECISION: share of one row in the broad lightness and colour of a feature; the rest is the mixture's: noses must not be redder than
the cheeks beside them."""
BORDER = 7.0
"""Gaussian width, in pixels at 256, of the border between a feature's broad colours and the mixture's."""
CONTRAST = (1.6, 1.2, 1.2)
"""DECISION: scale of the broad colours' deviation from the mean face, in CIELAB lightness and colour."""
MOST = 25.0
"""CIELAB units that a deviation levels off at: shine and shadow must not be driven to white and black."""

STRAND = 0.012
"""Width, in units of the crop, up to which something dark on the forehead is a hair of the row."""
STRAND_DARKER = (3.0, 7.0)
"""DECISION: CIELAB lightness by which it must be darker than the skin around it: pores and wrinkles are not; fully from the second on."""
ABOVE_BROWS = (0.02, 0.03)
"""Distance above the brows from which hairs are taken away, and the width of the border."""


@dataclass(frozen=True)
class MeanLook:
    """Mean colours of rows of like complexion, on their mean mesh.

    Attributes:
        images: neutral and smiling, ``(T, T, 3)`` CIELAB each.
        meshes: neutral and smiling, ``(105, 2)`` each.
        tone: ``(3,)`` CIELAB of the skin.

    """

    images: tuple[Floats, Floats]
    meshes: tuple[Points, Points]
    tone: npt.NDArray[np.floating]

    def on(self, target: Target, *, smile: float, tone: npt.NDArray[np.floating]) -> Floats:
        """``(S, S, 3)`` CIELAB: the mean face on another mesh, with this share of its smile, in another skin's tone."""
        neutral, smiling = (
            np.asarray(resample(image, target.way_to(mesh), margin=0), np.float32)
            for image, mesh in zip(self.images, self.meshes, strict=True)
        )
        return recoloured((1 - smile) * neutral + smile * smiling, self.tone, tone)


def mixed_texture(
    images: Sequence[tuple[Floats, Floats]],
    points: Sequence[tuple[Points, Points]],
    tones: npt.NDArray[np.floating],
    weights: npt.NDArray[np.float64],
    parts: Mapping[str, int],
    target: Target,
    *,
    mean: MeanLook,
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
        mean: the mean colours of rows of like complexion.
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
    mixture = plain if smile in (0.0, 1.0) else averaged(faded, weights, scale)
    # Detail is what the nearer images show beyond their own broad colours, else the cross-fade would count as detail.
    low = _with_contrast(_broad_colours(mixture, faded, parts, target), mean.on(target, smile=smile, tone=wanted), scale)
    face = low + detailed(plain, sharp, parts, target) - broad(plain, scale)
    mouth = sharp[parts["mouth"]]
    if teeth and near == 0:
        row = parts["mouth"]
        mouth = _skin(_warped(images[row][1], points[row][1], target), tones[row], wanted)
    return with_openings(face, [sharp[parts["eyes"]], mouth], {"eyes": 0, "mouth": 1}, target, resting=not teeth)


def _broad_colours(mixture: Floats, skins: list[Skin], parts: Mapping[str, int], target: Target) -> Floats:
    """The mixture's broad colours in CIELAB, and within each feature those of its row.

    The mouth stays mixed: its lips follow the detail.
    """
    scale = target.size / 256
    low = to_lab(broad(mixture, scale))
    for part, zones, grow in ZONES:
        if part == "mouth":
            continue
        own = to_lab(skins[parts[part]].low)
        for points in zones:
            share = np.array(OWN, np.float32) * softened(zone(target, list(points), grow), BORDER * scale)
            low = low + share * (own - low)
    return np.asarray(low, np.float32)


def _with_contrast(lab: Floats, mean: Floats, scale: float) -> Floats:
    """RGB of broad colours in CIELAB, farther from the mean face."""
    deviation = MOST * np.tanh((lab - broad(mean, scale)) / MOST)
    return to_rgb(np.asarray(lab + (np.array(CONTRAST, np.float32) - 1) * deviation, np.float32))


def _warped(image: Floats, mesh: Points, target: Target) -> Floats:
    lab = to_lab(np.asarray(resample(image, target.way_to(mesh), margin=0), dtype=np.float32))
    return _without_strands(lab, target)


def _without_strands(lab: Floats, target: Target) -> Floats:
    """A row without the thin dark hairs that hang into its forehead: they end nowhere under another person's hair."""
    width = 2 * round(STRAND * target.size / 2) + 1
    closed = cv2.morphologyEx(lab[..., 0], cv2.MORPH_CLOSE, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width + 2, width + 2)))
    rows = np.mgrid[: target.size, : target.size][0] / target.size
    above = np.clip((target.points[17:27, 1].min() - ABOVE_BROWS[0] - rows) / ABOVE_BROWS[1], 0, 1)
    least, full = STRAND_DARKER
    share = above * np.clip((closed - lab[..., 0] - least) / (full - least), 0, 1)
    share = cv2.dilate(share.astype(np.float32), np.ones((3, 3), np.uint8))[..., None]
    around = cv2.GaussianBlur(np.dstack([closed, lab[..., 1:]]), (0, 0), STRAND * target.size)
    return np.asarray(share * around + (1 - share) * lab, np.float32)


def _skin(lab: Floats, tone: npt.NDArray[np.floating], wanted: npt.NDArray[np.floating]) -> Skin:
    """A row in the mixture's tone, and only in its lightness (for the whites of eyes and teeth)."""
    plain = lab * np.array([np.clip(wanted[0] / max(float(tone[0]), 1.0), *WHITES), 1, 1], np.float32)
    return Skin(to_rgb(recoloured(lab, tone, wanted)), to_rgb(plain), np.ones(lab.shape[:2], np.float32))
