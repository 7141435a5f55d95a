"""Faces drawn in code, with exact segmentations and known attributes: for tests and smoke runs, without any download."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
import torch

from vera.data.sample import Sample
from vera.rng import key
from vera.types import Semantic

SCALE = 4
"""Drawn this much larger, then reduced: smooth edges in the image; the labels take the nearest class."""


@dataclass(frozen=True)
class Attributes:
    """Parameters of a procedural face; lengths are in units of the image's side.

    Attributes:
        yaw: horizontal shift of the inner features, -0.06 … 0.06.
        smile: 0 (closed, straight) … 1 (open, wide).
        light: direction of the shading, -1 (from the left) … 1.
        width: half width of the face.
        skin: RGB in 0 … 1.
        hair: RGB in 0 … 1.
        background: RGB in 0 … 1.
        eye: half width of an eye.
        nose: length of the nose.

    """

    yaw: float
    smile: float
    light: float
    width: float
    skin: tuple[float, float, float]
    hair: tuple[float, float, float]
    background: tuple[float, float, float]
    eye: float
    nose: float


def draw_attributes(rng: np.random.Generator) -> Attributes:
    """Draw a face's attributes."""
    tone, dark, grey = rng.uniform(0.35, 0.95), rng.uniform(0.05, 0.7), rng.uniform(0.5, 0.95)
    return Attributes(
        yaw=float(rng.uniform(-0.06, 0.06)),
        smile=float(rng.uniform(0, 1)),
        light=float(rng.uniform(-1, 1)),
        width=float(rng.uniform(0.25, 0.31)),
        skin=(tone, tone * 0.78, tone * 0.66),
        hair=(dark, dark * 0.7, dark * 0.45),
        background=(grey, grey, grey),
        eye=float(rng.uniform(0.045, 0.065)),
        nose=float(rng.uniform(0.09, 0.14)),
    )


def render(attributes: Attributes, size: int) -> Sample:
    """Draw a face.

    Args:
        attributes: look of the face, see :class:`Attributes`.
        size: side S of the sample.

    """
    side = size * SCALE
    a = attributes
    labels = np.full((side, side), int(Semantic.BACKGROUND), np.uint8)

    def ellipse(kind: Semantic, x: float, y: float, rx: float, ry: float) -> None:
        centre, axes = (round(x * side), round(y * side)), (max(round(rx * side), 1), max(round(ry * side), 1))
        cv2.ellipse(labels, centre, axes, 0, 0, 360, int(kind), -1)

    middle = 0.5 + a.yaw
    ellipse(Semantic.HAIR, 0.5, 0.42, a.width + 0.07, 0.4)
    ellipse(Semantic.CLOTHES, 0.5, 1.12, 0.5, 0.2)
    ellipse(Semantic.NECK, 0.5, 0.9, 0.13, 0.15)
    for sign in (-1, 1):
        ellipse(Semantic.EARS, 0.5 + sign * a.width, 0.5, 0.035, 0.07)
    ellipse(Semantic.SKIN, 0.5, 0.5, a.width, 0.38)
    for sign in (-1, 1):
        ellipse(Semantic.BROWS, middle + sign * 0.12, 0.39, 0.065, 0.013)
        ellipse(Semantic.EYES, middle + sign * 0.12, 0.46, a.eye, 0.025)
    ellipse(Semantic.NOSE, middle, 0.48 + a.nose / 2, 0.035, a.nose / 2)
    ellipse(Semantic.MOUTH, middle, 0.71, 0.08 + 0.04 * a.smile, 0.018 + 0.03 * a.smile)

    colours = np.zeros((len(Semantic), 3), np.float32)
    colours[Semantic.BACKGROUND] = a.background
    for kind in (Semantic.SKIN, Semantic.EARS, Semantic.NOSE, Semantic.NECK):
        colours[kind] = a.skin
    colours[Semantic.NOSE] *= 0.92
    colours[[Semantic.HAIR, Semantic.BROWS]] = a.hair
    colours[Semantic.EYES] = (0.2, 0.25, 0.35)
    colours[Semantic.MOUTH] = (0.75, 0.3, 0.3)
    colours[Semantic.CLOTHES] = (0.25, 0.35, 0.5)
    shading = 1 + 0.25 * a.light * np.linspace(-1, 1, side, dtype=np.float32)[None, :, None]
    lit: npt.NDArray[np.float32] = colours[labels]
    lit = np.where((labels == Semantic.BACKGROUND)[..., None], lit, lit * shading)
    image = cv2.resize(lit, (size, size), interpolation=cv2.INTER_AREA)
    pixels = (image.clip(0, 1) * 255).round().astype(np.uint8)
    small = cv2.resize(labels, (size, size), interpolation=cv2.INTER_NEAREST)
    return Sample(image=torch.from_numpy(pixels).permute(2, 0, 1).contiguous(), labels=torch.from_numpy(small))


class ProceduralFaces:
    """A data set of procedural faces: face n depends on (seed, n) alone.

    Args:
        size: side S of the samples in pixels.
        count: number of faces in the data set.
        seed: seed of the faces; another seed gives other faces.

    Examples:
        >>> from vera.data.procedural import ProceduralFaces
        >>> faces = ProceduralFaces(size=32, count=10, seed=0)
        >>> len(faces), faces[0]["image"].shape, faces[0]["labels"].shape
        (10, torch.Size([3, 32, 32]), torch.Size([32, 32]))

    """

    def __init__(self, *, size: int, count: int, seed: int) -> None:
        self.size, self.count, self.seed = size, count, seed

    def __len__(self) -> int:
        """Number of faces."""
        return self.count

    def attributes(self, index: int) -> Attributes:
        """The known attributes of face ``index``."""
        return draw_attributes(np.random.default_rng(key(self.seed, "procedural", index)))

    def __getitem__(self, index: int) -> Sample:
        """Draw one face.

        Raises:
            IndexError: outside the data set.

        """
        if not 0 <= index < self.count:
            raise IndexError(index)
        return render(self.attributes(index), self.size)
