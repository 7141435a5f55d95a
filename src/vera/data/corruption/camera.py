"""Camera corruption: white balance, exposure, contrast, grey, blur, low resolution, noise, compression. DECISION: all ranges."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from vera.data.corruption.numbers import Numbers

BLOCK = 8
"""Pixels a side of the blocks that JPEG compresses."""
LUMA = (0.299, 0.587, 0.114)


def photograph(x: Tensor, n: Numbers, probability: float, rare: float) -> Tensor:
    """Colour, sharpness, noise and compression, in the order in which a camera adds them; values in [0, 1]."""
    x = _colour(x, n, probability, rare)
    x = _sharpness(x, n, probability)
    made, strength, lightness = n.when(probability), n.between(0, 1) ** 2 * 0.1, n.when(0.5)
    noise = torch.where(lightness, n.pixels[:, :1], n.pixels)
    x = torch.where(made, (x + strength * noise).clamp(0, 1), x)
    made, coarse = n.when(probability), n.between(0, 1) ** 2
    return torch.where(made, _compressed(x, 0.02 + 0.12 * coarse), x)


def _colour(x: Tensor, n: Numbers, probability: float, rare: float) -> Tensor:
    made, warm, green = n.when(probability), n.between(-0.3, 0.3), n.between(-0.08, 0.08)
    gain = torch.exp2(torch.cat([warm, green, -warm], dim=1))
    x = torch.where(made, x * gain, x)
    made, exposure = n.when(probability), n.between(-1.0, 0.7)
    x = torch.where(made, x * torch.exp2(exposure), x)
    made, gamma = n.when(probability), n.between(-0.6, 0.6)
    x = torch.where(made, x.clamp(1e-4, 1) ** torch.exp2(gamma), x)
    made, contrast = n.when(probability), n.between(-0.5, 0.5)
    x = torch.where(made, (x - 0.45) * torch.exp2(contrast) + 0.45, x)
    grey = (x * x.new_tensor(LUMA).view(1, 3, 1, 1)).sum(dim=1, keepdim=True)
    made, saturation = n.when(probability), n.between(0, 1.6)
    x = torch.where(made, torch.lerp(grey, x, saturation), x)
    return torch.where(n.when(rare), grey, x)


def _sharpness(x: Tensor, n: Numbers, probability: float) -> Tensor:
    """Blur, or what is left of few pixels: a mixture with the image reduced two, four or eight times and enlarged again."""
    made, amount, which = n.when(probability), n.between(0, 1) ** 0.5, n.between(0, 1)
    for factor, share in ((2, 1.0), (4, 0.5), (8, 0.1)):
        few = F.avg_pool2d(x, factor)
        again = F.interpolate(few, scale_factor=factor, mode="bilinear", align_corners=False)
        x = torch.where(made & (which < share) & (which >= share / 5), torch.lerp(x, again, amount), x)
    return x


def _compressed(x: Tensor, step: Tensor) -> Tensor:
    """Compress as JPEG does: quantised cosines of blocks, coarser the finer they are (the same for all colours)."""
    rows = torch.arange(BLOCK, device=x.device, dtype=x.dtype)
    cosines = torch.cos(math.pi / BLOCK * (rows + 0.5) * rows[:, None]) * math.sqrt(2 / BLOCK)
    cosines[0] /= math.sqrt(2)
    b, c, side = x.shape[0], x.shape[1], x.shape[2]
    blocks = x.reshape(b, c, side // BLOCK, BLOCK, side // BLOCK, BLOCK).permute(0, 1, 2, 4, 3, 5)
    spectrum = cosines @ blocks @ cosines.T
    steps = step.view(-1, 1, 1, 1, 1, 1) * (1 + 0.5 * (rows[:, None] + rows))
    back = cosines.T @ (torch.round(spectrum / steps) * steps) @ cosines
    return back.permute(0, 1, 2, 4, 3, 5).reshape(b, c, side, side).clamp(0, 1)
