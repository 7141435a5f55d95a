"""Scene corruption: light, people's colours and backgrounds change; labels do not.

Display values take gains of light to the power 1/2.2, which is what they would become in linear light. DECISION: all ranges.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from vera.data.corruption.numbers import Numbers, anywhere, mean_over, of_class, soft
from vera.types import BARE_FACE
from vera.types import Semantic as S

DISPLAY = 1 / 2.2


def materials(x: Tensor, labels: Tensor, n: Numbers, probability: float) -> Tensor:
    """Other hair (brows go with it), another complexion, other clothes: gains of their colours."""
    for classes, dark, light, tint in (
        ((S.HAIR, S.BROWS), -0.8, 1.3, 0.25),
        ((S.SKIN, S.NOSE, S.EARS, S.NECK, S.MOUTH), -0.9, 0.2, 0.12),
        ((S.CLOTHES,), -1.5, 0.8, 0.6),
    ):
        made, level = n.when(probability), n.between(dark, light)
        gain = torch.exp2(level + torch.cat([n.between(-tint, tint) for _ in range(3)], dim=1))
        changed = x * (1 + soft(of_class(labels, *classes), 1) * (gain - 1))
        x = torch.where(made, changed, x)
    return x


def beard(x: Tensor, labels: Tensor, n: Numbers, rare: float) -> Tensor:
    """Stubble to full beard: skin below the nose takes hair's colour, grained; it stays skin (CelebAMask-HQ counts it so)."""
    made, strength, level = n.when(rare), n.between(0.3, 0.9), n.between(0.05, 0.5)
    rise, curve, roughness = n.between(-0.1, 0.12), n.between(0, 1.2), n.between(0, 0.25)
    grain = n.field("grain")
    mouth = of_class(labels, S.MOUTH)
    across, down = mean_over(n.x, mouth), mean_over(n.y, mouth)
    edge = down - 0.06 - rise - curve * (n.x - across) ** 2  # higher at the sides
    where = soft(of_class(labels, S.SKIN), 1) * torch.sigmoid((n.y - edge) / 0.03)
    hair = level * x.new_tensor([1.05, 1.0, 0.95]).view(1, 3, 1, 1) * (0.3 + x.mean(dim=1, keepdim=True)) * (1 + roughness * grain)
    return torch.where(made & anywhere(mouth), torch.lerp(x, hair.clamp(0, 1), strength * where), x)


def lamp(x: Tensor, labels: Tensor, n: Numbers, probability: float) -> Tensor:
    """A lamp from one side: Lambert's law on an ellipsoid in the place of the head, on the person only."""
    made, strength, angle, front = n.when(probability), n.between(0, 1), n.between(-math.pi, math.pi), n.between(0.2, 0.8)
    warmth = n.between(-0.3, 0.3)
    face = of_class(labels, *BARE_FACE)
    across, down = mean_over(n.x, face), mean_over(n.y, face)
    wide = (mean_over((n.x - across) ** 2, face).sqrt() * 2.4).clamp(min=0.1)
    high = (mean_over((n.y - down) ** 2, face).sqrt() * 2.4).clamp(min=0.1)
    nx, ny = (n.x - across) / wide, (n.y - down) / high
    length = (nx**2 + ny**2).sqrt().clamp(min=1e-6)
    bounded = length.clamp(max=0.98) / length
    nx, ny = nx * bounded, ny * bounded
    side = (1 - front**2).sqrt()
    lit = ((nx * angle.cos() + ny * angle.sin()) * side + (1 - nx**2 - ny**2).sqrt() * front).clamp(min=0)
    shade = 0.25 + 0.75 * lit / mean_over(lit, face).clamp(min=0.1)
    tint = torch.exp2(warmth * x.new_tensor([1.0, 0.0, -1.0]).view(1, 3, 1, 1) * (shade - 1).clamp(-1, 1))
    field = 1 + strength * soft(labels[:, None] != S.BACKGROUND, 1) * (shade.clamp(min=0.02) ** DISPLAY * tint - 1)
    return torch.where(made, x * field, x)


def surroundings(x: Tensor, labels: Tensor, n: Numbers, probability: float) -> Tensor:
    """Another place behind the person: gradients, clutter of several sizes, or the photograph itself, enlarged and upside down.

    Its own background is multiplied away: fine hair before a bright wall stays hair.
    """
    made, angle, first, second = n.when(probability), n.between(-math.pi, math.pi), n.colour(), n.colour()
    amount, picture, shift = n.between(0, 1) ** 2, n.when(0.3), n.between(0, 1)
    clutter = n.field("wide", 3) + 0.7 * n.field("middle", 3) + 0.5 * n.field("fine", 3) + 0.3 * n.field("grain", 3)
    share = ((n.x * angle.cos() + n.y * angle.sin()) * 0.7 + 0.5).clamp(0, 1)
    place = torch.lerp(first, second, share) + 0.25 * amount * clutter
    place = torch.where(picture, _upside_down(x, shift), place).clamp(0, 1)
    behind = labels[:, None] == S.BACKGROUND
    own = mean_over(x, behind).clamp(min=0.1)
    alpha = soft(soft(behind, 1) > 0.05, 1)  # the pixels at its border hold some of the old background
    ratio = (place / own).clamp(max=4)
    return torch.where(made, torch.lerp(x, (x * ratio).clamp(0, 1), alpha), x)


def shadows(x: Tensor, n: Numbers, probability: float) -> Tensor:
    """Patches of shade over everything, and a shadow's edge."""
    made, depth, patches = n.when(probability), n.between(0, 0.5), n.field("wide")
    cut, darkness, angle = n.when(probability / 2), n.between(0.25, 0.9), n.between(-math.pi, math.pi)
    offset, hardness = n.between(-0.6, 0.6), n.between(0.01, 0.4)
    x = torch.where(made, x * torch.exp2(depth * patches), x)
    edge = torch.sigmoid((n.x * angle.cos() + n.y * angle.sin() - offset) / hardness)
    return torch.where(cut, x * torch.lerp(torch.ones_like(darkness), darkness, edge), x)


def _upside_down(x: Tensor, shift: Tensor) -> Tensor:
    """A quarter of each picture, enlarged twice, upside down, from a place of its own."""
    side = x.shape[-1]
    start = (shift.view(-1, 1) * (side // 2)).long()
    index = (start + torch.arange(side, device=x.device) // 2).clamp(max=side - 1)
    columns = x.gather(3, index[:, None, None, :].expand(-1, 3, side, -1))
    return columns.gather(2, index.flip(1)[:, None, :, None].expand(-1, 3, -1, side))
