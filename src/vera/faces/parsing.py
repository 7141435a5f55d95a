"""Parsing aligned faces into the 13 semantic classes: the protocol, and a parser that needs no weights.

:class:`LandmarkParser` draws what the landmarks show (eyes, brows, nose, mouth) and works out the rest from colour: GrabCut
(Rother et al., 2004) tells the person from the background, and Gaussian mixtures in CIELAB, learnt on the picture itself from
places where each class is expected, tell flesh, hair and clothes apart.
"""

from __future__ import annotations

from typing import Any, Protocol

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from vera.faces.alignment import transform
from vera.faces.geometry import FaceGeometry
from vera.faces.mixtures import fit_mixture
from vera.types import NUM_CLASSES, AlignedFace, Mask, Pixels, Semantic, VeraError, tensor_to_image

Map = npt.NDArray[np.float32]
"""``(SIDE, SIDE)`` in [0, 1] unless said otherwise."""

SIDE = 256
"""DECISION: every face is parsed at this size, so that results do not depend on the resolution asked for."""
SEED = 0
"""Seed of OpenCV's random generator, set before each face: the same face gives the same segmentation."""
FLESH, HAIR, CLOTHES = range(3)
LEAST_SKIN = 200
"""Pixels of cheek and nose, of the parsed square, under which nothing can be learnt about the skin."""
LIKELIHOOD_POWER = 0.5
"""DECISION: neighbouring pixels are not independent witnesses: colour likelihoods are tempered before they meet the prior."""


class Parser(Protocol):
    """Protocol of parsers: the semantic class of each pixel of an aligned face."""

    @property
    def name(self) -> str:
        """Name of the parser, for the audit."""
        ...

    def parse(self, face: AlignedFace) -> Tensor:
        """Class probabilities ``(13, S, S)`` float32 in [0, 1], sum 1 over the classes, at the face's size."""
        ...


class LandmarkParser:
    """Landmark polygons, GrabCut and colour mixtures; no weights, the same result each time.

    An estimate: the hairline, ears half under hair and clothes of skin or hair colour are its weak points, and it never finds
    glasses, hats or earrings (they become what lies under them).
    """

    name = "landmarks-grabcut"

    def parse(self, face: AlignedFace) -> Tensor:
        """Class probabilities ``(13, S, S)``; see :meth:`Parser.parse`.

        Raises:
            VeraError: when the face's landmarks do not lie in its image.

        """
        cv2.setRNGSeed(SEED)
        pixels: Pixels = _resize(tensor_to_image(face.image), SIDE)
        ratio = SIDE / face.size
        points = (transform(face.landmarks, face.from_photograph) + 0.5) * ratio - 0.5
        probabilities = _parse(pixels, FaceGeometry(points, SIDE))
        at_size = np.stack([_resize(p, face.size) for p in probabilities]).clip(0, 1)
        return torch.from_numpy(at_size / at_size.sum(0, keepdims=True))


def _parse(pixels: Pixels, shape: FaceGeometry) -> npt.NDArray[np.float32]:
    """``(SIDE, SIDE, 3)`` and its landmarks to ``(13, SIDE, SIDE)``."""
    if shape.core.sum() < LEAST_SKIN:
        raise VeraError("the landmarks do not lie in the aligned face: align the photograph with the same landmarks")
    lab = np.asarray(cv2.cvtColor(pixels.astype(np.float32) / 255, cv2.COLOR_RGB2LAB), dtype=np.float32)
    person = _person(pixels, shape)
    flesh, hair, clothes = _materials(lab, person, shape)
    labels = np.full((SIDE, SIDE), Semantic.BACKGROUND, np.uint8)
    labels[flesh] = Semantic.SKIN
    labels[flesh & shape.below_jaw] = Semantic.NECK
    labels[flesh & shape.ears & ~shape.below_jaw] = Semantic.EARS
    labels[hair] = Semantic.HAIR
    labels[clothes] = Semantic.CLOTHES
    soft = np.stack([cv2.GaussianBlur((labels == c).astype(np.float32), (0, 0), 1.0) for c in range(NUM_CLASSES)])
    # The parts of the face lie over flesh; hair keeps most of itself where it hangs over brows and eyes.
    free = 1 - soft[Semantic.HAIR]
    for semantic in (Semantic.NOSE, Semantic.BROWS, Semantic.EYES, Semantic.MOUTH):
        cover = shape.part(semantic) * (free if semantic == Semantic.BROWS else np.maximum(free, 0.6))
        soft *= 1 - cover
        soft[semantic] += cover
    return np.asarray(soft / soft.sum(0), dtype=np.float32)


