"""The texture of a mosaic: broad colours averaged over k people, fine detail of each part from one of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property

import cv2
import numpy as np
import numpy.typing as npt

from vera.faces.landmarks import scaled
from vera.mosaic.colour import to_rgb
from vera.mosaic.look import OPEN
from vera.mosaic.points import BROWS, EYES, LIPS, OPENING, OUTLINE
from vera.mosaic.pyramid import collapse, fine_shares, laplacian, octaves_of
from vera.mosaic.warping import Floats, Target, blurred, eroded, softened
from vera.types import Mask, Points

BROAD = 6.0
"""DECISION: detail is what a Gaussian of this width (pixels at 256) takes away."""
ZONES: tuple[tuple[str, tuple[range, ...], float], ...] = (
    ("chin", (range(4, 13),), 1.0),
    ("nose", (range(27, 36),), 1.5),
    ("mouth", (LIPS,), 1.35),
    ("brows", BROWS, 1.5),
    ("eyes", EYES, 1.7),
)
"""DECISION: the zone of each part: the hull of its points, dilated; later ones lie over earlier ones."""


@dataclass(frozen=True)
class Skin:
    """One person, warped to the target and brought to the donor's tone.

    Attributes:
        image: ``(S, S, 3)`` RGB, 0 to 255.
        own: ``(S, S, 3)`` CIELAB: the same with its own hue, for teeth and the white of the eyes.
        valid: ``(S, S)`` in [0, 1]: where it shows its face; None: everywhere.

    """

    image: Floats
    own: Floats
    valid: Floats | None

    @cached_property
    def plain(self) -> Floats:
        """The image with its own hue, ``(S, S, 3)`` RGB, 0 to 255."""
        return to_rgb(self.own)

    @cached_property
    def low(self) -> Floats:
        """The image without its fine detail."""
        return broad(self.image, len(self.image) / 256)


def averaged(skins: list[Skin], weights: npt.NDArray[np.float64], scale: float) -> Floats:
    """Weighted mean of faces, without what hides somebody's skin."""
    valids = [skin.valid for skin in skins if skin.valid is not None]
    if not valids:
        return np.asarray(sum(np.float32(weight) * skin.image for weight, skin in zip(weights, skins, strict=True)), dtype=np.float32)
    if len(valids) < len(skins):
        raise ValueError("of all faces it must be known where they are seen, or of none")
    shares = np.stack([weight * valid.clip(0, 1) for weight, valid in zip(weights, valids, strict=True)])
    soft = np.stack([cv2.GaussianBlur(share.astype(np.float32), (0, 0), 3 * scale) for share in shares])
    soft = soft * np.stack(valids) + 1e-4 * weights[:, None, None].astype(np.float32)
    soft = (soft / soft.sum(0))[..., None]
    return np.asarray((soft * np.stack([skin.image for skin in skins])).sum(0), dtype=np.float32)


def detailed(average: Floats, skins: list[Skin], parts: Mapping[str, int], target: Target) -> Floats:
    """Put each part's fine detail on the averaged face; the finest octaves take it whole, coarser ones less."""
    scale = target.size / 256
    low = broad(average, scale)

    @cache
    def detail(position: int) -> Floats:
        skin = skins[position]
        if skin.valid is None:
            return skin.image - skin.low
        sure = softened(eroded(skin.valid > 0.5, max(1, round(2 * scale))), 2 * scale)
        return sure * (skin.image - skin.low) + (1 - sure) * (average - low)

    fine = detail(parts["skin"])
    for part, zones, grow in ZONES:
        other = detail(parts[part])
        for points in zones:
            mask = softened(zone(target, list(points), grow), 3.5 * scale)
            fine = mask * other + (1 - mask) * fine
    shares = fine_shares(target.size)
    ours, theirs = laplacian(average, len(shares) + 1), laplacian(low + fine, len(shares) + 1)
    mixed = [(1 - share) * a + share * b for share, a, b in zip(shares, ours, theirs, strict=False)]
    return collapse([*mixed, *ours[len(shares) :]])


def with_forehead(face: Floats, donor: Floats, valid: Floats, target: Target) -> Floats:
    """Above the brows the fine detail is the donor's, so that the hair's roots end nowhere."""
    rows = np.mgrid[: target.size, : target.size][0] / target.size
    above = np.clip((target.points[17:27, 1].min() - 0.015 - rows) / 0.03, 0, 1) * (valid > 0.5)
    levels = max(1, 4 + octaves_of(target.size))
    octaves: list[Floats] = []
    for ours, theirs in zip(laplacian(face, levels), laplacian(donor, levels), strict=True):
        share = cv2.resize(above.astype(np.float32), ours.shape[1::-1], interpolation=cv2.INTER_AREA)[..., None]
        octaves.append(ours if len(octaves) == levels else share * theirs + (1 - share) * ours)
    return collapse(octaves)


def with_openings(face: Floats, skins: list[Skin], parts: Mapping[str, int], target: Target, *, resting: bool) -> Floats:
    """Each eye's opening, and a mouth that shows teeth, from one person: averages of them are ghosts.

    Args:
        face: the mixed face, ``(S, S, 3)``.
        skins: the k people, warped to the target.
        parts: number of the person whose detail each part takes.
        target: mesh of the mosaic that the skins are warped to.
        resting: whether this is the resting face: there only the space between the lips is replaced, and only if they are open.

    """
    points, scale = target.points, target.size / 256

    def over(face: Floats, source: Floats, polygon: Points) -> Floats:
        mask = softened(target.polygon(polygon), 1.3 * scale)
        return np.asarray(mask * source + (1 - mask) * face, dtype=np.float32)

    for eye in EYES:
        face = over(face, skins[parts["eyes"]].plain, scaled(points[list(eye)], np.array([1.12, 1.35])))
    opening, mouth = points[list(OPENING)], skins[parts["mouth"]]
    if not resting:
        face = over(face, mouth.image, scaled(points[list(LIPS)], np.array([1.06, 1.15])))
    if np.ptp(opening[:, 1]) > OPEN:
        face = over(face, mouth.plain, opening if not resting else scaled(opening, np.array([1.06, 1.15])))
    return face


def core(target: Target, valids: list[Floats]) -> Mask:
    """Mask of the pixels where everybody shows skin, at which tones are compared."""
    points = target.points
    face = target.polygon(scaled(points[OUTLINE], 0.9, points[27:31].mean(0)))
    everybody = np.stack(valids).min(0) > 0.9
    return np.asarray(eroded(face, max(1, round(2 * target.size / 256))) & everybody, dtype=np.bool_)


def zone(target: Target, points: list[int], grow: float) -> Mask:
    """The dilated hull of some points, with a soft border."""
    hull: Points = cv2.convexHull(target.points[points].astype(np.float32))[:, 0].astype(np.float64)
    radius = max(1, round(2 * target.size / 256))
    kernel = np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)
    return np.asarray(cv2.dilate(target.polygon(scaled(hull, grow)).astype(np.uint8), kernel), dtype=np.bool_)


def broad(image: Floats, scale: float) -> Floats:
    """Low-pass part of an image: all but its fine detail."""
    return blurred(image, BROAD * scale)
