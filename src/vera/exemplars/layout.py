"""Layout of a new face in a photograph: feature positions between the identity's and the photograph's."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vera.exemplars.pose import Camera, eye_distance
from vera.mosaic.points import EYES, FOREHEAD_POINTS, OPENING, mesh
from vera.types import Mask, Points, Semantic

BROWS_NOSE_EYES = slice(17, 48)
NOSE, EYE_POINTS, BROW_POINTS, MOUTH = slice(27, 36), slice(36, 48), slice(17, 27), slice(48, 68)
FEATURES = 1.35
"""DECISION: share of the identity in the layout of brows, eyes and nose; above 1, the difference to the photograph is exaggerated."""
JAW = 0.35
"""DECISION: share of the identity in the jaw line; more uncovers background beside a narrower jaw."""
WIDEST_JAW = 1.12
"""Farthest border of the region, as a factor on the rays to the jaw's landmarks."""
LIPS = 0.6
"""DECISION: share of the identity in the mouth, where the mouth is not kept."""
CENTRED = 0.5
"""DECISION: share of the identity's shift of the nose that is taken back for all features: they stay in the middle of the face."""
STEPS = np.arange(0.45, 1.45, 0.01)
"""Where the border of the forehead is looked for, along rays from the nose's bridge, in units of the arc of :mod:`vera.mosaic.points`."""
GAP = 0.06
"""Hair this far along a ray ends the forehead; less is a strand that hangs into it."""
REACH = (0.62, 1.22)
"""DECISION: nearest and farthest border of a forehead, in the same unit."""
DEFAULT_REACH = 0.8
"""Border of a forehead of which no skin is seen."""
TEETH = 0.12
"""DECISION: inner lips this far apart (in eye distances) show teeth; landmarks of closed lips are up to half as far apart."""
INNER_LIPS = ((13, 19), (14, 18), (15, 17))
"""Points of the upper and the lower inner lip that face each other, counted within the mouth."""
OUTER_LIP = {13: 2, 14: 3, 15: 4, 17: 8, 18: 9, 19: 10}
"""The point of the outer lip beside each of them."""
WIDEST_LIDS = 1.45
"""DECISION: most that an identity's eyes open beyond their own opening."""


@dataclass(frozen=True)
class Frontal:
    """A face from the front, in its two expressions; ``(77, 2)`` each, in units of the crop."""

    neutral: Points
    smiling: Points

    def at(self, smile: float) -> Points:
        """The face with this share of its smile."""
        return np.asarray((1 - smile) * self.neutral + smile * self.smiling)


def hairline(points: Points, labels: npt.NDArray[np.uint8], skinlike: Collection[Semantic]) -> Points:
    """The mesh with its forehead where the forehead's skin ends.

    Args:
        points: ``(105, 2)`` in units of the crop.
        labels: ``(S, S)`` class numbers of the crop.
        skinlike: classes that a ray may cross.

    """
    size = len(labels)
    centre = points[27:31].mean(axis=0)
    known = np.isin(labels, [int(c) for c in skinlike])
    reach = []
    for number in FOREHEAD_POINTS:
        ray = (centre + (points[number] - centre) * STEPS[:, None]) * size
        cells = ray.astype(int)
        inside = ((cells >= 0) & (cells < size)).all(axis=1)
        skin = np.zeros(len(STEPS), dtype=bool)
        skin[inside] = known[cells[inside, 1], cells[inside, 0]]
        reach.append(_last(skin, inside))
    smooth = np.convolve(np.pad(np.clip(reach, *REACH), 1, mode="edge"), [0.25, 0.5, 0.25], "valid")
    forehead = centre + (points[FOREHEAD_POINTS] - centre) * smooth[:, None]
    return mesh(points[:68], forehead)