def _person(pixels: Pixels, shape: FaceGeometry) -> Mask:
    """Foreground by GrabCut, started from where a head and shoulders are expected."""
    labels = np.where(shape.head | shape.torso, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    labels[shape.margin] = cv2.GC_BGD
    labels[shape.face | shape.scalp | shape.column] = cv2.GC_FGD
    smooth = np.asarray(cv2.bilateralFilter(cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), 5, 20, 3))
    if (labels & 1).all():
        return np.ones((SIDE, SIDE), dtype=np.bool_)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(smooth, labels, (0, 0, 0, 0), *models, 4, cv2.GC_INIT_WITH_MASK)
    found = (labels & 1).astype(bool)
    closed = cv2.morphologyEx(found.astype(np.uint8), cv2.MORPH_CLOSE, _disc(2)).astype(bool)
    return _touching(closed, shape.face)


def _materials(lab: Map, person: Mask, shape: FaceGeometry) -> tuple[Mask, Mask, Mask]:
    """Flesh, hair and clothes: disjoint masks whose union is the person."""
    cheeks = _typical(lab[shape.core])
    flesh_score = fit_mixture(cheeks, 2)(lab)
    usual = float(np.quantile(flesh_score[shape.core], 0.2))
    throat = person & shape.throat & (flesh_score > usual - 10)
    crown = person & shape.crown
    other = crown & (flesh_score < usual - 3)
    bald = other.sum() < 0.3 * crown.sum() or crown.sum() < 0.003 * SIDE**2
    scores = [fit_mixture(np.concatenate([cheeks, lab[throat]]), 3)(lab)]
    scores.append(np.full_like(scores[0], -np.inf) if bald else fit_mixture(lab[other], 3)(lab))
    bottom = person & shape.bottom
    scores.append(fit_mixture(lab[bottom], 3)(lab) if bottom.sum() > 50 else np.full_like(scores[0], -30.0))
    evidence = np.stack(scores) * LIKELIHOOD_POWER + np.log(shape.material_priors().clip(1e-6))
    posterior = np.exp(evidence - evidence.max(0))
    posterior /= posterior.sum(0)
    guide = np.asarray(lab[..., 0] / 100, dtype=np.float32)
    smooth = np.stack([_guided(guide, p.astype(np.float32)) for p in posterior])
    best = smooth.argmax(0)
    hair = _plausible_hair(person & (best == HAIR), shape)
    clothes = person & ~hair & (smooth[CLOTHES] > smooth[FLESH])
    clothes = _touching(_without_specks(clothes, 80), shape.last_rows)
    flesh = person & ~hair & ~clothes
    islands = flesh & (shape.rows < shape.brow_row) & ~_touching(flesh, shape.core)  # highlights on hair
    return flesh & ~islands, hair | islands, clothes


def _plausible_hair(hair: Mask, shape: FaceGeometry) -> Mask:
    """Remove specks, pupils, and shade or dark clothes below the jaw from the hair mask; hanging hair beside the face stays."""
    hair = _touching(_without_specks(hair, 40), ~shape.face)
    hanging = _touching(cv2.morphologyEx(hair.astype(np.uint8), cv2.MORPH_OPEN, _disc(3)).astype(bool), shape.beside_face)
    return hair & (~shape.below_jaw | hanging)


def _typical(colours: Map) -> Map:
    """``(N, 3)`` colours without the fifth farthest from their median: beards, spectacles and highlights are no skin."""
    distance = np.linalg.norm(colours - np.median(colours, axis=0), axis=1)
    return np.asarray(colours[distance <= np.quantile(distance, 0.8)])


def _guided(guide: Map, values: Map, radius: int = 5, epsilon: float = 4e-4) -> Map:
    """Smooth a map along the edges of a guide (guided filter, He et al., 2010)."""
    size = (2 * radius + 1, 2 * radius + 1)
    mean_g, mean_v = cv2.blur(guide, size), cv2.blur(values, size)
    slope = (cv2.blur(guide * values, size) - mean_g * mean_v) / (cv2.blur(guide * guide, size) - mean_g**2 + epsilon)
    return np.asarray(cv2.blur(slope, size) * guide + cv2.blur(mean_v - slope * mean_g, size), dtype=np.float32)


def _touching(mask: Mask, seeds: Mask) -> Mask:
    """The connected pieces of a mask that touch the seeds."""
    _, pieces = cv2.connectedComponents(mask.astype(np.uint8))
    return np.asarray(np.isin(pieces, np.unique(pieces[seeds & mask])) & mask, dtype=np.bool_)


def _without_specks(mask: Mask, smallest: int) -> Mask:
    """Drop pieces of fewer pixels."""
    count, pieces, statistics, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    large = [i for i in range(1, count) if statistics[i, cv2.CC_STAT_AREA] >= smallest]
    return np.asarray(np.isin(pieces, large), dtype=np.bool_)


def _disc(radius: int) -> npt.NDArray[np.uint8]:
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1)), dtype=np.uint8)


def _resize(image: npt.NDArray[Any], side: int) -> npt.NDArray[Any]:
    """A square image to another side; averages when it shrinks."""
    if image.shape[0] == side:
        return image
    flag = cv2.INTER_AREA if side < image.shape[0] else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (side, side), interpolation=flag))
