"""Mirrored batches for stage 2 (the paper's mirroring): anchors, positives and hard negatives that share latent codes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

Normal = Callable[[str, Sequence[int], int], Tensor]
"""Standard normal numbers ``(B, d)`` of a stream, one row for each global image index (:meth:`vera.rng.Draws.normal`)."""
LOCAL = "local"
"""Stream of the noise behind the local codes."""


class Mirrored(NamedTuple):
    """Noise of a mirrored batch of M faces.

    Attributes:
        z: ``(M, D)`` behind the local codes.
        attributes: ``(M, D_a)`` behind each attribute's code.
        shares: ``(M,)`` for each attribute; equal exactly where the code is one draw.

    """

    z: Float[Tensor, "m d"]
    attributes: dict[str, Tensor]
    shares: dict[str, Int[Tensor, "m"]]


def mirror(normal: Normal, indices: Sequence[int], *, latent: int, attributes: Mapping[str, int], hard_negatives: bool) -> Mirrored:
    """Draw the noise of a mirrored batch: each anchor with a positive and a hard negative per attribute, ``M = N (1 + 2A)`` faces.

    A *positive* for a keeps the anchor's z_a and redraws everything else. A *hard negative* for a keeps everything but z_a: it is a
    positive for every other attribute. Nothing that is shared is drawn twice, and every draw is keyed by its anchor's global index,
    so that two processes make the batch that one would.

    Args:
        normal: keyed source of the normal numbers.
        indices: global image index of each anchor.
        latent: dimension of the noise behind the local codes.
        attributes: dimension of the noise behind each attribute's code, by the attribute's name.
        hard_negatives: False for the paper's ablation without mirroring: each hard negative becomes a second positive, so that a
            batch costs the same.

    Returns:
        Faces in the order: all anchors, then for each attribute all its positives and all its hard negatives.

    """
    widths = {LOCAL: latent, **attributes}
    variants: list[dict[str, str]] = [dict.fromkeys(widths, "anchor")]  # for each part, the draw that it is taken from
    for name in attributes:
        variants.append({part: "anchor" if part == name else f"positive of {name}" for part in widths})
        if hard_negatives:
            variants.append({part: f"negative of {name}" if part == name else "anchor" for part in widths})
        else:
            variants.append({part: "anchor" if part == name else f"second positive of {name}" for part in widths})
    names = sorted({draw for variant in variants for draw in variant.values()})
    number = {draw: place for place, draw in enumerate(names)}
    where = torch.tensor(list(indices), dtype=torch.int64)

    codes: dict[str, Tensor] = {}
    shares: dict[str, Tensor] = {}
    for part, width in widths.items():
        drawn = {draw: normal(f"mirrored/{draw}/{part}", indices, width) for draw in {v[part]: None for v in variants}}
        codes[part] = torch.cat([drawn[variant[part]] for variant in variants])
        shares[part] = torch.cat([where * len(names) + number[variant[part]] for variant in variants]).to(codes[part].device)
    return Mirrored(codes.pop(LOCAL), codes, {name: shares[name] for name in attributes})