def jawline(points: Points, region: Mask) -> Points:
    """The mesh with its jaw where the region ends, where that is a little beyond the landmarks'.

    Landmarks of a chin lie up to a tenth inside it; the new face's jaw line would be seen there as a second one.

    Args:
        points: ``(105, 2)`` in units of the crop.
        region: ``(S, S)``: what the new face covers.

    """
    size = len(region)
    centre = points[27:31].mean(axis=0)
    steps = np.arange(1.0, WIDEST_JAW, 0.005)
    cells = ((centre + (points[:17, None] - centre) * steps[:, None]) * size).astype(int).clip(0, size - 1)
    # The ray leaves the region for good: ears and hair are beside it.
    inside = np.logical_and.accumulate(region[cells[..., 1], cells[..., 0]], axis=1)
    reach = 1 + 0.005 * np.maximum(inside.sum(axis=1) - 1, 0)
    smooth = np.convolve(np.pad(reach, 1, mode="edge"), [0.25, 0.5, 0.25], "valid")
    return mesh(np.vstack([centre + (points[:17] - centre) * smooth[:, None], points[17:68]]), points[FOREHEAD_POINTS])


def smile_of(points: Points, mean: Frontal, camera: Camera) -> float:
    """Share of a smile, 0 to 1: where the corners and the middle of the lips lie between the two mean faces.

    Args:
        points: ``(68, 2)`` or more of the photograph.
        mean: mean face of the bank, neutral and smiling.
        camera: camera of the photograph, from :func:`vera.exemplars.pose.fit_camera`.

    """
    outer = [48, 54, 51, 57, 60, 64, 62, 66]
    neutral, smiling = camera.place(mean.neutral), camera.place(mean.smiling)
    anchor = points[27:36].mean(axis=0)
    way = (smiling[outer] - smiling[27:36].mean(axis=0)) - (neutral[outer] - neutral[27:36].mean(axis=0))
    seen = (points[outer] - anchor) - (neutral[outer] - neutral[27:36].mean(axis=0))
    # The width counts most: lips part in speech, too, and long faces have low mouths.
    weight = np.array([1.0, 0.3])
    return float(np.clip((way * seen * weight).sum() / max((way * way * weight).sum(), 1e-12), 0, 1))


def opening_of(points: Points, eye: Collection[int]) -> float:
    """Opening of an eye as a share of its width."""
    corner, a, b, other, c, d = (points[i] for i in eye)
    return float((np.linalg.norm(a - d) + np.linalg.norm(b - c)) / 2 / max(float(np.linalg.norm(other - corner)), 1e-9))


def mouth_is_open(points: Points) -> bool:
    """Whether the lips are parted so far that teeth show."""
    return float(np.ptp(points[list(OPENING), 1])) > TEETH * eye_distance(points)


def target(own: Frontal, source: Points, *, camera: Camera, smile: float, kept: Collection[Semantic], strength: float = 1.0) -> Points:
    """The mesh of the new face in the photograph.

    Args:
        own: the identity's frontal face, neutral and smiling.
        source: ``(105, 2)`` mesh of the photograph.
        camera: camera of the photograph, from :func:`vera.exemplars.pose.fit_camera`.
        smile: share of the smile in the photograph, 0 to 1.
        kept: classes that are kept; their points stay.
        strength: scale of the identity's share; 1 as designed.

    """
    placed = camera.place(own.at(smile))
    shape = source.copy()
    share = FEATURES * strength
    shape[BROWS_NOSE_EYES] = share * placed[BROWS_NOSE_EYES] + (1 - share) * source[BROWS_NOSE_EYES]
    shape[BROWS_NOSE_EYES] += CENTRED * (source[NOSE].mean(axis=0) - shape[NOSE].mean(axis=0))
    shape[BROW_POINTS] = with_tilt_of(shape, placed)
    shape[:17] = _jaw(JAW * strength * placed[:17] + (1 - JAW * strength) * source[:17], source)
    if Semantic.MOUTH not in kept:
        shape[MOUTH] = _mouth(placed[MOUTH], source[MOUTH])
    for eye in EYES:
        shape[list(eye)] = _with_opening(shape[list(eye)], opening_of(source, eye))
    for known, part in ((Semantic.NOSE, NOSE), (Semantic.EYES, EYE_POINTS), (Semantic.BROWS, BROW_POINTS)):
        if known in kept:
            shape[part] = source[part]
    return mesh(shape[:68], _forehead(placed[FOREHEAD_POINTS], source))


