"""Accessory corruption: drawn clothes, spectacles and hats with labels of their own, and occluders without.

DECISION: an occluder keeps the label of the class that it hides. A face goes on under a hand, a bandage, a strand or a lesion, and a
parser that called them background would leave pieces of a face standing; completing is the side on which an anonymizer may err.
DECISION: only the frames of spectacles are glasses; what shows through the lenses keeps its label (glasses are transparent, and
eyes that are to be preserved lie behind them).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from vera.data.corruption.numbers import Numbers, anywhere, mean_over, of_class, soft
from vera.types import Semantic as S


def clothes(x: Tensor, labels: Tensor, n: Numbers, probability: float) -> tuple[Tensor, Tensor]:
    """Shoulders behind the neck and a collar before it, of any cloth: studios show little of either."""
    made, colour, other, texture = n.when(probability), n.colour(), n.colour(), n.between(0, 0.15)
    shoulder, fall, collar, opening = n.between(0.5, 0.95), n.between(0.0, 0.5), n.between(0.75, 1.1), n.between(-0.3, 1.0)
    lapel, cloth = n.between(0.1, 1.5), n.field("fine")
    neck = of_class(labels, S.NECK)
    beside = (n.x - mean_over(n.x, neck)).abs()
    behind = of_class(labels, S.BACKGROUND, S.CLOTHES) & (n.y > shoulder + fall * beside)
    before = (neck | of_class(labels, S.CLOTHES)) & (n.y > collar - opening * beside)
    worn = made & anywhere(neck) & (behind | before)
    drawn = (torch.where(beside < lapel * (1.2 - n.y).clamp(min=0), other, colour) + texture * cloth).clamp(0, 1)
    return torch.lerp(x, drawn, soft(worn, 1) * worn), torch.where(worn[:, 0], int(S.CLOTHES), labels)


def spectacles(x: Tensor, labels: Tensor, n: Numbers, rare: float) -> tuple[Tensor, Tensor]:
    """Two rims, a bridge and two temples, mostly dark; tinted lenses."""
    made, width, height, power = n.when(rare), n.between(0.30, 0.46), n.between(0.2, 0.38), n.between(2, 6)
    thick, drop, bridge, colour = n.between(0.025, 0.09), n.between(-0.02, 0.08), n.between(-0.08, 0.04), n.colour(0.0, 0.5)
    clear, glare, reach = n.between(0.6, 1.0), n.between(0, 0.25), n.between(0.2, 0.5)
    eyes = of_class(labels, S.EYES)
    middle = mean_over(n.x, eyes)
    left, right = eyes & (n.x < middle), eyes & (n.x >= middle)
    ends = [(mean_over(n.x, eye), mean_over(n.y, eye)) for eye in (left, right)]
    dx, dy = ends[1][0] - ends[0][0], ends[1][1] - ends[0][1]
    apart = (dx**2 + dy**2).sqrt().clamp(min=0.05)  # all lengths below are parts of it
    ux, uy = dx / apart, dy / apart
    px, py = n.x - (ends[0][0] + ends[1][0]) / 2, n.y - (ends[0][1] + ends[1][1]) / 2
    along, across = (px * ux + py * uy) / apart, (py * ux - px * uy) / apart - drop
    outward = along.abs()
    level = (((outward - 0.5) / width).abs() ** power + (across / height).abs() ** power) ** (1 / power)
    rim = (level - 1).abs() * torch.minimum(width, height)
    arm = (across - bridge).abs()
    inner, outer = outward < 0.5 - width, (outward > 0.5 + width) & (outward < 0.5 + width + reach)
    distance = torch.where(inner | outer, torch.minimum(rim, arm), rim)
    cover = ((thick / 2 - distance) * apart * n.side / 2 + 0.5).clamp(0, 1)
    worn = made & anywhere(left) & anywhere(right)
    lens = (level < 1).float()
    seen = x * (1 - lens * (1 - clear)) + lens * glare * torch.sigmoid((along + across) * 8)
    drawn = torch.lerp(seen.clamp(0, 1), colour.expand_as(x), cover)
    return torch.where(worn, drawn, x), torch.where((worn & (cover > 0.5))[:, 0], int(S.GLASSES), labels)


def hats(x: Tensor, labels: Tensor, n: Numbers, rare: float) -> tuple[Tensor, Tensor]:
    """Caps that follow the head's outline above a line over the brows; some with a brim."""
    made, colour, texture = n.when(rare), n.colour(), n.between(0, 0.12)
    over, slant, brim, wide = n.between(0.1, 0.35), n.between(-0.15, 0.15), n.when(0.4), n.between(0.5, 0.85)
    thick, cloth = n.between(0.03, 0.09), n.field("fine")
    brows = of_class(labels, S.BROWS)
    across, down = mean_over(n.x, brows), mean_over(n.y, brows)
    head = soft(of_class(labels, S.HAIR, S.SKIN, S.EARS, S.BROWS), max(n.side // 24, 1)) > 0.12
    line = n.y - (down - over + slant * (n.x - across))
    hat = (head & (line < 0)) | (brim & (line.abs() < thick) & ((n.x - across).abs() < wide))
    worn = made & anywhere(brows) & hat
    round_light = 1 - 0.5 * (n.x - across) ** 2
    drawn = (colour * round_light + texture * cloth).clamp(0, 1)
    cover = soft(worn, 1) * worn
    return torch.lerp(x, drawn, cover), torch.where(worn[:, 0], int(S.HAT), labels)


def occluders(x: Tensor, labels: Tensor, n: Numbers, probability: float) -> Tensor:
    """Blobs of any colour or of the skin's (as hands have), and bars as strands, straps and cables are."""
    skin = mean_over(x, of_class(labels, S.SKIN))
    for _ in range(2):
        made, flesh, colour, gain = n.when(probability / 2), n.when(0.4), n.colour(), n.between(0.6, 1.3)
        across, down, wide, high = n.between(-0.9, 0.9), n.between(-0.9, 0.9), n.between(0.06, 0.3), n.between(0.06, 0.3)
        shape, shade, texture = n.field("middle"), n.between(-0.3, 0.3), n.between(0, 0.1)
        px, py = (n.x - across) / wide, (n.y - down) / high
        inside = 1 - (px**2 + py**2).sqrt() + 0.35 * shape
        paint = torch.where(flesh, skin * gain, colour) * (1 + shade * px) + texture * shape
        x = torch.where(made, torch.lerp(x, paint.clamp(0, 1), (inside * torch.minimum(wide, high) * n.side / 2 + 0.5).clamp(0, 1)), x)
    for _ in range(2):
        made, colour, angle, offset = n.when(probability / 2), n.colour(), n.between(-math.pi, math.pi), n.between(-0.7, 0.7)
        thick, bend = n.between(0.004, 0.05), n.between(-0.5, 0.5)
        along = n.x * angle.sin() - n.y * angle.cos()
        distance = (n.x * angle.cos() + n.y * angle.sin() - offset - bend * along**2).abs()
        x = torch.where(made, torch.lerp(x, colour.expand_as(x), ((thick - distance) * n.side / 2 + 0.5).clamp(0, 1)), x)
    return x
