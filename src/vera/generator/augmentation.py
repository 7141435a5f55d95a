"""Augmentation of the discriminator's inputs (ADA: Karras et al. 2020b, appendix B), so that few photographs are enough.

Image and segmentation move together; colours change on the image only. What leaves the frame is mirrored in the image (as
published) and background in the segmentation. Every operation is applied with a probability of its own, the strength, below
which the generator doesn't learn to imitate it.

Sampling is bilinear, a weighted sum of four gathered pixels: linear in the image and therefore differentiable to every order,
which ``grid_sample`` isn't in all versions of torch that VerA allows, and exact for whole pixels. The published pipeline also
filters with wavelets, against aliasing: what bilinear sampling does to fine detail, it does to real and generated images alike.
"""

from __future__ import annotations

import math
from collections.abc import Collection

import torch
from jaxtyping import Float
from torch import Tensor

from vera.types import Semantic, VeraError

BLIT = ("flip", "quarter_turn", "translation")
GEOMETRY = ("scale", "rotation", "stretch", "shift")
COLOUR = ("brightness", "contrast", "luma_flip", "hue", "saturation")

# Published ranges (appendix B, figure 4): largest part of the side, or standard deviations of a part of the side, of log2, of [-1, 1].
TRANSLATION, SHIFT = 0.125, 0.125
LOG_SCALE, LOG_STRETCH, LOG_CONTRAST, LOG_SATURATION = 0.2, 0.2, 0.5, 1.0
BRIGHTNESS = 0.2


class Augmentation:
    """Random changes of image and segmentation, a pure function of uniform numbers and the strength.

    Args:
        operations: operations to use, of :data:`BLIT`, :data:`GEOMETRY` and :data:`COLOUR`. Upright faces need no ``quarter_turn``
            and no ``luma_flip``.

    Raises:
        VeraError: for an unknown operation.

    """

    numbers = 28
    """Uniform numbers that one sample needs, whichever operations are used."""

    def __init__(self, *, operations: Collection[str]) -> None:
        unknown = sorted(set(operations) - {*BLIT, *GEOMETRY, *COLOUR})
        if unknown:
            raise VeraError(f"augmentation: unknown operations {unknown}; choose from {[*BLIT, *GEOMETRY, *COLOUR]}")
        self.operations = frozenset(operations)

    def __call__(
        self,
        images: Float[Tensor, "b 3 s s"],
        segmentations: Float[Tensor, "b k s s"],
        strength: float | Tensor,
        draws: Float[Tensor, "b n"],
    ) -> tuple[Float[Tensor, "b 3 s s"], Float[Tensor, "b k s s"]]:
        """Augment a batch; samples don't influence each other.

        Args:
            images: images, values in [-1, 1].
            segmentations: segmentations in 2p - 1, values in [-1, 1].
            strength: probability of each operation, in [0, 1]; 0 gives back what was put in.
            draws: :attr:`numbers` uniform numbers in (0, 1) for each sample.

        Raises:
            VeraError: for another number of draws.

        """
        if draws.shape != (len(images), self.numbers):
            raise VeraError(f"augmentation needs ({len(images)}, {self.numbers}) uniform numbers, not {tuple(draws.shape)}")
        numbers = _Numbers(draws, strength, self.operations)
        inverse = _geometry(numbers, images.shape[-1])
        matrix, offset = _colour(numbers)
        images, segmentations = warp(images, segmentations, inverse)
        # Three products instead of a matrix product: full precision under autocast and TF32.
        m = matrix.to(images)[..., None, None]
        coloured = m[:, :, 0] * images[:, 0:1] + m[:, :, 1] * images[:, 1:2] + m[:, :, 2] * images[:, 2:3]
        return coloured + offset.to(images)[..., None, None], segmentations


def warp(
    images: Float[Tensor, "b c s s"], segmentations: Float[Tensor, "b k s s"], inverse: Float[Tensor, "b 3 3"]
) -> tuple[Float[Tensor, "b c s s"], Float[Tensor, "b k s s"]]:
    """Resample bilinearly: the image mirrored at its border pixels, the segmentation surrounded by background.

    Args:
        images: images, values in any range.
        segmentations: segmentations in 2p - 1, values in [-1, 1].
        inverse: map from each pixel to its source, in pixels, x before y, origin at the centre of the frame.

    """
    side = images.shape[-1]
    axis = torch.arange(side, device=images.device, dtype=inverse.dtype) - (side - 1) / 2
    y, x = (v.flatten() for v in torch.meshgrid(axis, axis, indexing="ij"))
    source = inverse[:, :2, 0, None] * x + inverse[:, :2, 1, None] * y + inverse[:, :2, 2, None] + (side - 1) / 2
    floor = source.floor()
    part, first = (source - floor).to(images.dtype), floor.long()

    moved = torch.zeros_like(images).flatten(2)
    inside = torch.zeros_like(segmentations).flatten(2)
    within = moved.new_zeros(len(images), 1, side * side)
    for corner_y in (0, 1):
        for corner_x in (0, 1):
            column, row = first[:, 0] + corner_x, first[:, 1] + corner_y
            weight = _weight(part[:, 0], corner_x) * _weight(part[:, 1], corner_y)
            index = (_mirror(row, side) * side + _mirror(column, side))[:, None]
            in_frame = (row >= 0) & (row < side) & (column >= 0) & (column < side)
            seen = (weight * in_frame)[:, None]
            moved = torch.addcmul(moved, _gather(images, index), weight[:, None])
            inside = torch.addcmul(inside, _gather(segmentations, index), seen)
            within = within + seen
    surroundings = segmentations.new_full((segmentations.shape[1], 1), -1.0)
    surroundings[Semantic.BACKGROUND] = 1.0
    return moved.view_as(images), (inside + (1 - within) * surroundings).view_as(segmentations)


