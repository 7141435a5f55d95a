"""Texture of an identity in a photograph: rows of the bank, warped onto its mesh and mixed.

Broad colours of the skin are mixed over all rows; each feature takes its colours and its fine detail from one row
(:mod:`vera.mosaic.textures`), so no row appears whole. Neutral and smiling images cross-fade in the broad colours; detail comes from
the nearer of the two. The broad colours' deviation from the mean face of such a complexion is scaled up: rows are mixtures themselves, and
mixtures of mixtures look alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np
import numpy.typing as npt

from vera.mosaic.colour import recoloured, to_lab, to_rgb
from vera.mosaic.textures import ZONES, Skin, averaged, broad, detailed, with_openings, zone
from vera.mosaic.warping import Target, blurred, resample, softened
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

COARSE = 128
"""DECISION: side in pixels at which broad colours are computed where the target is at least twice as large."""
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
        images: neutral and smiling, ``(T, T, 3)`` CIELAB each; None for one that has no share.
        meshes: neutral and smiling, ``(105, 2)`` each.
        tone: ``(3,)`` CIELAB of the skin.

    """

    images: tuple[Floats | None, Floats | None]
    meshes: tuple[Points, Points]
    tone: npt.NDArray[np.floating]

    def on(self, target: Target, *, smile: float, tone: npt.NDArray[np.floating]) -> Floats:
        """``(S, S, 3)`` CIELAB: the mean face on another mesh, with this share of its smile, in another skin's tone."""
        shares = (1 - smile, smile)
        shown = [
            np.float32(share) * np.asarray(resample(cast(Floats, image), target.way_to(mesh), margin=0), np.float32)
            for image, mesh, share in zip(self.images, self.meshes, shares, strict=True)
            if share > 0
        ]
        return recoloured(np.sum(shown, axis=0), self.tone, tone)


@dataclass(frozen=True)
class BankRow:
    """A row of the bank, as textures are mixed of it.

    Attributes:
        picture: its picture in a role (0 neutral, 1 smiling) for a target of so many pixels a side: ``(T, T, 3)`` CIELAB, from
            :func:`without_strands`, T at least that side where the bank has as many.
        meshes: neutral and smiling, ``(105, 2)`` each.
        tone: ``(3,)`` CIELAB of its skin.

    """

    picture: Callable[[int, int], Floats]
    meshes: tuple[Points, Points]
    tone: npt.NDArray[np.floating]

    def on(self, target: Target, role: int, wanted: npt.NDArray[np.floating]) -> Skin:
        """The row on a mesh, in another skin's tone."""
        way = target.way_to(self.meshes[role])
        lab = np.asarray(resample(self.picture(role, target.size), way, margin=0), dtype=np.float32)
        own = lab * np.array([np.clip(wanted[0] / max(float(self.tone[0]), 1.0), *WHITES), 1, 1], np.float32)
        return Skin(to_rgb(recoloured(lab, self.tone, wanted)), own, None)


def mixed_texture(
    rows: Sequence[BankRow],
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
        rows: rows of the bank.
        weights: ``(rows,)`` shares in the broad colours, sum 1.
        parts: feature to row: whose detail it takes; see :data:`vera.mosaic.partners.PARTS`.
        target: the mesh of the new face.
        mean: the mean colours of rows of like complexion.
        smile: share of the smiling images, 0 to 1.
        teeth: the mouth is open, so that what lies between the lips comes from the smiling images.

    Returns:
        ``(S, S, 3)`` RGB, 0 to 255, about.

    """
    wanted = np.asarray(weights @ np.array([row.tone for row in rows]))
    near, scale = int(smile > 0.5), target.size / 256
    sharp = [row.on(target, near, wanted) for row in rows]
    plain = averaged(sharp, weights, scale)
    # Broad colours have no more detail than a small picture.
    coarse = target if target.size < 2 * COARSE else Target(target.points, target.triangles, COARSE)
    faded, mixture = sharp, plain
    if coarse is not target or smile != near:
        faded = [_faded(row, coarse, smile, wanted) for row in rows]
        mixture = averaged(faded, weights, coarse.size / 256)
    low = _broad_colours(mixture, faded, parts, coarse)
    low = _with_contrast(low, mean.on(coarse, smile=smile, tone=wanted), coarse.size / 256)
    if coarse is not target:
        low = np.asarray(cv2.resize(low, (target.size, target.size), interpolation=cv2.INTER_CUBIC), np.float32)
    # Detail is what the nearer images show beyond their own broad colours, else the cross-fade would count as detail.
    face = low + detailed(plain, sharp, parts, target) - broad(plain, scale)
    row = parts["mouth"]
    mouth = rows[row].on(target, 1, wanted) if teeth and near == 0 else sharp[row]
    return with_openings(face, [sharp[parts["eyes"]], mouth], {"eyes": 0, "mouth": 1}, target, resting=not teeth)


def _faded(row: BankRow, target: Target, smile: float, wanted: npt.NDArray[np.floating]) -> Skin:
    """A row between its neutral and its smiling picture."""
    shown = [(share, row.on(target, role, wanted)) for role, share in enumerate((1 - smile, smile)) if share > 0]
    image = np.sum([np.float32(share) * skin.image for share, skin in shown], axis=0)
    return Skin(np.asarray(image, np.float32), shown[0][1].own, None)


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


def without_strands(lab: Floats, points: Points) -> Floats:
    """A row without the thin dark hairs that hang into its forehead: they end nowhere under another person's hair.

    Args:
        lab: ``(T, T, 3)`` CIELAB, the row's picture.
        points: its mesh, ``(105, 2)`` in units of the side.

    """
    size = len(lab)
    width = 2 * round(STRAND * size / 2) + 1
    brows = points[17:27, 1].min() - ABOVE_BROWS[0]
    forehead = lab[: max(1, round((brows + ABOVE_BROWS[1]) * size))]  # all of it, and a strip below
    closed = cv2.morphologyEx(forehead[..., 0], cv2.MORPH_CLOSE, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width + 2, width + 2)))
    above = np.clip((brows - np.arange(len(forehead))[:, None] / size) / ABOVE_BROWS[1], 0, 1)
    least, full = STRAND_DARKER
    share = above * np.clip((closed - forehead[..., 0] - least) / (full - least), 0, 1)
    share = cv2.dilate(share.astype(np.float32), np.ones((3, 3), np.uint8))[..., None]
    around = blurred(np.dstack([closed, forehead[..., 1:]]), STRAND * size)
    return np.concatenate([share * around + (1 - share) * forehead, lab[len(forehead) :]]).astype(np.float32)
