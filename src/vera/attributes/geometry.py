"""Differentiable geometry of a soft segmentation: centroids and extents of the parts of a face."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from vera.types import BARE_FACE, Semantic

FACE_OUTLINE = (*BARE_FACE, Semantic.GLASSES)
"""The face without ears: what its centre is taken over."""
FAINT = 1e-4
"""Share of the image under which a part counts as absent: it then fades to the image's centre."""


SHARPNESS = 4
"""DECISION: probabilities are taken to this power before anything is measured. A trace of a class far from where it is seen would move
its centroid a lot, and a generator that is trained on centroids finds that out."""


class Part(NamedTuple):
    """First and second moments of some classes together, in units of the image's side, origin in its middle.

    Attributes:
        centre: ``(B, 2)`` x (right), y (down).
        covariance: ``(B, 3)`` xx, yy, xy.

    """

    centre: Tensor
    covariance: Tensor


class Frame(NamedTuple):
    """The head's own upright frame.

    Attributes:
        unit: ``(B,)`` distance between the eyes, in units of the image's side.
        cosine: ``(B,)`` of the roll.
        sine: ``(B,)`` of the roll, positive when the head's left (the image's right) is lower.

    """

    unit: Tensor
    cosine: Tensor
    sine: Tensor

    def turn(self, offset: Float[Tensor, "b 2"]) -> Float[Tensor, "b 2"]:
        """Convert an offset in the image to eye distances along the head's own axes."""
        x, y = offset.unbind(dim=1)
        return torch.stack([self.cosine * x + self.sine * y, self.cosine * y - self.sine * x], dim=1) / self.unit[:, None]

    def extents(self, covariance: Float[Tensor, "b 3"]) -> Float[Tensor, "b 2"]:
        """Width and height, in eye distances, of the ellipse with this covariance (four standard deviations)."""
        xx, yy, xy = covariance.unbind(dim=1)
        cross = 2 * self.cosine * self.sine * xy
        along = self.cosine**2 * xx + self.sine**2 * yy + cross
        across = self.sine**2 * xx + self.cosine**2 * yy - cross
        return 4 * torch.stack([along, across], dim=1).clamp(min=1e-8).sqrt() / self.unit[:, None]


def grid(like: Tensor) -> Float[Tensor, "2 n"]:
    """X and y of every pixel, flattened, in units of the side, origin in the middle."""
    height, width = like.shape[-2:]
    rows = (torch.arange(height, device=like.device, dtype=like.dtype) + 0.5) / height - 0.5
    columns = (torch.arange(width, device=like.device, dtype=like.dtype) + 0.5) / width - 0.5
    return torch.stack([columns.repeat(height), rows.repeat_interleave(width)])


def sharpened(segmentation: Float[Tensor, "b k h w"]) -> Float[Tensor, "b k h w"]:
    """Raise class probabilities to the power :data:`SHARPNESS`, so that faint traces of a class count less."""
    powers = segmentation.clamp(min=0) ** SHARPNESS
    return powers / (powers.sum(dim=1, keepdim=True) + 1e-6)


def part(segmentation: Float[Tensor, "b k h w"], classes: Sequence[Semantic]) -> Part:
    """Moments of these classes together."""
    mass = segmentation[:, [int(k) for k in classes]].sum(dim=1).flatten(1)
    places = grid(segmentation)
    total = mass.sum(dim=1, keepdim=True) + FAINT * mass.shape[1]
    centre = mass @ places.T / total
    x, y = (places[:, None] - centre.T[..., None]).unbind(0)  # from this centre: FAINT moves it a little, and must not spread a part
    return Part(centre, (torch.stack([x * x, y * y, x * y], dim=2) * mass[..., None]).sum(dim=1) / total)


def frame(eyes: Part) -> Frame:
    """The head's frame from both eyes together: two blobs of distance d spread by d/2 along the line through them.

    No eye has to be told from the other, so nothing jumps when a face turns.
    """
    xx, yy, xy = eyes.covariance.unbind(dim=1)
    half = (((xx - yy) / 2).square() + xy.square() + 1e-12).sqrt()
    largest = ((xx + yy) / 2 + half).clamp(min=1e-6)
    angle = torch.atan2(2 * xy, xx - yy + 1e-6) / 2
    return Frame(2 * largest.sqrt(), angle.cos(), angle.sin())
