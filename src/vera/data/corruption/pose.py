"""Pose corruption: rotation, scale, shift, tilt and bend; labels move with the pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from vera.data.corruption.numbers import Numbers
from vera.types import VeraError


@dataclass(frozen=True)
class Pose:
    """Strengths of the pose corruption.

    Attributes:
        rotation: degrees in the image plane, either way.
        scale: logarithm (base 2), either way: 0.5 is 0.7 to 1.4 times as large.
        shift: parts of the frame's side, either way.
        tilt: perspective: relative difference in depth between the frame's middle and its edge, either way.
        bend: standard deviation of a smooth displacement that changes proportions, in parts of the frame's side.

    """

    rotation: float
    scale: float
    shift: float
    tilt: float
    bend: float

    def __post_init__(self) -> None:
        for name, most in (("rotation", 180), ("scale", 2), ("shift", 1), ("tilt", 0.45), ("bend", 0.1)):
            value = getattr(self, name)
            if not 0 <= value <= most:
                raise VeraError(f"pose.{name}={value}: choose a value from 0 to {most}")


def move(x: Tensor, labels: Tensor, n: Numbers, probability: float, pose: Pose) -> tuple[Tensor, Tensor]:
    """Apply all pose changes in one resampling: bilinear for pixels, nearest for labels.

    Where the result shows what lies outside the frame, pixels and labels are mirrored, as alignment does at a photograph's edge, or
    repeat the border.

    Args:
        x: ``(B, 3, S, S)`` images.
        labels: ``(B, S, S)`` class numbers.
        n: random numbers of the batch.
        probability: probability of each of the five changes, 0 to 1.
        pose: strengths of the changes.

    Returns:
        The changed images and labels, shapes as given.

    """
    turned, scaled, shifted, tilted, bent = (n.when(probability) for _ in range(5))
    angle = torch.where(turned, n.between(-pose.rotation, pose.rotation), 0) * (math.pi / 180)
    zoom = torch.exp2(torch.where(scaled, n.between(-pose.scale, pose.scale), 0))
    right, down = (torch.where(shifted, 2 * n.between(-pose.shift, pose.shift), 0) for _ in "xy")
    yaw, pitch = (torch.where(tilted, n.between(-pose.tilt, pose.tilt), 0) for _ in "xy")
    field, mirrored = 2 * pose.bend * n.field("wide", 2), n.when(0.7)

    # Where each pixel of the result comes from: the inverse of scaling, turning and shifting; the frame is [-1, 1].
    px, py = n.x - right, n.y - down
    px, py = (px * angle.cos() + py * angle.sin()) / zoom, (py * angle.cos() - px * angle.sin()) / zoom
    depth = (1 + yaw * px + pitch * py).clamp(min=0.3)
    source = torch.cat([px / depth, py / depth], dim=1)
    source = source + torch.where(bent, field, 0)
    folded = (source + 1).remainder(4)
    folded = torch.where(folded > 2, 4 - folded, folded) - 1
    grid = torch.where(mirrored, folded, source.clamp(-1, 1)).permute(0, 2, 3, 1)

    moved = F.grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=False)
    where = F.grid_sample(labels[:, None].float(), grid, mode="nearest", padding_mode="border", align_corners=False)[:, 0].long()
    made = turned | scaled | shifted | tilted | bent
    return torch.where(made, moved, x), torch.where(made[:, 0], where, labels)