def with_tilt_of(points: Points, like: Points) -> Points:
    """The brows of a face, each turned about its middle until it is as steep as another face's.

    Brows that fall towards the nose frown, and exaggerated ones look angry: how steep they are belongs to the expression.

    Args:
        points: ``(68, 2)`` or more.
        like: ``(68, 2)`` or more of the face whose brows are as steep as wanted.

    Returns:
        ``(10, 2)``.

    """
    turned = []
    for outer, inner in ((18, 21), (25, 22)):
        brow = points[17:22] if outer < 22 else points[22:27]
        angle = _steepness(like, outer, inner) - _steepness(points, outer, inner)
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        turned.append((brow - brow.mean(axis=0)) @ turn + brow.mean(axis=0))
    return np.vstack(turned)


def _steepness(points: Points, outer: int, inner: int) -> float:
    """Angle in radians from the line through the eyes to a brow."""
    line, eyes = points[inner] - points[outer], (points[45] - points[36]) * (1 if outer < inner else -1)
    return float(np.arctan2(eyes[0] * line[1] - eyes[1] * line[0], eyes @ line))


def _jaw(own: Points, source: Points) -> Points:
    """A jaw line that is nowhere inside the photograph's: between the two there would be skin without a face's shading."""
    centre = source[27:31].mean(axis=0)
    known = source[:17] - centre
    reach = ((own - centre) * known).sum(axis=1) / (known * known).sum(axis=1)
    return np.asarray(np.where(reach[:, None] < 1, source[:17], own))


def _forehead(own: Points, source: Points) -> Points:
    """The photograph's forehead; where a fringe ends it early, the identity's, which goes on under the hair.

    Squeezed between brows and fringe, a whole forehead's shades would become a bright strip.
    """
    centre = source[27:31].mean(axis=0)
    seen, wanted = (np.linalg.norm(points - centre, axis=1) for points in (source[FOREHEAD_POINTS], own))
    return np.asarray(centre + (source[FOREHEAD_POINTS] - centre) * np.maximum(1, wanted / np.maximum(seen, 1e-9))[:, None])


def _mouth(own: Points, source: Points) -> Points:
    """The identity's lips at the photograph's opening."""
    lips = LIPS * own + (1 - LIPS) * source
    lips = lips.copy()
    for upper, lower in INNER_LIPS:
        shift = (lips[upper] + lips[lower]) / 2 - (source[upper] + source[lower]) / 2
        for inner in (upper, lower):
            moved = source[inner] + shift - lips[inner]
            lips[inner] += moved
            lips[OUTER_LIP[inner]] += moved
    return lips


def _with_opening(eye: Points, opening: float) -> Points:
    """An eye whose lids are as far apart as asked for (share of its width), no wider than the identity can open it."""
    width = float(np.linalg.norm(eye[3] - eye[0]))
    now = (float(np.linalg.norm(eye[1] - eye[5])) + float(np.linalg.norm(eye[2] - eye[4]))) / 2
    factor = min(opening * width / max(now, 1e-9), WIDEST_LIDS)
    axis = (eye[3] - eye[0]) / max(width, 1e-9)
    normal = np.array([-axis[1], axis[0]])
    height = (eye - eye[0]) @ normal
    return np.asarray(eye + ((factor - 1) * height)[:, None] * normal)


def _last(skin: npt.NDArray[np.bool_], inside: npt.NDArray[np.bool_]) -> float:
    """Position along the ray at which the skin ends."""
    last: float | None = None
    for step, seen, there in zip(STEPS, skin, inside, strict=True):
        if not there:
            break
        if seen:
            last = float(step)
        elif last is not None and step - last > GAP:
            break
    return DEFAULT_REACH if last is None else last