def _gather(x: Tensor, index: Tensor) -> Tensor:
    return x.flatten(2).gather(2, index.expand(-1, x.shape[1], -1))


def _weight(part: Tensor, corner: int) -> Tensor:
    return part if corner else 1 - part


def _mirror(index: Tensor, side: int) -> Tensor:
    """Fold at the centres of the border pixels, as often as needed."""
    folded = index.remainder(2 * side - 2)
    return torch.minimum(folded, 2 * side - 2 - folded)


class _Numbers:
    """Hands out the uniform numbers in a fixed order, and the parameters made of them: neutral where an operation isn't applied.

    In double precision: a few numbers a sample, whose matrix products must not be rounded to TF32.
    """

    def __init__(self, draws: Tensor, strength: float | Tensor, operations: frozenset[str]) -> None:
        # torch.rand may yield 0, where a normal number would be infinite.
        self.columns = iter(draws.double().clamp(2**-24, 1 - 2**-24).unbind(1))
        self.strength = torch.as_tensor(strength, dtype=torch.float64, device=draws.device).clamp(0, 1)
        self.operations = operations

    def applied(self, operation: str, strength: Tensor | None = None) -> Tensor:
        """(B,) bool: whose number is below the probability."""
        gate = next(self.columns) < (self.strength if strength is None else strength)
        return gate & (operation in self.operations)

    def uniform(self, applied: Tensor, low: float, high: float) -> Tensor:
        """(B,) uniform where applied, else 0."""
        return torch.where(applied, low + (high - low) * next(self.columns), 0.0)

    def normal(self, applied: Tensor, deviation: float) -> Tensor:
        """(B,) normal where applied, else 0."""
        return torch.where(applied, torch.special.ndtri(next(self.columns)) * deviation, 0.0)


def _geometry(n: _Numbers, side: int) -> Float[Tensor, "b 3 3"]:
    """Transform from pixels of the result to pixels of the source: the inverse of each operation, in the published order."""
    flip = n.uniform(n.applied("flip"), 0.0, 2.0).floor()
    quarter = n.uniform(n.applied("quarter_turn"), 0.0, 4.0).floor() * (math.pi / 2)
    inverse = _scaled(1 - 2 * flip, torch.ones_like(flip)) @ _turned(quarter.cos().round(), quarter.sin().round())
    on = n.applied("translation")
    inverse = inverse @ _moved(*[(n.uniform(on, -TRANSLATION, TRANSLATION) * side).round() for _ in "xy"])
    scale = n.normal(n.applied("scale"), LOG_SCALE).exp2()
    inverse = inverse @ _scaled(scale, scale)
    # Two chances to rotate, before and after stretching, such that at least one happens with the strength's probability.
    each = 1 - (1 - n.strength).sqrt()
    angle = n.uniform(n.applied("rotation", each), -math.pi, math.pi)
    inverse = inverse @ _turned(angle.cos(), angle.sin())
    stretch = n.normal(n.applied("stretch"), LOG_STRETCH).exp2()
    inverse = inverse @ _scaled(stretch, 1 / stretch)
    angle = n.uniform(n.applied("rotation", each), -math.pi, math.pi)
    inverse = inverse @ _turned(angle.cos(), angle.sin())
    on = n.applied("shift")
    return inverse @ _moved(*[n.normal(on, SHIFT) * side for _ in "xy"])


def _colour(n: _Numbers) -> tuple[Float[Tensor, "b 3 3"], Float[Tensor, "b 3"]]:
    """The matrix and the offset of RGB in [-1, 1]; operations in the published order, around the axis of greys."""
    brightness = n.normal(n.applied("brightness"), BRIGHTNESS)
    contrast = n.normal(n.applied("contrast"), LOG_CONTRAST).exp2()[:, None, None]
    luma_flip = n.uniform(n.applied("luma_flip"), 0.0, 2.0).floor()[:, None, None]
    hue = n.uniform(n.applied("hue"), -math.pi, math.pi)[:, None, None]
    saturation = n.normal(n.applied("saturation"), LOG_SATURATION).exp2()[:, None, None]
    one = torch.eye(3, dtype=brightness.dtype, device=brightness.device)
    grey = torch.full_like(one, 1 / 3)
    cross = (one.roll(1, 0) - one.roll(-1, 0)) / math.sqrt(3)  # cross product with the axis of greys
    rotation = hue.cos() * one + (1 - hue.cos()) * grey + hue.sin() * cross
    matrix = (saturation * one + (1 - saturation) * grey) @ rotation @ (one - 2 * luma_flip * grey) * contrast
    return matrix, matrix.sum(dim=2) * brightness[:, None]


def _scaled(x: Tensor, y: Tensor) -> Tensor:
    return _matrix([[1 / x, 0.0, 0.0], [0.0, 1 / y, 0.0]], x)


def _turned(cosine: Tensor, sine: Tensor) -> Tensor:
    return _matrix([[cosine, sine, 0.0], [-sine, cosine, 0.0]], cosine)


def _moved(x: Tensor, y: Tensor) -> Tensor:
    return _matrix([[1.0, 0.0, -x], [0.0, 1.0, -y]], x)


def _matrix(rows: list[list[Tensor | float]], like: Tensor) -> Float[Tensor, "b 3 3"]:
    """Two rows of entries, (B,) or numbers, above the row (0, 0, 1)."""
    zero = torch.zeros_like(like)
    last: list[Tensor | float] = [0.0, 0.0, 1.0]
    return torch.stack([torch.stack([zero + entry for entry in row], dim=1) for row in (*rows, last)], dim=1)
