"""Proportions: where an identity's features sit and how large they are, as a smooth warp of the generated face.

Two faces with the same eyes, nose and skin are still two people when these sit differently. The bank's codes say little about
that (the base codes, which carry the layout, stay the photograph's, because they carry its pose), so an identity has
proportions of its own: a few numbers, the same in all photographs of a person.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from vera.types import Semantic

NAMES = ("eye distance", "eye height", "eye size", "brow height", "nose length", "nose width", "cheek width", "chin height")
AMPLITUDE = 0.04
"""DECISION: standard deviation of a displacement, as a share of the distance between the eyes."""
LIMIT = 1.6
"""DECISION: no proportion is further from the mean than so many standard deviations."""
REACH = 0.28
"""DECISION: Gaussian width of a feature's pull, as a share of the distance between the eyes."""
CHEEKS, CHIN = (0.84, 0.8), 1.36
"""Where cheeks (to the side, below) and chin (below) lie from the point between the eyes, in distances between the eyes."""
TAPER = 0.12
"""DECISION: distance from kept pixels within which the warp fades to zero, in eye distances, so that borders stay fitted."""


def draw_proportions(generator: torch.Generator) -> Float[Tensor, "p"]:
    """Standard normal numbers, one for each of :data:`NAMES`, no further than :data:`LIMIT` from 0."""
    return torch.randn(len(NAMES), generator=generator).clamp(-LIMIT, LIMIT)


def reshape(
    image: Float[Tensor, "c s s"],
    segmentation: Float[Tensor, "k s s"],
    proportions: Float[Tensor, "p"],
    replaced: Float[Tensor, "1 s s"],
) -> tuple[Float[Tensor, "c s s"], Float[Tensor, "k s s"]]:
    """Give a generated face its identity's proportions.

    Args:
        image: generated image, values in [-1, 1].
        segmentation: class probabilities of that image; it tells where the features are, so that the warp follows the pose.
        proportions: standard normal numbers of the identity, from :func:`draw_proportions`.
        replaced: share of each pixel that will be replaced.

    Returns:
        Both, warped; as they are where eyes or nose are not found.

    """
    x, y = _grid(image)
    left, right = (_centre(segmentation[Semantic.EYES] * side, x, y) for side in (x < 0, x >= 0))
    nose = _centre(segmentation[Semantic.NOSE], x, y)
    if left is None or right is None or nose is None:
        return image, segmentation
    unit = float(torch.dist(left, right))
    steps = AMPLITUDE * unit * proportions.to(image)
    shift = _displacement(steps, (left, right, nose), segmentation, x, y, unit) * _taper(replaced, unit)
    grid = torch.stack([x, y], dim=-1) - shift
    together = torch.cat([image, segmentation])[None]
    stacked = F.grid_sample(together, grid[None], mode="bicubic", padding_mode="border", align_corners=True)[0]
    warped = stacked[len(image) :].clamp(min=0)
    return stacked[: len(image)], warped / warped.sum(dim=0, keepdim=True).clamp(min=1e-6)


def _displacement(
    steps: Tensor, centres: tuple[Tensor, Tensor, Tensor], segmentation: Tensor, x: Tensor, y: Tensor, unit: float
) -> Float[Tensor, "s s 2"]:
    """Displacement of each pixel's content."""
    spacing, eye_height, eye_size, brow_height, nose_length, nose_width, cheek_width, chin_height = steps
    left, right, nose = centres
    middle = (left + right) / 2
    reach = REACH * unit
    # A change of size moves a feature's edge, a reach away from its centre, by about one step.
    grow = 1 / reach

    def pull(centre: Tensor, width: float = 1.0) -> Tensor:
        return torch.exp(-((x - centre[0]).square() + (y - centre[1]).square()) / (2 * (width * reach) ** 2))

    dx, dy = torch.zeros_like(x), torch.zeros_like(y)
    for side, eye in ((-1, left), (1, right)):
        near = pull(eye)
        dx += near * (side * spacing / 2 + (x - eye[0]) * eye_size * grow)
        dy += near * (-eye_height + (y - eye[1]) * eye_size * grow)
        brow = _centre(segmentation[Semantic.BROWS] * ((x < middle[0]) if side < 0 else (x >= middle[0])), x, y)
        if brow is not None:
            dy -= pull(brow, 0.9) * (0.5 * eye_height + brow_height)  # brows follow the eyes half-way, else they collide
        cheek = middle + torch.tensor([side * CHEEKS[0], CHEEKS[1]]).to(middle) * unit
        dx += pull(cheek, 1.4) * side * cheek_width
    tip = nose + torch.tensor([0.0, 0.1]).to(nose) * unit
    dy += pull(tip, 0.9) * nose_length
    dx += pull(tip, 0.9) * (x - tip[0]) * nose_width * grow
    chin = middle + torch.tensor([0.0, CHIN]).to(middle) * unit
    dy += pull(chin, 1.4) * chin_height
    return torch.stack([dx, dy], dim=-1)


def _taper(replaced: Tensor, unit: float) -> Float[Tensor, "s s 1"]:
    """0 where something is kept, 1 farther inside than the taper."""
    side = replaced.shape[-1]
    reach = max(1, round(TAPER * unit * side / 2))
    kept = (replaced < 1).to(replaced)[None]
    near = F.max_pool2d(kept, 2 * reach + 1, 1, reach)
    soft = F.avg_pool2d(near, 2 * reach + 1, 1, reach, count_include_pad=False)
    return (1 - torch.maximum(soft, kept))[0, 0, :, :, None]


def _grid(image: Tensor) -> tuple[Tensor, Tensor]:
    side = image.shape[-1]
    axis = torch.linspace(-1, 1, side, device=image.device, dtype=image.dtype)
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    return x, y


def _centre(weight: Tensor, x: Tensor, y: Tensor) -> Tensor | None:
    """Centre of mass; None of next to nothing."""
    total = weight.sum()
    if float(total) < 1e-3 * weight.numel():
        return None
    return torch.stack([(weight * x).sum(), (weight * y).sum()]) / total
